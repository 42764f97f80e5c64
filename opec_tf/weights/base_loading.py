"""Public weights carried over into the base module.

What PyTorch and Keras do differently is settled here: the layout of kernels; the order of channels before and after a
shuffle (``channel_order``); colours in BGR order, which turn the first kernel; and joints, which are found by name.
Padding, epsilon and momentum are PyTorch's already.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.config import ModelConfig
from opec_tf.layers.image import DUC, SqueezeExcite
from opec_tf.models.trunks.sizes import BASIC_BLOCKS
from opec_tf.poses import skeletons
from opec_tf.weights import channel_order
from opec_tf.weights.recognition import Source

# A convolution's [out, in, h, w] to [h, w, in, out], and a transposed one's [in, out, h, w] to [h, w, out, in].
_KERNEL, _MATRIX, _VECTOR = (2, 3, 1, 0), (1, 0), (0,)
_KERNEL_BACK = (3, 2, 0, 1)
_DENSE = (("weight", _MATRIX), ("bias", _VECTOR))
_BGR = ("imagenet_bgr", "caffe")


class Left(NamedTuple):
    """A tensor, or part of one, that was not used: its name in the file, and why."""

    name: str
    shape: tuple[int, ...]
    reason: str


class _Part(NamedTuple):
    """Where a Keras weight comes from: a tensor of a ``Source``, and the order of its axes."""

    tensor: str
    axes: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Report:
    """What became of a checkpoint's tensors.

    Attributes:
      used: part of the network -> (tensors, numbers) loaded into it.
      left: what was not used.
      random: names of layers, or of joints of the head, that keep their random initialisation.
    """

    used: dict[str, tuple[int, int]]
    left: list[Left]
    random: list[str]


def settle(source: Source, model_config: ModelConfig, given: Collection[str]) -> ModelConfig:
    """The ``ModelConfig`` of the network to build for a checkpoint.

    Args:
      source: what the checkpoint is.
      model_config: what the user asks for.
      given: names of its fields that the user set.

    Raises:
      UserError: the user asks for what the checkpoint is not.
    """
    for name, value in source.seen.items():
        if name in given and getattr(model_config, name) != value:
            raise UserError(
                f"{source.path}: is a {source.family} with {name}={value}, not --{name}={getattr(model_config, name)}; "
                "leave the flag out"
            )
    # Any: a value of any field.
    values: dict[str, Any] = {**source.assumed, **source.seen}
    whole = skeletons.with_num_joints(len(source.joints))
    if whole:
        values["skeleton"] = whole.name
    elif source.joints:
        values["skeleton"] = skeletons.COCO17.name
    return dataclasses.replace(model_config, **{name: v for name, v in values.items() if name not in given})


def load(model: tf.keras.Model, source: Source, model_config: ModelConfig, new_joints: bool = False) -> Report:
    """Fills a base module with a checkpoint's tensors.

    Args:
      model: from ``builders.build_base(model_config)``.
      source: what the checkpoint is.
      model_config: from ``settle``.
      new_joints: joints that the checkpoint lacks keep their random rows of the head instead of being an error.

    Raises:
      UserError: a tensor is missing, of another shape, not finite, or of a part that the network has not; a joint is
        missing.
    """
    base = model.get_layer("base")
    tensors = _in_our_channel_order(source, model_config)
    random, left = [], []
    if source.joints:
        random, left = _select_joints(tensors, source, base.get_layer("heatmap_head"), model_config, new_joints)
    used: dict[str, tuple[int, int]] = {}
    taken: set[str] = set()
    for layer in base.layers:
        parts = _parts(layer)
        if parts and _is_new(layer, source):
            random.append(layer.name)
        elif parts:
            layer.set_weights([_fitting(tensors, source, part, weight) for part, weight in zip(parts, layer.weights)])
            name = layer.name.split("_")[0]
            count, numbers = used.get(name, (0, 0))
            used[name] = (count + len(parts), numbers + layer.count_params())
            taken.update(part.tensor for part in parts)
    unused = {name: value for name, value in source.tensors.items() if name not in taken}
    left += [Left(source.names[name], value.shape, _why_left(name, source)) for name, value in unused.items()]
    return Report(used, left, random)


def _in_our_channel_order(source: Source, model_config: ModelConfig) -> dict[str, np.ndarray]:
    """The tensors, of which those that read or write colours or the cells of a shuffle have their channels permuted."""
    tensors = dict(source.tensors)
    if model_config.normalization in _BGR:
        tensors["conv1.weight"] = tensors["conv1.weight"][:, ::-1]
    if source.seen.get("decoder") in ("duc", "duc421"):
        channel_order.permute_for_shuffles(tensors, source, model_config.trunk in BASIC_BLOCKS)
    if model_config.unshuffle:
        channel_order.permute_for_unshuffles(tensors, source)
    return tensors


def _parts(layer: tf.keras.layers.Layer) -> list[_Part]:
    """Where each of a layer's weights comes from; [] of a layer without any."""
    if isinstance(layer, DUC):
        return [_Part(f"{layer.name}.conv.weight", _KERNEL), *_norm(f"{layer.name}.bn")]
    name = _torchvision_name(layer.name)
    if isinstance(layer, SqueezeExcite):
        return [_Part(f"{name}.fc.{i}.{part}", axes) for i in (0, 2) for part, axes in _DENSE]
    if isinstance(layer, tf.keras.layers.BatchNormalization):
        return _norm(name)
    if isinstance(layer, tf.keras.layers.Conv2D):  # transposed ones too
        return [_Part(f"{name}.weight", _KERNEL), _Part(f"{name}.bias", _VECTOR)][: len(layer.weights)]
    return []


