"""AlphaPose's and SimpleBaseline's networks in PyTorch, with the names of their public checkpoints.

Every module takes what ``torch_networks.normalized`` gives, [B, 3, H, W], and a base gives the outputs of
``models.pose_backbone`` by name, [B, C, h, w] each.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

Maps = dict[str, torch.Tensor]


class Gate(nn.Module):
    """Squeeze-and-excitation with reduction 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, h, w] -> the same."""
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


class Block(nn.Module):
    """A residual block, a bottleneck or a basic one; ``gated``: with a gate where its shortcut is a convolution."""

    def __init__(self, inputs: int, width: int, stride: int, bottleneck: bool, gated: bool) -> None:
        super().__init__()
        outputs = 4 * width if bottleneck else width
        sizes, strides = ((1, 3, 1), (1, stride, 1)) if bottleneck else ((3, 3), (stride, 1))
        channels = [inputs] + [width] * (len(sizes) - 1) + [outputs]
        self.depth = len(sizes)
        for i in range(self.depth):
            conv = nn.Conv2d(channels[i], channels[i + 1], sizes[i], strides[i], sizes[i] // 2, bias=False)
            setattr(self, f"conv{i + 1}", conv)
            setattr(self, f"bn{i + 1}", nn.BatchNorm2d(channels[i + 1]))
        self.downsample = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.se = Gate(outputs) if gated and self.downsample is not None else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, h, w] -> [B, D, h / stride, w / stride]."""
        y = x
        for i in range(1, self.depth + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = y.relu_() if i < self.depth else y
        y = self.se(y) if self.se is not None else y
        return (y + (self.downsample(x) if self.downsample is not None else x)).relu_()


class Trunk(nn.Module):
    """A ResNet without its classifier."""

    def __init__(self, blocks: Sequence[int], bottleneck: bool, gated: bool = False, width: int = 64) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        self.channels = width
        for stage, repeats in enumerate(blocks):
            layers = []
            for index in range(repeats):
                stride = 2 if stage and not index else 1
                layers.append(Block(self.channels, width << stage, stride, bottleneck, gated))
                self.channels = (width << stage) * (4 if bottleneck else 1)
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))

    def maps(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The last maps of the four stages, C2 to C5."""
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu_(), 3, 2, 1)
        found = []
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
            found.append(x)
        return found

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """C5 [B, C, H / 32, W / 32]."""
        return self.maps(x)[-1]


class Duc(nn.Module):
    """A convolution whose channels become a map of twice the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, h, w] -> [B, outputs / 4, 2 h, 2 w]."""
        return nn.functional.pixel_shuffle(self.bn(self.conv(x)).relu_(), 2)


class FastPose(nn.Module):
    """AlphaPose's FastPose: decoder "duc"."""

    def __init__(
        self, blocks: Sequence[int], bottleneck: bool, joints: int, gated: bool = True, width: int = 64
    ) -> None:
        super().__init__()
        self.preact = Trunk(blocks, bottleneck, gated, width)
        channels = self.preact.channels // 4
        self.duc1, self.duc2 = Duc(channels, 2 * channels), Duc(channels // 2, channels)
        self.conv_out = nn.Conv2d(channels // 4, joints, 3, 1, 1)

    def forward(self, x: torch.Tensor) -> Maps:
        """The base's outputs."""
        c2, c3, c4, c5 = self.preact.maps(x)
        f1 = nn.functional.pixel_shuffle(c5, 2)
        f2 = self.duc1(f1)
        f3 = self.duc2(f2)
        return {"F1": f1, "F2": f2, "F3": f3, "C4": c4, "C3": c3, "C2": c2, "base_heatmaps": self.conv_out(f3)}


class PoseResnet(Trunk):
    """SimpleBaseline's pose_resnet: decoder "deconv"."""

    def __init__(
        self,
        blocks: Sequence[int],
        bottleneck: bool,
        joints: int,
        deconvs: int = 256,
        gated: bool = False,
        width: int = 64,
    ) -> None:
        super().__init__(blocks, bottleneck, gated, width)
        layers, channels = [], self.channels
        for _ in range(3):
            layers += [nn.ConvTranspose2d(channels, deconvs, 4, 2, 1, bias=False), nn.BatchNorm2d(deconvs)]
            layers.append(nn.ReLU(inplace=True))
            channels = deconvs
        self.deconv_layers, self.final_layer = nn.Sequential(*layers), nn.Conv2d(deconvs, joints, 1)

    def forward(self, x: torch.Tensor) -> Maps:
        """The base's outputs."""
        c2, c3, c4, c5 = self.maps(x)
        f1 = self.deconv_layers[:3](c5)
        f2 = self.deconv_layers[3:6](f1)
        f3 = self.deconv_layers[6:](f2)
        return {"F1": f1, "F2": f2, "F3": f3, "C4": c4, "C3": c3, "C2": c2, "base_heatmaps": self.final_layer(f3)}
