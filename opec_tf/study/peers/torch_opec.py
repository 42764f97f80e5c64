"""OPEC-Net over a base in PyTorch, with its defaults; modules and parameters have the names of our layers."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from opec_tf.common.errors import UserError
from opec_tf.config import ModelConfig
from opec_tf.poses import skeletons
from opec_tf.study.peers.torch_resnet import Maps

# The settings that the peer has; of others nothing here would be the same network.
_FIXED = {
    "adaption": "fusion",
    "image_guided": True,
    "progressive": True,
    "multi_scale": True,
    "refinement": True,
    "graph_convolution": "semantic",
    "joint_attention": True,
    "joint_identity": True,
    "predict_visibility": True,
    "initial_pose": "integral",
}


def check(config: ModelConfig) -> None:
    """Raises a ``UserError`` where the peer has not the network of some settings."""
    for name, value in _FIXED.items():
        if getattr(config, name) != value:
            raise UserError(f"--{name}={getattr(config, name)}: the network in PyTorch has only {name}={value}")


class Attention(nn.Module):
    """``layers.image.SqueezeExcite``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Linear(channels, channels), nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, h, w] -> the same."""
        return x * self.excite(self.squeeze(x.mean((2, 3))).relu()).sigmoid()[:, :, None, None]


class Fusion(nn.Module):
    """``layers.fusion.FusionBlock``."""

    def __init__(self, coarse: int, fine: int, channels: int) -> None:
        super().__init__()
        self.attention = Attention(coarse + fine)
        self.conv = nn.Conv2d(coarse + fine, channels, 3, 1, 1)

    def forward(self, coarse: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
        """[B, C, h, w] and [B, D, 2 h, 2 w] -> [B, channels, 2 h, 2 w]."""
        coarse = functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        return self.conv(self.attention(torch.cat([coarse, fine], dim=1))).relu_()


class GraphConv(nn.Module):
    """``layers.graph.GraphConv`` of kind "semantic", whose ``conv`` has the parameters."""

    def __init__(self, inputs: int, channels: int, edges: torch.Tensor) -> None:
        super().__init__()
        joints = len(edges)
        self.conv = nn.ParameterDict(
            {
                "own_kernel": torch.randn(inputs, channels) * (2.0 / inputs) ** 0.5,
                "neighbour_kernel": torch.randn(inputs, channels) * (2.0 / inputs) ** 0.5,
                "edge_logits": torch.ones(joints, joints),
                "bias": torch.zeros(channels),
            }
        )
        self.register_buffer("edges", edges, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, K, C] -> [B, K, channels]."""
        logits = self.conv["edge_logits"].masked_fill(self.edges == 0, -math.inf)
        weights = logits.softmax(-1)
        own = weights.diagonal()[:, None] * (x @ self.conv["own_kernel"])
        neighbours = weights - torch.diag(weights.diagonal())
        return (own + neighbours @ (x @ self.conv["neighbour_kernel"]) + self.conv["bias"]).relu()


class JointAttention(nn.Module):
    """``layers.graph.JointAttention``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(channels, channels, bias=False) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, K, C] -> the same."""
        logits = (self.query(x) * x.shape[-1] ** -0.5) @ self.key(x).transpose(1, 2)
        return x + logits.softmax(-1) @ self.value(x)


class ResidualGraphBlock(nn.Module):
    """``layers.graph.ResidualGraphBlock``."""

    def __init__(self, inputs: int, channels: int, edges: torch.Tensor) -> None:
        super().__init__()
        self.shortcut, self.first = GraphConv(inputs, channels, edges), GraphConv(inputs, channels, edges)
        self.second = GraphConv(channels, channels, edges)
        self.joint_attention = JointAttention(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, K, C] -> [B, K, channels]."""
        return self.joint_attention(self.shortcut(x) + self.second(self.first(x)))


class Visibility(nn.Module):
    """``layers.joints.VisibilityHead``."""

    def __init__(self, joints: int, channels: int, hidden: int = 128, classes: int = 3) -> None:
        super().__init__()
        self.normalization = nn.LayerNorm(channels, eps=1e-8)
        self.hidden_layer, self.logits = nn.Linear(joints * channels, hidden), nn.Linear(hidden, joints * classes)
        self.classes = classes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, K, C] -> logits [B, K, classes]."""
        hidden = self.hidden_layer(self.normalization(x.detach()).flatten(1)).relu()
        return self.logits(hidden).reshape(len(x), -1, self.classes)


