"""The base module: a trunk and a decoder that give heatmaps and the three feature maps F1, F2, F3."""

from __future__ import annotations

import tensorflow as tf

from opec_tf.config import BaseConfig
from opec_tf.layers.image import DUC, NORMALIZATIONS, ImageNormalization, PixelShuffle
from opec_tf.models.movenet_base import movenet_base
from opec_tf.models.trunks.resnet import resnet
from opec_tf.poses import skeletons

# 3x3 convolutions after each of the three shuffles of the duc421 decoder.
DUC421_CONVOLUTIONS = (4, 2, 1)


def pose_backbone(config: BaseConfig) -> tf.keras.Model:
    """Builds AlphaPose+ (SE-ResNet, "duc") or SimplePose (ResNet, "deconv"), the paper's two base modules, or MoveNet.

    "duc421" is AlphaPose's FastPose_DUC, the base of its checkpoints named fast_421. MoveNet has a decoder of its own,
    see ``movenet_base``.

    Returns:
      A model named "base" from crops [B, H, W, 3] (RGB, 0..255) to a dict of
        F1 [B, H / 16, W / 16, *], F2 [B, H / 8, W / 8, *], F3 [B, H / 4, W / 4, *], the decoder's,
        C4, C3, C2, the trunk's of the same sizes, and
        base_heatmaps float32 [B, H / 4, W / 4, K], trained to a Gaussian of height 1 at each joint.
      With bottlenecks and "duc" the maps have 512, 256 and 128 channels, with "duc421" 1024, 512 and 256; with basic
      blocks a quarter of that.
    """
    if config.regresses_pose:
        return movenet_base(config)
    crops = tf.keras.Input((*config.crop_size, 3), name="crops")
    images = ImageNormalization(*NORMALIZATIONS[config.normalization], name="normalization")(crops)
    c2, c3, c4, c5 = resnet(
        images,
        trunk=config.trunk,
        width=config.trunk_width,
        squeeze_excite=config.squeeze_excite,
        stride_in_1x1=config.stride_in_1x1,
        unshuffle=config.unshuffle,
    )
    if config.decoder == "deconv":
        (f1, f2, f3), head_size = _deconv_decoder(c5, config.deconv_channels), 1
    else:
        (f1, f2, f3), head_size = (_duc_decoder if config.decoder == "duc" else _duc421_decoder)(c5), 3
    # A head near zero starts at the heatmaps' background; float32 because a peak is located to a fraction of a cell.
    heatmaps = tf.keras.layers.Conv2D(
        skeletons.SKELETONS[config.skeleton].num_joints,
        head_size,
        padding="same",
        kernel_initializer=tf.keras.initializers.RandomNormal(stddev=0.001),
        dtype="float32",
        name="heatmap_head",
    )(f3)
    maps = {"F1": f1, "F2": f2, "F3": f3, "C4": c4, "C3": c3, "C2": c2}
    return tf.keras.Model(crops, {**maps, "base_heatmaps": heatmaps}, name="base")


def _duc_decoder(c5: tf.Tensor) -> list[tf.Tensor]:
    """AlphaPose's FastPose: every map has twice the size and, after the first, half the channels of the one before."""
    f1 = PixelShuffle(name="shuffle")(c5)
    f2 = DUC(2 * f1.shape[-1], name="duc1")(f1)
    f3 = DUC(2 * f2.shape[-1], name="duc2")(f2)
    return [f1, f2, f3]


def _duc421_decoder(c5: tf.Tensor) -> list[tf.Tensor]:
    """AlphaPose's FastPose_DUC: shuffles before their convolutions, of which each stage's last doubles the channels."""
    maps, x = [], c5
    for stage, count in enumerate(DUC421_CONVOLUTIONS, start=1):
        x = PixelShuffle(name=f"duc{stage}_shuffle")(x)
        channels = x.shape[-1]
        for i in range(1, count + 1):
            name = f"duc{stage}_conv{i}"
            x = tf.keras.layers.Conv2D(
                2 * channels if i == count else channels,
                3,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                name=name,
            )(x)
            x = _norm_relu(x, name)
        maps.append(x)
    return maps


def _deconv_decoder(c5: tf.Tensor, channels: int) -> list[tf.Tensor]:
    """SimplePose (Xiao et al., ECCV 2018): three 4x4 transposed convolutions of stride 2."""
    maps, x = [], c5
    for name in ("deconv1", "deconv2", "deconv3"):
        x = tf.keras.layers.Conv2DTranspose(
            channels, 4, 2, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
        )(x)
        x = _norm_relu(x, name)
        maps.append(x)
    return maps


def _norm_relu(x: tf.Tensor, name: str) -> tf.Tensor:
    x = tf.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
    return tf.keras.layers.ReLU(name=f"{name}_relu")(x)
