"""Public weights carried over into the base module.

What PyTorch and Keras do differently is settled here: the layout of kernels; the order in which a pixel shuffle reads
channels, so that what feeds one has its channels permuted (for the first shuffle the whole residual stream of stage 4:
the ends of its branches, its shortcut and gate, and the entries that read it), and the one in which a pixel unshuffle
writes them, so that what reads one has its inputs permuted; colours in BGR order, which turn the first kernel; and
joints, which are found by name. Padding, epsilon and momentum are PyTorch's already.
"""

import dataclasses
import re

import numpy as np
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.layers.image import DUC, SqueezeExcite
from opec_tf.models.pose_backbone import DUC421_CONVOLUTIONS
from opec_tf.models.trunks.resnet import BASIC_BLOCKS
from opec_tf.poses import skeletons

# A convolution's [out, in, h, w] to [h, w, in, out], and a transposed one's [in, out, h, w] to [h, w, out, in].
_KERNEL, _MATRIX, _VECTOR = (2, 3, 1, 0), (1, 0), (0,)
_KERNEL_BACK = (3, 2, 0, 1)
_NORM = ("weight", "bias", "running_mean", "running_var")
_BGR = ("imagenet_bgr", "caffe")


@dataclasses.dataclass(frozen=True)
class Report:
    """What became of a checkpoint's tensors.

    Attributes:
      used: part of the network -> (tensors, numbers) loaded into it.
      left: (name in the file, shape, why) of what was not used.
      random: names of layers, or of joints of the head, that keep their random initialisation.
    """

    used: dict
    left: list
    random: list


def settle(source, model_config, given):
    """The ``ModelConfig`` of the network to build for a checkpoint.

    Args:
      source: ``checkpoint_source.Source``.
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
    values = {**source.assumed, **source.seen}
    whole = skeletons.with_num_joints(len(source.joints))
    if whole:
        values["skeleton"] = whole.name
    elif source.joints:
        values["skeleton"] = skeletons.COCO17.name
    return dataclasses.replace(model_config, **{name: v for name, v in values.items() if name not in given})


def load(model, source, model_config, new_joints=False):
    """Fills a base module with a checkpoint's tensors.

    Args:
      model: from ``models.build_base(model_config)``.
      source: ``checkpoint_source.Source``.
      model_config: from ``settle``.
      new_joints: joints that the checkpoint lacks keep their random rows of the head instead of being an error.

    Returns:
      ``Report``.

    Raises:
      UserError: a tensor is missing, of another shape, not finite, or of a part that the network has not; a joint is
        missing.
    """
    base = model.get_layer("base")
    tensors = dict(source.tensors)
    random, left = [], []
    if model_config.normalization in _BGR:
        tensors["conv1.weight"] = tensors["conv1.weight"][:, ::-1]
    if source.seen.get("decoder") in ("duc", "duc421"):
        _order_for_shuffles(tensors, source, model_config.trunk in BASIC_BLOCKS)
    if model_config.unshuffle:
        _reorder(tensors, source, r"layer[234]\.0\.conv2\.weight", 1)
    if source.joints:
        random, left = _select_joints(tensors, source, base.get_layer("heatmap_head"), model_config, new_joints)
    used, taken = {}, set()
    for layer in base.layers:
        parts = _parts(layer)
        if parts and _is_new(layer, source):
            random.append(layer.name)
        elif parts:
            layer.set_weights([_fitting(tensors, source, part, weight) for part, weight in zip(parts, layer.weights)])
            part = layer.name.split("_")[0]
            count, numbers = used.get(part, (0, 0))
            used[part] = (count + len(parts), numbers + layer.count_params())
            taken.update(name for name, _ in parts)
    left += [
        (source.names[name], value.shape, _why_left(name, source))
        for name, value in source.tensors.items()
        if name not in taken
    ]
    return Report(used, left, random)


def _parts(layer):
    """(tensor, order of its axes) for each of a layer's weights; [] of a layer without any."""
    if isinstance(layer, DUC):
        return [(f"{layer.name}.conv.weight", _KERNEL), *((f"{layer.name}.bn.{part}", _VECTOR) for part in _NORM)]
    name = _torchvision_name(layer.name)
    if isinstance(layer, SqueezeExcite):
        return [(f"{name}.fc.{i}.{part}", axes) for i in (0, 2) for part, axes in zip(_NORM, (_MATRIX, _VECTOR))]
    if isinstance(layer, tf.keras.layers.BatchNormalization):
        return [(f"{name}.{part}", _VECTOR) for part in _NORM]
    if isinstance(layer, tf.keras.layers.Conv2D):  # transposed ones too
        return [(f"{name}.weight", _KERNEL), (f"{name}.bias", _VECTOR)][: len(layer.weights)]
    return []


def _torchvision_name(name):
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


def _is_new(layer, source):
    """Whether a checkpoint of this family has no such layer, as a trunk has no decoder and a plain ResNet no gates."""
    if isinstance(layer, SqueezeExcite):
        return "squeeze_excite" not in source.seen
    return "decoder" not in source.seen and not re.match("stem|stage", layer.name)


def _fitting(tensors, source, part, weight):
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


def shuffle_order(channels):
    """Which channel of PyTorch's order each channel before a ``PixelShuffle`` here is; int [channels].

    PyTorch's channel 4 c + i goes to channel c of cell i of the four; TensorFlow's channel i C + c does. It is the same
    after a ``PixelUnshuffle``.
    """
    return np.arange(channels).reshape(-1, 4).T.ravel()


def _order_for_shuffles(tensors, source, basic):
    """Permutes, in place, the channels that the three pixel shuffles read."""
    last = 2 if basic else 3
    _reorder(tensors, source, rf"layer4\.\d+\.(conv{last}|bn{last}|se\.fc\.2)\.|layer4\.0\.downsample\.", 0)
    _reorder(tensors, source, r"layer4\.(?!0\.)\d+\.conv1\.weight|layer4\.\d+\.se\.fc\.0\.weight", 1)
    _reorder(tensors, source, r"duc[12]\.(conv|bn)\.", 0)
    # Of duc421's stages only the last convolution feeds the next one's shuffle.
    for stage, count in enumerate(DUC421_CONVOLUTIONS[:2], start=1):
        _reorder(tensors, source, rf"duc{stage}\.({3 * count - 2}|{3 * count - 1})\.", 0)


def _reorder(tensors, source, pattern, axis):
    """Permutes, in place, an axis of the tensors whose names begin with a pattern by ``shuffle_order``."""
    for name, value in tensors.items():
        if re.match(pattern, name) and value.ndim > axis:
            if value.shape[axis] % 4:
                raise UserError(
                    f"{source.path}: {source.names[name]} has shape {list(value.shape)}: a pixel shuffle takes a "
                    "multiple of 4 channels"
                )
            tensors[name] = np.take(value, shuffle_order(value.shape[axis]), axis)


def _select_joints(tensors, source, head, model_config, new_joints):
    """Replaces the head's tensors, in place, by the rows of the skeleton's joints.

    Returns:
      (joints whose rows are the random ones of the layer ``head``, what is left as ``Report`` has it)
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
            left.append((f"{unused} rows of {source.names[name]}", value.shape[1:], "joints that the skeleton has not"))
    return [f"heatmap_head ({joint})" for joint in missing], left


def _why_left(name, source):
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
