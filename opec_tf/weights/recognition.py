"""Which network a public checkpoint holds, told from its tensors' names and shapes.

Known are ResNets of torchvision and of ``keras.applications``; AlphaPose's FastPose, both duc_se.pth of its ``pytorch``
branch and its master's; its FastPose_DUC (fast_421), over a ResNet that halves by strides or by pixel unshuffles; and
SimpleBaseline's pose_resnet as its authors (conv1, deconv_layers, final_layer) and MMPose (backbone.conv1,
keypoint_head or head) name it.
"""

from __future__ import annotations

import dataclasses
import os
import re
from typing import Union

import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.models.pose_backbone import DUC421_CONVOLUTIONS
from opec_tf.models.trunks.sizes import BASIC_BLOCKS, BLOCKS
from opec_tf.poses import skeletons

# Heatmap cell i was trained to mean crop pixel 4 i, where the centre of cell i lies at 4 i + 1.5.
_HALF_PIXELS = 1.5

# Heads that predict more joints than a skeleton here: the joints of their first outputs. 33: AlphaPose's duc_se, COCO's
# and then MPII's; 26 and 136: Halpe; 133: COCO-WholeBody.
_LARGER_HEADS = {
    33: skeletons.COCO17.joints + skeletons.MPII16.joints,
    26: skeletons.COCO17.joints + ("head", "neck", "pelvis"),
    136: skeletons.COCO17.joints + ("head", "neck", "pelvis"),
    133: skeletons.COCO17.joints,
}

# Networks of people's poses that are not read, with the parameters that they alone have, whoever wrote the file: the
# authors, MMPose, AlphaPose or Hugging Face.
_NOT_READ = {
    "an HRNet": re.compile(r"(^|\.)stage\d\.\d+\.(branches|fuse_layers)\.\d"),
    "a ViTPose model (vision transformer)": re.compile(
        r"(^|\.)((blocks|layers)\.\d+\.attn\.qkv|encoder\.layer\.\d+\.attention\.attention\.query)\.weight$"
    ),
}

# keras.applications' BatchNorm less this project's; it goes into the variance.
_KERAS_EXCESS_EPSILON = 1.001e-5 - 1e-5
_KERAS_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


# A value of a ``ModelConfig`` field.
Setting = Union[str, int, float, bool]


@dataclasses.dataclass(frozen=True)
class Source:
    """A checkpoint whose network is known.

    Attributes:
      path: the file.
      family: the network's name, for people.
      tensors: in PyTorch's layout, by torchvision's names; a decoder's are duc1.conv, duc1.bn, ...,
        duc1.1, duc1.2, ... or deconv_layers.0, ..., and the head's is head.
      names: name in ``tensors`` -> what it is called in the file.
      seen: ``ModelConfig`` field -> value, as far as names and shapes show it.
      assumed: ``ModelConfig`` field -> value that the family was published with, which no shape shows.
      joints: what the head's first outputs are, by joint name (a name may come twice: the first counts); () without
        a head.
    """

    path: str
    family: str
    tensors: dict[str, np.ndarray]
    names: dict[str, str]
    seen: dict[str, Setting]
    assumed: dict[str, Setting]
    joints: tuple[str, ...]


def recognize(tensors: dict[str, np.ndarray], path: os.PathLike[str] | str, trunk_only: bool = False) -> Source:
    """The ``Source`` of a checkpoint's tensors (``reading.read``).

    Args:
      tensors: by their names in the file.
      path: the file, for messages.
      trunk_only: decoder and head, whatever they are, count as no part of the network.

    Raises:
      UserError: the network is none that is known.
    """
    _refuse_what_is_not_read(tensors, path)
    from_keras = "conv1_conv/kernel" in tensors
    if from_keras:
        family, normalization, named = "keras.applications ResNet", "caffe", _from_keras(tensors)
    else:
        tensors = {re.sub(r"^module\.", "", name): value for name, value in tensors.items()}
        family, normalization = _family(tensors)
        named = {_torchvision_name(name): (name, value) for name, value in tensors.items()}
    if trunk_only:
        family = f"{family}, trunk only"
        # Renamed so that nothing takes them for parts.
        named = {name if _of_trunk(name) else f"left.{name}": value for name, value in named.items()}
    values = {name: value for name, (_, value) in named.items()}
    names = {name: own for name, (own, _) in named.items()}
    seen = _seen(values, names, path)
    assumed: dict[str, Setting] = {"normalization": normalization, "stride_in_1x1": from_keras}
    joints = _joints(values, names, path) if "decoder" in seen else ()
    if joints:
        assumed["crop_offset"] = _HALF_PIXELS
    return Source(str(path), family, values, names, seen, assumed, joints)


