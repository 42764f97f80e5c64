"""The networks in PyTorch, made from a ``ModelConfig``, and their losses, as in ``training.objectives``."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from opec_tf.common.errors import UserError
from opec_tf.config import ModelConfig, TrainConfig
from opec_tf.models.trunks.sizes import BASIC_BLOCKS, BLOCKS, MOVENET_WIDTHS
from opec_tf.poses import skeletons
from opec_tf.study.peers import torch_movenet, torch_opec, torch_resnet

# The channels of ImageNet's mean and deviation, and the scale of a person, as ``layers.image`` and ``training.losses``,
# which start TensorFlow, have them.
_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
_PERSON_SCALE = 0.45


class Network(nn.Module):
    """Crops to outputs: the scaling of the input, then the base, or OPEC-Net over it.

    Args:
      stage: "base" or "opec".
      config: the network.

    Raises:
      UserError: the network is none of those that are here.
    """

    def __init__(self, stage: str, config: ModelConfig) -> None:
        super().__init__()
        joints = skeletons.SKELETONS[config.skeleton].num_joints
        base, widths = (_movenet if config.regresses_pose else _resnet)(config, joints)
        self.body = base if stage == "base" else torch_opec.OpecNet(base, widths, config)
        mean, std = ((127.5,), (127.5,)) if config.regresses_pose else (_MEAN, _STD)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    def forward(self, crops: torch.Tensor) -> torch_resnet.Maps:
        """RGB 0..255 [B, 3, H, W] -> outputs by name."""
        return self.body((crops - self.mean) / self.std)


def _movenet(config: ModelConfig, joints: int) -> tuple[nn.Module, list[int]]:
    if config.trunk_maps:
        raise UserError("--trunk_maps: the MoveNet in PyTorch is without; leave it out")
    return torch_movenet.MoveNet(MOVENET_WIDTHS[config.trunk], joints, config.crop_size), [32, 24, 24]


def _resnet(config: ModelConfig, joints: int) -> tuple[nn.Module, list[int]]:
    """A base of a ResNet, and the channels of F1, F2 and F3."""
    if config.decoder == "duc421" or config.stride_in_1x1 or config.unshuffle or config.normalization != "imagenet":
        raise UserError(
            "--decoder=duc421, --stride_in_1x1, --unshuffle and --normalization: the networks in PyTorch are without; "
            "leave them out"
        )
    blocks, bottleneck = BLOCKS[config.trunk], config.trunk not in BASIC_BLOCKS
    trunk = [config.trunk_width << stage for stage in (2, 1, 0)]
    trunk = [(4 if bottleneck else 1) * channels * config.trunk_maps for channels in trunk]
    gated = config.squeeze_excite
    if config.decoder == "deconv":
        deconvs = config.deconv_channels
        base = torch_resnet.PoseResnet(blocks, bottleneck, joints, deconvs, gated, config.trunk_width)
        decoder = [deconvs] * 3
    else:
        base = torch_resnet.FastPose(blocks, bottleneck, joints, gated, config.trunk_width)
        finest = base.preact.channels // 16
        decoder = [4 * finest, 2 * finest, finest]
    return base, [own + others for own, others in zip(decoder, trunk)]


def losses(stage: str, model_config: ModelConfig, train_config: TrainConfig) -> Callable[..., torch.Tensor]:
    """The loss of a stage: function of (outputs, joints [B, K, 4]: (x, y), normalised, weight, visibility)."""
    weights = {"base_heatmaps": 1.0}
    if stage == "opec":
        weights["base_heatmaps"] = train_config.heatmap_loss_weight
        weights.update(zip(("initial_pose", "pose_1", "pose_2", "pose_3"), (1.0, *train_config.pose_loss_weights)))
        if model_config.integral_radius:
            weights["heatmaps"] = train_config.heatmap_loss_weight or 1.0
    if model_config.regresses_pose:
        weights["regressed_pose"] = 1.0

    def loss(outputs: torch_resnet.Maps, joints: torch.Tensor) -> torch.Tensor:
        total = _visibility_loss(outputs["visibility"], joints) if stage == "opec" else 0.0
        for name, weight in weights.items():
            if name.endswith("heatmaps"):
                total = total + weight * _heatmap_loss(outputs[name], joints, train_config.heatmap_sigma)
            else:
                total = total + weight * _pose_loss(outputs[name], joints, model_config, train_config.oks_loss_share)
        return total

    return loss


def _heatmap_loss(heatmaps: torch.Tensor, joints: torch.Tensor, sigma: float) -> torch.Tensor:
    height, width = heatmaps.shape[2:]
    extent = torch.tensor([float(width), float(height)])
    x, y = (((joints[..., :2] + 1.0) * extent - 1.0) / 2.0).unbind(-1)
    along_x = torch.exp(-((torch.arange(width) - x[..., None]) ** 2) / (2.0 * sigma**2))
    along_y = torch.exp(-((torch.arange(height) - y[..., None]) ** 2) / (2.0 * sigma**2))
    targets = along_y[..., :, None] * along_x[..., None, :]
    errors = ((heatmaps - targets) ** 2).sum((2, 3)) / (math.pi * sigma**2)
    return _mean(errors, joints[..., 2])


def _pose_loss(pose: torch.Tensor, joints: torch.Tensor, config: ModelConfig, oks_share: float) -> torch.Tensor:
    offsets = pose - joints[..., :2]
    errors = offsets.abs().sum(-1)
    if oks_share:
        height, width = config.crop_size
        sides = torch.tensor([(width / height) ** 0.5, (height / width) ** 0.5]) / (2.0 * _PERSON_SCALE)
        sigmas = torch.tensor(skeletons.SKELETONS[config.skeleton].sigmas)
        oks = torch.exp(-((offsets * sides) ** 2).sum(-1) / (2.0 * (2.0 * sigmas) ** 2))
        errors = errors + oks_share * (1.0 - oks - errors)
    return _mean(errors, joints[..., 2])


def _visibility_loss(logits: torch.Tensor, joints: torch.Tensor) -> torch.Tensor:
    classes = joints[..., 3]
    errors = functional.cross_entropy(logits.flatten(0, 1), classes.clamp(min=0).long().flatten(), reduction="none")
    return _mean(errors.reshape(classes.shape), (classes >= 0).float())


def _mean(errors: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Errors [B, K] averaged over the labelled joints."""
    return (weights * errors).sum() / weights.sum().clamp(min=1e-6)
