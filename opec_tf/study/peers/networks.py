"""The networks that are compared with a peer's."""

from __future__ import annotations

from typing import NamedTuple

from opec_tf.config import ModelConfig


class Compared(NamedTuple):
    """A network that both sides have.

    Attributes:
      title: what it is, for tables.
      stage: "base" for the base alone, "opec" for OPEC-Net over it.
      config: its settings.
      batch_size: crops of a training step.
    """

    title: str
    stage: str
    config: ModelConfig
    batch_size: int


NETWORKS = {
    "resnet101": Compared("SE-ResNet-101 + DUC, 320 x 256", "base", ModelConfig(), 10),
    "resnet18": Compared(
        "ResNet-18 of width 32 + deconvolutions, 128 x 96",
        "base",
        ModelConfig(
            crop_height=128,
            crop_width=96,
            trunk="resnet18",
            trunk_width=32,
            squeeze_excite=False,
            decoder="deconv",
            deconv_channels=96,
        ),
        32,
    ),
    "movenet": Compared(
        "MoveNet Thunder + OPEC-Net, 256 x 192",
        "opec",
        ModelConfig(
            crop_height=256,
            crop_width=192,
            trunk="movenet_thunder",
            adaption_channels=(96, 64, 48),
            graph_channels=96,
            block_channels=160,
            integral_radius=4,
        ),
        32,
    ),
}