class OpecNet(nn.Module):
    """OPEC-Net; its outputs have the names of ``models.opec_net``'s.

    Args:
      base: a base with the outputs of ``models.pose_backbone``.
      widths: channels of its F1, F2 and F3, with the trunk's maps if they are used.
      config: of the adaption and the graph.
    """

    def __init__(self, base: nn.Module, widths: list[int], config: ModelConfig) -> None:
        super().__init__()
        check(config)
        skeleton = skeletons.SKELETONS[config.skeleton]
        joints, channels = skeleton.num_joints, config.adaption_channels
        self.base, self.trunk_maps, self.radius = base, config.trunk_maps, config.integral_radius
        self.adaption_1 = nn.Conv2d(widths[0], channels[0], 3, 1, 1)
        self.fusion_2 = Fusion(channels[0], widths[1], channels[1])
        self.fusion_3 = Fusion(channels[1], widths[2], channels[2])
        self.heatmap_conv = nn.Conv2d(channels[2], joints, 3, 1, 1)
        cells = config.crop_height // 4 * (config.crop_width // 4)
        self.soft_argmax = nn.ParameterDict({"log_beta": torch.tensor(math.log(2.0 * math.log(cells) + 4.0))})
        edges = ((torch.tensor(skeleton.adjacency) != 0) | torch.eye(joints, dtype=torch.bool)).float()
        self.register_buffer("identity", torch.eye(joints), persistent=False)
        self.graph_conv_1 = GraphConv(4 + joints, config.graph_channels, edges)
        self.graph_conv_2 = GraphConv(config.graph_channels, config.graph_channels, edges)
        inputs = config.graph_channels
        for block in range(1, 4):
            rab = ResidualGraphBlock(inputs + channels[block - 1], config.block_channels, edges)
            self.add_module(f"residual_graph_block_{block}", rab)
            self.add_module(f"displacement_{block}", nn.Linear(config.block_channels, 2))
            inputs = config.block_channels
        self.visibility = Visibility(joints, config.block_channels)

    def forward(self, x: torch.Tensor) -> Maps:
        """Pictures [B, 3, H, W] -> outputs by name; heatmaps [B, K, h, w], poses [B, K, 2], visibility [B, K, 3]."""
        base = self.base(x)
        maps = [base[name] for name in ("F1", "F2", "F3")]
        if self.trunk_maps:
            maps = [torch.cat([a, base[name]], dim=1) for a, name in zip(maps, ("C4", "C3", "C2"))]
        adapted = [self.adaption_1(maps[0]).relu_()]
        adapted.append(self.fusion_2(adapted[-1], maps[1]))
        adapted.append(self.fusion_3(adapted[-1], maps[2]))
        heatmaps = base["base_heatmaps"] + self.heatmap_conv(adapted[-1])
        pose, score = _integral(heatmaps, self.soft_argmax["log_beta"].exp(), self.radius)
        outputs = {**base, "heatmaps": heatmaps, "initial_pose": pose, "initial_score": score}
        peak = base["base_heatmaps"].amax((2, 3))
        identity = self.identity.expand(len(x), -1, -1)
        nodes = torch.cat([pose, score[..., None], peak[..., None], identity], dim=-1)
        features = self.graph_conv_2(self.graph_conv_1(nodes))
        for block in range(1, 4):
            at_joints = functional.grid_sample(
                adapted[block - 1], pose[:, None], padding_mode="border", align_corners=False
            )[:, :, 0].transpose(1, 2)
            features = getattr(self, f"residual_graph_block_{block}")(torch.cat([features, at_joints], dim=-1))
            pose = pose + getattr(self, f"displacement_{block}")(features)
            outputs[f"pose_{block}"] = pose
        return {**outputs, "visibility": self.visibility(features)}


def _integral(heatmaps: torch.Tensor, beta: torch.Tensor, radius: int) -> tuple[torch.Tensor, torch.Tensor]:
    """``layers.heatmap.SoftArgmax``: heatmaps [B, K, h, w] -> points [B, K, 2], normalised; likelihoods [B, K]."""
    height, width = heatmaps.shape[2:]
    likelihoods = (beta * heatmaps.flatten(2)).softmax(-1)
    score, likeliest = likelihoods.max(-1)
    weights = likelihoods
    if radius:
        cells, likeliest = torch.arange(height * width), likeliest[..., None]
        near = (cells // width - likeliest // width).abs() <= radius
        near &= (cells % width - likeliest % width).abs() <= radius
        weights = torch.where(near, likelihoods, 0.0)
        weights = weights / weights.sum(-1, keepdim=True)
    x = ((2.0 * torch.arange(width) + 1.0) / width - 1.0).repeat(height)
    y = ((2.0 * torch.arange(height) + 1.0) / height - 1.0).repeat_interleave(width)
    return weights @ torch.stack([x, y], dim=-1), score
