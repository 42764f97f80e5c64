"""MoveNet as a base module."""

from __future__ import annotations

import tensorflow as tf

from opec_tf.config import BaseConfig
from opec_tf.layers.instance import InstanceHeatmaps
from opec_tf.models.output_names import REGRESSED_OUTPUT
from opec_tf.models.trunks.movenet import movenet_features, movenet_heads
from opec_tf.models.trunks.sizes import MOVENET_WIDTHS
from opec_tf.poses import skeletons

# What its body says to the rest.
BODY_OUTPUTS = ("C4", "L3", "L2")


def movenet_base(config: BaseConfig) -> tf.keras.Model:
    """Builds MoveNet over person crops; of the settings only crop size, skeleton and trunk matter to it.

    Returns:
      A model named "base" with the inputs and outputs of ``pose_backbone``: F1, F2, F3 are the pyramid's maps of 32, 24
      and 24 channels, each cell of mean 0 and deviation 1, C4, C3, C2 MobileNetV2's, and base_heatmaps those of the
      person whom the crop shows. It has three outputs more: regressed_pose [B, K, 2], (x, y), normalised, by which that
      person's joints are told from others', see ``InstanceHeatmaps``; and L3 and L2, see ``movenet_features``.
    """
    crops = tf.keras.Input((*config.crop_size, 3), name="crops")
    images = tf.keras.layers.Rescaling(1.0 / 127.5, -1.0, dtype="float32", name="scaling")(crops)
    # MobileNetV2 and its pyramid, then CenterNet's heads over everybody in the crop.
    maps = movenet_features(images, MOVENET_WIDTHS[config.trunk])
    heads = movenet_heads(maps["F3"], skeletons.SKELETONS[config.skeleton].num_joints)
    # The pyramid's maps have means of 11, 9 and 0.2: beside the first, feature adaption would not see the last.
    for name in ("F1", "F2", "F3"):
        maps[name] = tf.keras.layers.LayerNormalization(center=False, scale=False, name=f"{name}_normalised")(
            maps[name]
        )
    # Whose joints they are: those of the person in the crop's middle.
    heatmaps, pose = InstanceHeatmaps(name="person")([heads["heatmap"], heads["center"], heads["regression"]])
    return tf.keras.Model(crops, {**maps, "base_heatmaps": heatmaps, REGRESSED_OUTPUT: pose}, name="base")


def body(base: tf.keras.Model) -> tf.keras.Model:
    """The part of a MoveNet base that knows pictures rather than people: crops -> C4, L3 and L2."""
    return tf.keras.Model(base.input, {name: base.output[name] for name in BODY_OUTPUTS}, name="body")


def rest(base: tf.keras.Model) -> tf.keras.Model:
    """The other part, with the base's outputs: from C4, L3 and L2 on. It has the base's own layers."""
    inputs = {name: base.output[name] for name in BODY_OUTPUTS}
    outputs = {name: base.output[name] for name in ("F1", "F2", "F3", "base_heatmaps", REGRESSED_OUTPUT)}
    return tf.keras.Model(inputs, outputs, name="base")
