"""MoveNet as a base module."""

from __future__ import annotations

import tensorflow as tf

from opec_tf.config import BaseConfig
from opec_tf.layers.instance import InstanceHeatmaps
from opec_tf.models.trunks.movenet import WIDTHS, movenet_features, movenet_heads
from opec_tf.poses import skeletons


def movenet_base(config: BaseConfig) -> tf.keras.Model:
    """Builds MoveNet over person crops; of the settings only crop size, skeleton and trunk matter to it.

    Returns:
      A model named "base" with the inputs and outputs of ``pose_backbone``: F1, F2, F3 are the pyramid's maps of 32, 24
      and 24 channels, C4, C3, C2 MobileNetV2's, and base_heatmaps those of the person whom the crop shows, see
      ``InstanceHeatmaps``.
    """
    crops = tf.keras.Input((*config.crop_size, 3), name="crops")
    images = tf.keras.layers.Rescaling(1.0 / 127.5, -1.0, dtype="float32", name="scaling")(crops)
    # MobileNetV2 and its pyramid, then CenterNet's heads over everybody in the crop.
    maps = movenet_features(images, WIDTHS[config.trunk])
    heads = movenet_heads(maps["F3"], skeletons.SKELETONS[config.skeleton].num_joints)
    # Whose joints they are: those of the person in the crop's middle.
    heatmaps = InstanceHeatmaps(name="person")([heads["heatmap"], heads["center"], heads["regression"]])
    return tf.keras.Model(crops, {**maps, "base_heatmaps": heatmaps}, name="base")
