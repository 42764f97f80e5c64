"""MoveNet's published weights, a TensorFlow.js graph model, in the base of ``models.movenet_base``."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.poses import skeletons
from opec_tf.weights.base_loading import Left, Report
from opec_tf.weights.recognition import Source

_FEATURES = "center_net_mobile_net_v2fpn_feature_extractor/model_1"
_STEM = f"{_FEATURES}/model/Conv1/Conv2D_weights"
_STEM_CHANNELS = {56: "movenet_thunder", 32: "movenet_lightning"}
_BLOCK = {"expand": "expand/Conv2D", "depthwise": "depthwise/depthwise", "project": "project/Conv2D"}
_ENDS = {"stem": "Conv1", "last": "Conv_1"}
_LATERALS = {"lateral5": "conv2d", "lateral4": "conv2d_1", "lateral3": "conv2d_2", "lateral2": "conv2d_3"}
_PYRAMID = {"pyramid1": "separable_conv2d", "pyramid2": "separable_conv2d_1", "pyramid3": "separable_conv2d_2"}
# Head -> its scope in the file, and the numbers there of its separable convolution and of the 1x1 convolution after it.
_HEADS = {"center": ("center_0", 3, 4), "heatmap": ("kpt_heatmap_0", 4, 5), "regression": ("kpt_regress_0", 5, 6)}
# Outputs a joint of the heads that have an output for every joint.
_OUTPUTS_A_JOINT = {"heatmap": 1, "regression": 2}
# Joints that COCO has not begin as the mean of these.
_STAND_INS = {"neck": ("left_shoulder", "right_shoulder"), "head": ("left_ear", "right_ear")}


def recognize(tensors: dict[str, np.ndarray], path: os.PathLike[str] | str, trunk_only: bool = False) -> Source | None:
    """The ``Source`` of a checkpoint that is a MoveNet's; None where it is none.

    Raises:
      UserError: it is one of a size that is not known, or its trunk alone is wanted.
    """
    if _STEM not in tensors:
        return None
    if trunk_only:
        raise UserError(f"{path}: MoveNet is taken whole; leave out --trunk_only")
    trunk = _STEM_CHANNELS.get(tensors[_STEM].shape[-1])
    if trunk is None:
        raise UserError(f"{path}: a MoveNet with {tensors[_STEM].shape[-1]} channels in its stem is not known here")
    return Source(
        path=os.fspath(path),
        family="MoveNet",
        tensors=tensors,
        names={name: name for name in tensors},
        seen={"trunk": trunk},
        assumed={"crop_height": 256, "crop_width": 192},
        joints=skeletons.COCO17.joints,
    )


def load(base: tf.keras.Model, source: Source, joints: Sequence[str], new_joints: bool = False) -> Report:
    """Fills a base module with MoveNet's tensors.

    Args:
      base: the layer "base" of ``builders.build_base``.
      source: from ``recognize``.
      joints: of the base, by name.
      new_joints: joints that MoveNet has not start as the mean of those beside them instead of being an error.

    Raises:
      UserError: a tensor is missing, of another shape or not finite, or MoveNet has no joint for one of the base's.
    """
    unknown = [joint for joint in joints if joint not in source.joints]
    for joint in unknown:
        if not (new_joints and joint in _STAND_INS):
            raise UserError(
                f"{source.path}: has no output for joint {joint}; choose another --skeleton"
                + (", or --new_joints for joints that begin as the mean of others" if joint in _STAND_INS else "")
            )
    used: dict[str, tuple[int, int]] = {}
    taken: set[str] = set()
    for layer in base.layers:
        names = tensor_names(layer.name)
        if not names:
            continue
        values = [_tensor(source, name) for name in names]
        if layer.name in _OUTPUTS_A_JOINT:
            values = [_of_joints(value, source.joints, joints, _OUTPUTS_A_JOINT[layer.name]) for value in values]
        for name, value, weight in zip(names, values, layer.weights):
            if value.shape != tuple(weight.shape):
                raise UserError(
                    f"{source.path}: {name} has shape {list(value.shape)}, and the network takes {list(weight.shape)}"
                )
        layer.set_weights(values)
        part = re.sub(r"\d+$", "", layer.name.split("_")[0])
        count, numbers = used.get(part, (0, 0))
        used[part] = (count + len(names), numbers + layer.count_params())
        taken.update(names)
    left = [
        Left(name, value.shape, "the head of offsets within a cell" if name.startswith("kpt_offset") else "a constant")
        for name, value in source.tensors.items()
        if name not in taken
    ]
    return Report(used, left, [f"the mean of others ({joint})" for joint in unknown])


def tensor_names(layer: str) -> tuple[str, ...]:
    """The names in the file of a layer's weights, kernel first; () of a layer without any."""
    first, _, part = layer.partition("_")
    if layer in _ENDS:
        return _folded(f"{_FEATURES}/model/{_ENDS[layer]}/Conv2D")
    if match := re.fullmatch(r"block(\d+)_(expand|depthwise|project)", layer):
        block = "expanded_conv" if match[1] == "0" else f"block_{match[1]}"
        return _folded(f"{_FEATURES}/model/{block}_{_BLOCK[match[2]]}")
    if layer in _LATERALS:
        return _with_bias(f"{_FEATURES}/{_LATERALS[layer]}")
    if first in _PYRAMID and part in ("depthwise", "pointwise"):
        scope = f"{_FEATURES}/{_PYRAMID[first]}/separable_conv2d"
        return (f"{scope}/ReadVariableOp",) if part == "depthwise" else _folded(scope)
    if first in _HEADS:
        scope, separable, outputs = _HEADS[first]
        convolution = f"{scope}/separable_conv2d_{separable}"
        return {
            "": _with_bias(f"{scope}/conv2d_{outputs}"),
            "conv_depthwise": (f"{convolution}/separable_conv2d/ReadVariableOp",),
            "conv_pointwise": (
                f"{convolution}/separable_conv2d/ReadVariableOp_1",
                f"{convolution}/BiasAdd/ReadVariableOp",
            ),
        }.get(part, ())
    return ()


def _folded(scope: str) -> tuple[str, str]:
    """A convolution that a BatchNorm was folded into."""
    return f"{scope}_weights", f"{scope}_bn_offset"


def _with_bias(scope: str) -> tuple[str, str]:
    return f"{scope}/Conv2D/ReadVariableOp", f"{scope}/BiasAdd/ReadVariableOp"


def _tensor(source: Source, name: str) -> np.ndarray:
    if name not in source.tensors:
        raise UserError(f"{source.path}: tensor {name} of a {source.family} is missing; check that the file is whole")
    value = source.tensors[name].astype(np.float32)
    if not np.isfinite(value).all():
        raise UserError(f"{source.path}: {name} holds numbers that are not finite; use another file")
    return value


def _of_joints(value: np.ndarray, source: Sequence[str], joints: Sequence[str], outputs: int) -> np.ndarray:
    """A head's kernel or bias, [..., outputs * COCO's joints], for other joints."""
    by_joint = value.reshape(*value.shape[:-1], len(source), outputs)
    chosen = [
        np.mean([by_joint[..., source.index(name), :] for name in _STAND_INS.get(joint, (joint,))], axis=0)
        for joint in joints
    ]
    return np.stack(chosen, axis=-2).reshape(*value.shape[:-1], len(joints) * outputs)
