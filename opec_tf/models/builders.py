"""The networks, made from a ``ModelConfig``."""

from __future__ import annotations

import dataclasses
from typing import Callable

import tensorflow as tf

from opec_tf.config import BaseConfig, ModelConfig
from opec_tf.models.couple_net import couple_net
from opec_tf.models.networks import (
    ALTERNATIVES_OUTPUT,
    COUPLE_OUTPUTS,
    GIVEN_OUTPUT,
    PAIR_LOGITS_OUTPUT,
    POSE_OUTPUTS,
    VISIBILITY_OUTPUT,
    BaseNet,
    CoupleNet,
    Network,
    OpecNet,
    output,
)
from opec_tf.models.opec_net import integral_net, opec_net
from opec_tf.models.pose_backbone import pose_backbone

__all__ = [
    "ALTERNATIVES_OUTPUT",
    "BASE_SETTINGS",
    "COUPLE_OUTPUTS",
    "GIVEN_OUTPUT",
    "NETWORKS",
    "PAIR_LOGITS_OUTPUT",
    "POSE_OUTPUTS",
    "VISIBILITY_OUTPUT",
    "build_base",
    "build_couple_net",
    "build_opec_net",
]

# The fields of ``ModelConfig`` that the base module and what it is given depend on.
BASE_SETTINGS = {field.name for field in dataclasses.fields(BaseConfig)}


# AutoGraph would translate every layer's Python, which takes a good part of the time in which a network is built; no
# layer needs it, since none lets the values of tensors decide in Python. So for the training step and the input too.
@tf.autograph.experimental.do_not_convert
def base_network(config: BaseConfig) -> BaseNet:
    """The base module alone: crops [B, H, W, 3] -> {"base_heatmaps": float32 [B, H / 4, W / 4, K]}.

    Its layer "base" is that of ``opec_network``, so that weights pass from one to the other.
    """
    base = pose_backbone(config)
    crops = tf.keras.Input((*config.crop_size, 3), name="crops")
    heatmaps = output("base_heatmaps")(base(crops)["base_heatmaps"])
    return BaseNet(tf.keras.Model(crops, {"base_heatmaps": heatmaps}, name="base_net"), base)


@tf.autograph.experimental.do_not_convert
def opec_network(config: ModelConfig) -> OpecNet:
    """OPEC-Net with its base; see ``opec_net.opec_net`` for the outputs (``integral_net`` without refinement)."""
    base = pose_backbone(config)
    return opec_net(base, config) if config.refinement else integral_net(base)


@tf.autograph.experimental.do_not_convert
def couple_network(config: ModelConfig) -> CoupleNet:
    """The CoupleGraph with its OPEC-Net; see ``couple_net.couple_net`` for inputs and outputs."""
    return couple_net(opec_network(config), config)


# Stage -> the network that it trains.
NETWORKS: dict[str, Callable[[ModelConfig], Network]] = {
    "base": base_network,
    "opec": opec_network,
    "couple": couple_network,
}


def build_base(config: ModelConfig) -> tf.keras.Model:
    """The model of ``base_network``."""
    return base_network(config).model


def build_opec_net(config: ModelConfig) -> tf.keras.Model:
    """The model of ``opec_network``."""
    return opec_network(config).model


def build_couple_net(config: ModelConfig) -> tf.keras.Model:
    """The model of ``couple_network``."""
    return couple_network(config).model