def _refuse_what_is_not_read(tensors: dict[str, np.ndarray], path: os.PathLike[str] | str) -> None:
    for network, pattern in _NOT_READ.items():
        if any(pattern.search(name) for name in tensors):
            raise UserError(
                f"{path}: holds {network}, which is not read here; ResNets, AlphaPose's FastPose, SimpleBaseline's and "
                "MMPose's pose_resnet and MoveNet are (see --help)"
            )


def _of_trunk(name: str) -> bool:
    return re.match(r"(conv1|bn1|layer\d)\.", name) is not None


def _family(tensors: dict[str, np.ndarray]) -> tuple[str, str]:
    """(name, ``ModelConfig.normalization``) by the names of the first convolution and the decoder."""
    if "preact.conv1.weight" in tensors:
        return f"AlphaPose FastPose{'_DUC' if 'duc3.1.weight' in tensors else ''}", "alphapose"
    if "backbone.conv1.weight" in tensors:
        return "MMPose pose_resnet", "imagenet"
    if any(name.startswith("deconv_layers.") for name in tensors):
        return "SimpleBaseline pose_resnet", "imagenet_bgr"
    return "torchvision ResNet", "imagenet"


def _torchvision_name(name: str) -> str:
    name = re.sub(r"^(preact|backbone)\.", "", name)
    name = re.sub(r"(?<=\.conv2)\.1(?=\.weight$)", "", name)  # conv2.0 is a pixel unshuffle
    name = re.sub(r"^(keypoint_head|head)\.(?=deconv_layers|final_layer)", "", name)
    return re.sub(r"^(conv_out|final_layer)\.", "head.", name)


def _seen(tensors: dict[str, np.ndarray], names: dict[str, str], path: os.PathLike[str] | str) -> dict[str, Setting]:
    stem = tensors.get("conv1.weight")
    if stem is None or stem.ndim != 4:
        raise UserError(
            f"{path}: holds no ResNet: conv1.weight (or conv1_conv/kernel, preact.conv1.weight, backbone.conv1.weight) "
            "is missing; see --help for the checkpoints that are read"
        )
    if deformable := [names[name] for name in tensors if re.search(r"conv2?_offset\.", name)]:
        raise UserError(
            f"{path}: {deformable[0]} belongs to a deformable convolution (DCN), which is not known here; use a "
            "checkpoint without"
        )
    basic = "layer1.0.conv3.weight" not in tensors
    blocks = tuple(
        len({name.split(".")[1] for name in tensors if name.startswith(f"layer{stage}.")}) for stage in range(1, 5)
    )
    trunks = [name for name in BLOCKS if BLOCKS[name] == blocks and (name in BASIC_BLOCKS) == basic]
    if not trunks:
        kind = "basic blocks" if basic else "bottlenecks"
        raise UserError(f"{path}: a ResNet of {blocks} {kind} in layer1 to layer4 is none of {', '.join(BLOCKS)}")
    seen: dict[str, Setting] = {"trunk": trunks[0], "trunk_width": stem.shape[0], "unshuffle": _unshuffles(tensors)}
    if any(".se." in name for name in tensors):
        seen["squeeze_excite"] = True
    decoder = _decoder(tensors, names, path)
    # A trunk without gates may get new ones, a whole base not.
    if decoder:
        seen.setdefault("squeeze_excite", False)
    return {**seen, **decoder}


