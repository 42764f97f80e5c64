"""MoveNet as a base in PyTorch; modules and parameters have the names of ``models.trunks.movenet``'s layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from opec_tf.study.peers.torch_resnet import Maps

_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_REACH = 1.8  # see ``layers.instance``


class Same(nn.Module):
    """What a convolution is padded with where TensorFlow's "same" has a stride of 2: zeros to the right and below."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, h, w] -> [B, C, h + 1, w + 1]."""
        return functional.pad(x, (0, 1, 0, 1))


class Residual(nn.Module):
    """MobileNetV2's inverted residual, number ``name``."""

    def __init__(self, inputs: int, expansion: int, channels: int, stride: int) -> None:
        super().__init__()
        inner = expansion * inputs
        self.expand = nn.Conv2d(inputs, inner, 1) if expansion > 1 else None
        self.pad = Same() if stride == 2 else None
        self.depthwise = nn.Conv2d(inner, inner, 3, stride, 0 if stride == 2 else 1, groups=inner)
        self.project = nn.Conv2d(inner, channels, 1)
        self.adds = stride == 1 and inputs == channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, h, w] -> [B, D, h / stride, w / stride]."""
        y = x if self.expand is None else functional.relu6(self.expand(x), inplace=True)
        y = y if self.pad is None else self.pad(y)
        y = self.project(functional.relu6(self.depthwise(y), inplace=True))
        return x + y if self.adds else y


class Separable(nn.Module):
    """A 3x3 convolution of each channel by itself, then a 1x1 convolution and ReLU."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, 1, 1, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, h, w] -> [B, channels, h, w]."""
        return functional.relu_(self.pointwise(self.depthwise(x)))


class MoveNet(nn.Module):
    """The base: MobileNetV2, its pyramid, CenterNet's heads and the person in the crop's middle.

    Args:
      width: multiple of MobileNetV2's channels.
      joints: K.
      crop_size: (height, width).
    """

    def __init__(self, width: float, joints: int, crop_size: tuple[int, int]) -> None:
        super().__init__()
        channels, number = _rounded(32 * width), 0
        self.stem_pad, self.stem = Same(), nn.Conv2d(3, channels, 3, 2)
        self.blocks: list[list[str]] = []
        ends = []
        for expansion, out, count, stride in _STAGES:
            self.blocks.append([])
            for index in range(count):
                block = Residual(channels, expansion, _rounded(out * width), stride if index == 0 else 1)
                self.add_module(f"block{number}", block)
                self.blocks[-1].append(f"block{number}")
                channels, number = _rounded(out * width), number + 1
            ends.append(channels)
        self.position = nn.Parameter(torch.zeros(ends[3], crop_size[0] // 16, crop_size[1] // 16))
        self.last = nn.Conv2d(channels, 1280, 1)
        self.lateral5, self.lateral4 = nn.Conv2d(1280, 64, 1), nn.Conv2d(ends[3], 64, 1)
        self.lateral3, self.lateral2 = nn.Conv2d(ends[2], 32, 1), nn.Conv2d(ends[1], 24, 1)
        self.pyramid1, self.pyramid2, self.pyramid3 = Separable(64, 32), Separable(32, 24), Separable(24, 24)
        for name, count in (("heatmap", joints), ("center", 1), ("regression", 2 * joints)):
            self.add_module(f"{name}_conv", Separable(24, 96))
            self.add_module(name, nn.Conv2d(96, count, 1))
        for parameter in (*self.center_conv.parameters(), *self.center.parameters()):
            parameter.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> Maps:
        """Pictures -1..1 [B, 3, H, W] -> the base's outputs, with regressed_pose [B, K, 2]."""
        x = functional.relu6(self.stem(self.stem_pad(x)), inplace=True)
        ends = []
        for names in self.blocks:
            for name in names:
                x = getattr(self, name)(x)
            ends.append(x)
            x = x + self.position if len(ends) == 4 else x
        c2, c3, c4 = ends[1:4]
        top = self.lateral5(functional.relu6(self.last(x), inplace=True))
        f1 = self.pyramid1(_twice(top) + self.lateral4(c4))
        f2 = self.pyramid2(_twice(f1) + self.lateral3(c3))
        f3 = self.pyramid3(_twice(f2) + self.lateral2(c2))
        heads = [getattr(self, name)(getattr(self, f"{name}_conv")(f3)) for name in ("heatmap", "center", "regression")]
        heatmaps, pose = _of_person(*heads)
        maps = {name: _normalised(x) for name, x in (("F1", f1), ("F2", f2), ("F3", f3))}
        return {**maps, "C4": c4, "C3": c3, "C2": c2, "base_heatmaps": heatmaps, "regressed_pose": pose}


def _twice(x: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _normalised(x: torch.Tensor) -> torch.Tensor:
    """Each cell of mean 0 and deviation 1, with Keras's epsilon."""
    return functional.layer_norm(x.movedim(1, -1), x.shape[1:2], eps=1e-3).movedim(-1, 1)


def _of_person(
    logits: torch.Tensor, center: torch.Tensor, regression: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """See ``layers.instance.InstanceHeatmaps``: heatmaps [B, K, h, w] and pose [B, K, 2], normalised."""
    batch, joints, height, width = logits.shape
    cells = _cells(height, width, logits)
    to_middle = (cells - torch.tensor([height / 2.0, width / 2.0])).norm(dim=-1)
    nearness = center[:, 0].sigmoid() / (to_middle + _REACH)
    person = nearness.reshape(batch, -1).argmax(1)
    regression = regression.movedim(1, -1).reshape(batch, height * width, joints, 2)
    regressed = cells.reshape(-1, 2)[person][:, None] + regression[torch.arange(batch), person]
    away = (cells[None, None] - regressed.detach()[:, :, None, None]).norm(dim=-1)
    extent = torch.tensor([float(width), float(height)])
    return logits.sigmoid() * _REACH / (away + _REACH), (2.0 * regressed.flip(-1) + 1.0) / extent - 1.0


def _cells(height: int, width: int, like: torch.Tensor) -> torch.Tensor:
    """(y, x) of the cells [h, w, 2]."""
    axes: Sequence[torch.Tensor] = [torch.arange(size, dtype=like.dtype) for size in (height, width)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def _rounded(channels: float) -> int:
    """MobileNet's rule: the nearest multiple of 8, unless that is more than a tenth below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
