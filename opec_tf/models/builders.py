"""The networks, made from a ``ModelConfig``."""

from __future__ import annotations

import dataclasses
from typing import Callable

import tensorflow as tf

from opec_tf.config import BaseConfig, ModelConfig
from opec_tf.models import movenet_base
from opec_tf.models.couple_net import couple_net
from opec_tf.models.networks import BaseNet, CoupleNet, Network, OpecNet, inputs_of, output
from opec_tf.models.opec_net import integral_net, opec_net
from opec_tf.models.output_names import REGRESSED_OUTPUT
from opec_tf.models.pose_backbone import pose_backbone

# The fields of ``ModelConfig`` that the base module and what it is given depend on.
BASE_SETTINGS = {field.name for field in dataclasses.fields(BaseConfig)}


# AutoGraph would translate every layer's Python, which takes a good part of the time in which a network is built; no
# layer needs it, since none lets the values of tensors decide in Python. So for the training step and the input too.
@tf.autograph.experimental.do_not_convert
def base_network(config: BaseConfig, kept: bool = False) -> BaseNet:
    """The base module alone: crops [B, H, W, 3] -> {"base_heatmaps": float32 [B, H / 4, W / 4, K]}, for MoveNet its
    regressed_pose [B, K, 2], too.

    Its layer "base" is that of ``opec_network``, so that weights pass from one to the other.

    Args:
      kept: of the base only what comes after its body, so that the input is what ``body_of`` gives; for training.
    """
    base = _base(config, kept)
    inputs = inputs_of(base)
    outputs = {name: value for name, value in base(inputs).items() if name in ("base_heatmaps", REGRESSED_OUTPUT)}
    outputs = {name: output(name)(value) for name, value in outputs.items()}
    return BaseNet(tf.keras.Model(inputs, outputs, name="base_net"), base)


@tf.autograph.experimental.do_not_convert
def opec_network(config: ModelConfig, kept: bool = False) -> OpecNet:
    """OPEC-Net with its base; see ``opec_net.opec_net`` for the outputs (``integral_net`` without refinement)."""
    base = _base(config, kept)
    return opec_net(base, config) if config.refinement else integral_net(base)


@tf.autograph.experimental.do_not_convert
def couple_network(config: ModelConfig, kept: bool = False) -> CoupleNet:
    """The CoupleGraph with its OPEC-Net; see ``couple_net.couple_net`` for inputs and outputs."""
    return couple_net(opec_network(config, kept), config)


def body_of(base: tf.keras.Model) -> tf.keras.Model:
    """The body of a MoveNet base: crops -> what the networks that are built with ``kept`` take in their place."""
    return movenet_base.body(base)


def _base(config: BaseConfig, kept: bool) -> tf.keras.Model:
    base = pose_backbone(config)
    return movenet_base.rest(base) if kept else base


# Stage -> the network that it trains.
NETWORKS: dict[str, Callable[..., Network]] = {
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