def _unshuffles(tensors: dict[str, np.ndarray]) -> bool:
    """Whether the first 3x3 convolution of stage 2 reads the four cells of a pixel unshuffle."""
    kernel = tensors.get("layer2.0.conv2.weight")
    return kernel is not None and kernel.ndim == 4 and kernel.shape[1] == 4 * kernel.shape[0]


def _decoder(tensors: dict[str, np.ndarray], names: dict[str, str], path: os.PathLike[str] | str) -> dict[str, Setting]:
    if "deconv_layers.0.weight" in tensors:
        return {"decoder": "deconv", "deconv_channels": tensors["deconv_layers.0.weight"].shape[1]}
    if "duc1.conv.weight" in tensors:
        return {"decoder": "duc"}
    kernels = (re.fullmatch(r"duc([123])\.\d+\.weight", name) for name, value in tensors.items() if value.ndim == 4)
    stages = [kernel[1] for kernel in kernels if kernel]
    counts = tuple(stages.count(stage) for stage in "123")
    if counts == DUC421_CONVOLUTIONS:
        return {"decoder": "duc421"}
    if others := [names[name] for name in tensors if re.match(r"duc\d?\.|deconv_layers\.|head\.", name)]:
        found = f"; its stages have {counts} convolutions, FastPose_DUC's {DUC421_CONVOLUTIONS}" if stages else ""
        raise UserError(
            f"{path}: {others[0]} belongs to a decoder that is not known here{found}; convert its trunk alone by "
            "--trunk_only"
        )
    return {}


def _joints(tensors: dict[str, np.ndarray], names: dict[str, str], path: os.PathLike[str] | str) -> tuple[str, ...]:
    if "head.weight" not in tensors:
        raise UserError(f"{path}: has a decoder but no head (conv_out, final_layer); convert its trunk by --trunk_only")
    count = len(tensors["head.weight"])
    skeleton = skeletons.with_num_joints(count)
    joints = skeleton.joints if skeleton else _LARGER_HEADS.get(count)
    if joints is None:
        raise UserError(
            f"{path}: {names['head.weight']} has {count} outputs, of which it is not known which joints they are; "
            "convert the trunk alone by --trunk_only"
        )
    return joints


def _from_keras(tensors: dict[str, np.ndarray]) -> dict[str, tuple[str, np.ndarray]]:
    """name -> (own name, array) in torchvision's names, PyTorch's layout and this project's epsilon.

    keras.applications has biases before its BatchNorms; gamma (x + bias - mean) needs none where the mean is less by
    it.
    """
    named = {}
    for name, value in tensors.items():
        layer, _, weight = name.rpartition("/")
        place = re.fullmatch(r"conv(\d)(?:_block(\d+)_(\d))?_(conv|bn)", layer)
        if not place:
            named[f"fc.{weight}" if layer == "predictions" else name] = (name, value)
            continue
        prefix = _keras_layer(place)
        if place[4] == "conv":
            if weight == "kernel":
                named[f"{prefix}.weight"] = (name, np.transpose(value, (3, 2, 0, 1)))
        elif weight == "moving_mean":
            bias = tensors.get(f"{layer[: -len('bn')]}conv/bias", 0.0)
            named[f"{prefix}.running_mean"] = (name, value - bias)
        elif weight == "moving_variance":
            named[f"{prefix}.running_var"] = (name, value + np.float32(_KERAS_EXCESS_EPSILON))
        else:
            named[f"{prefix}.{_KERAS_NORM.get(weight, weight)}"] = (name, value)
    return named


def _keras_layer(place: re.Match[str]) -> str:
    """torchvision's name of a layer of keras.applications; conv2 to conv5 are layer1 to layer4, _0_ the shortcut."""
    stage, block, index, kind = place.groups()
    if block is None:
        return f"{kind}1"
    within = f"{kind}{index}" if int(index) else f"downsample.{0 if kind == 'conv' else 1}"
    return f"layer{int(stage) - 1}.{int(block) - 1}.{within}"
