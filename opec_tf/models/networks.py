"""What the builders return: the networks, with the names of their outputs and those parts that somebody else needs."""

from __future__ import annotations

from typing import Any, NamedTuple, Union

import tensorflow as tf

from opec_tf.layers.joints import VisibilityHead


class BaseNet(NamedTuple):
    """The base alone.

    Attributes:
      model: the whole network.
      base: the base module, made by ``pose_backbone``, a layer of it.
    """

    model: tf.keras.Model
    base: tf.keras.Model


class OpecNet(NamedTuple):
    """OPEC-Net; see ``opec_net.opec_net`` for the model's inputs and outputs.

    Attributes:
      model: the whole network.
      base: the base module, made by ``pose_backbone``, a layer of it.
      seen: name -> what everything behind the base starts from: its maps F1, F2, F3, its heatmaps and, if they are
        inputs, C4, C3, C2 of its trunk and a given pose.
      heatmaps: [B, h, w, K] (eq. 6); the base's own without refinement.
      score: [B, K] of the initial pose.
      poses: the pose that is refined and P^1, P^2, P^3, each [B, K, 2], (x, y), normalised.
      maps: the feature maps that each block samples, none without image guidance.
      features: [B, K, C] of the last block; None without refinement.
      visibility_head: the layer that reads visibility off them; None without.
    """

    model: tf.keras.Model
    base: tf.keras.Model
    seen: dict[str, tf.Tensor] = {}
    heatmaps: tf.Tensor | None = None
    score: tf.Tensor | None = None
    poses: tuple[tf.Tensor, ...] = ()
    maps: tuple[list[tf.Tensor], ...] = ()
    features: tf.Tensor | None = None
    visibility_head: VisibilityHead | None = None

    @property
    def look(self) -> dict[str, Any]:
        """What the CoupleGraph goes on from: heatmaps, score, the initial and the final pose, maps and features."""
        names = ("heatmaps", "score", "maps", "features")
        poses = {"initial": self.poses[0], "final": self.poses[-1]}
        return {**poses, **{name: getattr(self, name) for name in names}}

    def behind_base(self) -> tf.keras.Model:
        """The part behind the base, of the network's own layers: a model from ``seen`` to ``look``."""
        return tf.keras.Model(self.seen, self.look, name="behind_base")


class CoupleNet(NamedTuple):
    """CoupleGraph; see ``couple_net.couple_net`` for the model's inputs and outputs.

    Attributes:
      model: the whole network.
      opec_net: the parts of the OPEC-Net within; its model is a layer of the whole.
      poses: the couple's P^1, P^2, P^3, each [B, K, 2], (x, y), normalised, each person in the own crop.
    """

    model: tf.keras.Model
    opec_net: OpecNet
    poses: tuple[tf.Tensor, ...]

    @property
    def base(self) -> tf.keras.Model:
        """The base module of its OPEC-Net."""
        return self.opec_net.base


Network = Union[BaseNet, OpecNet, CoupleNet]


def inputs_of(base: tf.keras.Model) -> tf.Tensor | dict[str, tf.Tensor]:
    """Inputs of a network like those of its base: crops, or by name what is kept of its body."""
    if isinstance(base.input, dict):
        return {name: tf.keras.Input(tensor.shape[1:], name=name) for name, tensor in base.input.items()}
    return tf.keras.Input(base.input_shape[1:], name="crops")


def output(name: str) -> tf.keras.layers.Layer:
    """Identity in float32, whose name becomes the output's name in logs and signatures."""
    return tf.keras.layers.Activation("linear", dtype="float32", name=name)
