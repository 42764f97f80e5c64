"""MoveNet (Google, 2021): MobileNetV2, a feature pyramid and CenterNet's heads, as Keras builders.

References: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018); Lin et al., "Feature
Pyramid Networks for Object Detection" (CVPR 2017); Zhou et al., "Objects as Points" (2019). BatchNorm is folded into
the convolutions, as in the published files, so every convolution here has a bias.
"""

from __future__ import annotations

import tensorflow as tf

from opec_tf.layers.image import PositionEmbedding

# MobileNetV2's stages: expansion of the inner channels, channels at width 1, blocks, stride of the first block.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def movenet_features(images: tf.Tensor, width: float) -> dict[str, tf.Tensor]:
    """MobileNetV2 and its feature pyramid.

    Args:
      images: [B, H, W, 3], RGB, -1..1; H and W are multiples of 32.
      width: multiple of MobileNetV2's channels.

    Returns:
      The pyramid's F1 [B, H / 16, W / 16, 32], F2 [B, H / 8, W / 8, 24] and F3 [B, H / 4, W / 4, 24]; the trunk's C4,
      C3 and C2 of these sizes, with 64, 32 and 24 times ``width`` channels; and L3 and L2, what the pyramid takes of
      the last two, with 32 and 24 channels.
    """
    # MobileNetV2: inverted residuals down to stride 32.
    x = _conv(images, _rounded(32 * width), 3, "relu6", strides=2, name="stem")
    ends, number = [], 0
    for expansion, channels, blocks, stride in _STAGES:
        for block in range(blocks):
            strides = stride if block == 0 else 1
            x = _inverted_residual(x, expansion, _rounded(channels * width), strides, name=f"block{number}")
            number += 1
        ends.append(x)
        # Not in MoveNet, which looks at whole pictures: what fills the crop is its person's.
        if len(ends) == 4:
            x = PositionEmbedding(name="position")(x)
    c2, c3, c4 = ends[1:4]
    c5 = _conv(x, 1280, 1, "relu6", name="last")

    # Feature pyramid: the coarser map, twice as large, plus the trunk's of that size.
    top = _conv(c5, 64, 1, name="lateral5")
    f1 = _merge(top, _conv(c4, 64, 1, name="lateral4"), 32, name="pyramid1")
    l3, l2 = _conv(c3, 32, 1, name="lateral3"), _conv(c2, 24, 1, name="lateral2")
    f2 = _merge(f1, l3, 24, name="pyramid2")
    f3 = _merge(f2, l2, 24, name="pyramid3")
    return {"F1": f1, "F2": f2, "F3": f3, "C4": c4, "C3": c3, "C2": c2, "L3": l3, "L2": l2}


def movenet_heads(features: tf.Tensor, num_joints: int) -> dict[str, tf.Tensor]:
    """CenterNet's heads on F3. MoveNet has a fourth one, for the part of a cell; the peak's own shape tells that here.

    Args:
      features: F3, [B, H / 4, W / 4, 24].
      num_joints: K.

    Returns:
      heatmap float32 [B, H / 4, W / 4, K], logits of a joint of anybody; center [.., 1], logits of somebody's middle;
      regression [.., 2 K], (y, x) of each joint of the person in whose middle a cell lies, from that cell, in cells.
    """
    heads = {}
    for name, channels in {"heatmap": num_joints, "center": 1, "regression": 2 * num_joints}.items():
        # The person of a crop is told by where its middle is, so nothing new is asked of the middles.
        trainable = name != "center"
        x = _separable(features, 96, name=f"{name}_conv", trainable=trainable)
        heads[name] = _conv(x, channels, 1, name=name, dtype="float32", trainable=trainable)
    return heads


def _conv(
    x: tf.Tensor, channels: int, size: int, activation: str | None = None, *, name: str, **options: object
) -> tf.Tensor:
    return tf.keras.layers.Conv2D(channels, size, padding="same", activation=activation, name=name, **options)(x)


def _separable(x: tf.Tensor, channels: int, *, name: str, **options: object) -> tf.Tensor:
    """A 3x3 convolution of each channel by itself, then a 1x1 convolution and ReLU."""
    x = tf.keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_depthwise", **options)(x)
    return _conv(x, channels, 1, "relu", name=f"{name}_pointwise", **options)


def _inverted_residual(x: tf.Tensor, expansion: int, channels: int, strides: int, *, name: str) -> tf.Tensor:
    """Expanded, convolved channel by channel, projected; the block's input is added where it has the same shape."""
    inner = x if expansion == 1 else _conv(x, expansion * x.shape[-1], 1, "relu6", name=f"{name}_expand")
    inner = tf.keras.layers.DepthwiseConv2D(3, strides, padding="same", activation="relu6", name=f"{name}_depthwise")(
        inner
    )
    out = _conv(inner, channels, 1, name=f"{name}_project")
    if strides == 1 and x.shape[-1] == channels:
        out = tf.keras.layers.Add(name=f"{name}_add")([x, out])
    return out


def _merge(coarse: tf.Tensor, fine: tf.Tensor, channels: int, *, name: str) -> tf.Tensor:
    enlarged = tf.keras.layers.UpSampling2D(interpolation="bilinear", name=f"{name}_upsampling")(coarse)
    return _separable(tf.keras.layers.Add(name=f"{name}_sum")([enlarged, fine]), channels, name=name)


def _rounded(channels: float) -> int:
    """MobileNet's rule: the nearest multiple of 8, unless that is more than a tenth below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