def _norm(name: str) -> list[_Part]:
    return [_Part(f"{name}.{part}", _VECTOR) for part in ("weight", "bias", "running_mean", "running_var")]


def _torchvision_name(name: str) -> str:
    """stage2_block1_conv1_norm -> layer2.0.bn1, deconv2_norm -> deconv_layers.4, duc1_conv2 -> duc1.4, and so on."""
    kind, suffix = ("bn", 1) if name.endswith("_norm") else ("conv", 0)
    if name.startswith("stem"):
        return f"{kind}1"
    if name == "heatmap_head":
        return "head"
    if deconv := re.match(r"deconv(\d)", name):
        return f"deconv_layers.{3 * (int(deconv[1]) - 1) + suffix}"
    if duc := re.match(r"(duc\d)_conv(\d)", name):  # duc1.0 is the shuffle, duc1.3 a ReLU
        return f"{duc[1]}.{3 * int(duc[2]) - 2 + suffix}"
    if block := re.match(r"stage(\d)_block(\d+)_(conv(\d)|shortcut|se)", name):
        within = {"shortcut": f"downsample.{suffix}", "se": "se"}.get(block[3], f"{kind}{block[4]}")
        return f"layer{block[1]}.{int(block[2]) - 1}.{within}"
    return name


def _is_new(layer: tf.keras.layers.Layer, source: Source) -> bool:
    """Whether a checkpoint of this family has no such layer, as a trunk has no decoder and a plain ResNet no gates."""
    if isinstance(layer, SqueezeExcite):
        return "squeeze_excite" not in source.seen
    return "decoder" not in source.seen and not re.match("stem|stage", layer.name)


def _fitting(tensors: dict[str, np.ndarray], source: Source, part: _Part, weight: tf.Variable) -> np.ndarray:
    """A tensor in the layout of the Keras weight it goes into."""
    name, axes = part
    if name not in tensors:
        raise UserError(f"{source.path}: tensor {name} of a {source.family} is missing; check that the file is whole")
    value = tensors[name]
    expected = tuple(weight.shape[axes.index(axis)] for axis in range(len(axes)))
    if value.shape != expected:
        raise UserError(
            f"{source.path}: {source.names[name]} has shape {list(value.shape)}, and the network takes "
            f"{list(expected)} for {weight.name}"
        )
    value = np.transpose(value, axes).astype(np.float32)
    if not np.isfinite(value).all():
        raise UserError(f"{source.path}: {source.names[name]} holds numbers that are not finite; use another file")
    return value


def _select_joints(
    tensors: dict[str, np.ndarray],
    source: Source,
    head: tf.keras.layers.Layer,
    model_config: ModelConfig,
    new_joints: bool,
) -> tuple[list[str], list[Left]]:
    """Replaces the head's tensors, in place, by the rows of the skeleton's joints.

    Returns:
      The ``random`` (those of the layer ``head``) and the ``left`` of a ``Report``.
    """
    joints = skeletons.SKELETONS[model_config.skeleton].joints
    missing = [joint for joint in joints if joint not in source.joints]
    if missing and not new_joints:
        raise UserError(
            f"{source.path}: has no output for joint {missing[0]} of --skeleton={model_config.skeleton}; choose "
            "another --skeleton, or --new_joints for random weights of such joints"
        )
    rows = [source.joints.index(joint) if joint in source.joints else -1 for joint in joints]
    fresh = np.transpose(head.kernel.numpy(), _KERNEL_BACK), head.bias.numpy()
    left = []
    for name, initial in zip(("head.weight", "head.bias"), fresh):
        if name not in tensors:
            raise UserError(f"{source.path}: tensor {name} is missing; check that the file is whole")
        value = tensors[name]
        if value.shape[1:] == initial.shape[1:]:  # another shape is refused where it is loaded
            new = np.array(rows) < 0
            chosen = value[rows].astype(np.float32)
            chosen[new] = initial[new]
            tensors[name] = chosen
        if unused := len(value) - len(set(rows) - {-1}):
            rows_left = f"{unused} rows of {source.names[name]}"
            left.append(Left(rows_left, value.shape[1:], "joints that the skeleton has not"))
    return [f"heatmap_head ({joint})" for joint in missing], left


def _why_left(name: str, source: Source) -> str:
    """Why a tensor is not used.

    Raises:
      UserError: it belongs to a part of the network that is used, which without it would compute something else.
    """
    if name.endswith(".num_batches_tracked"):
        return "a counter of training steps"
    if name.startswith("fc."):
        return "the classifier"
    if name.startswith("left."):
        return "--trunk_only"
    if re.match(r"(conv1|bn1|layer\d|duc\d|deconv_layers|head)\.|conv\d_", name):
        raise UserError(
            f"{source.path}: {source.names[name]} has no place in a {source.family}: the network is a variant that is "
            "not known here"
        )
    return "no part of this network"
