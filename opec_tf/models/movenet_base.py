"""MoveNet as a base module."""

from __future__ import annotations

import tensorflow as tf

from opec_tf.layers.instance import InstanceHeatmaps
from opec_tf.models.trunks.movenet import WIDTHS, movenet_features, movenet_heads


def movenet_base(*, crop_size: tuple[int, int], num_joints: int, trunk: str) -> tf.keras.Model:
    """Builds MoveNet over person crops.

    Args:
      crop_size: (height, width) of the crops, pixels, multiples of 32.
      num_joints: K.
      trunk: "movenet_thunder" or "movenet_lightning".

    Returns:
      A model named "base" with the inputs and outputs of ``pose_backbone``: F1, F2, F3 are the pyramid's maps of 32, 24
      and 24 channels, C4, C3, C2 MobileNetV2's, and base_heatmaps those of the person whom the crop shows, see
      ``InstanceHeatmaps``.
    """
    crops = tf.keras.Input((*crop_size, 3), name="crops")
    images = tf.keras.layers.Rescaling(1.0 / 127.5, -1.0, dtype="float32", name="scaling")(crops)
    maps = movenet_features(images, WIDTHS[trunk])
    heads = movenet_heads(maps["F3"], num_joints)
    heatmaps, _ = InstanceHeatmaps(name="person")([heads["heatmap"], heads["center"], heads["regression"]])
    return tf.keras.Model(crops, {**maps, "base_heatmaps": heatmaps}, name="base")
