"""ResNet trunks, plain and with squeeze-and-excitation.

The layout is torchvision's ("v1.5": a bottleneck's stride lies in its 3x3 convolution), which AlphaPose and SimplePose
use as well, and so is the padding: symmetric, where Keras's "same" pads strided convolutions more on one side. Weights
trained in PyTorch therefore agree after conversion.
"""

from __future__ import annotations

import functools

import tensorflow as tf

from opec_tf.layers.image import PixelUnshuffle, SqueezeExcite
from opec_tf.models.trunks.sizes import BASIC_BLOCKS, BLOCKS


def resnet(
    images: tf.Tensor,
    *,
    trunk: str,
    width: int = 64,
    squeeze_excite: bool = False,
    stride_in_1x1: bool = False,
    unshuffle: bool = False,
) -> list[tf.Tensor]:
    """Applies a ResNet without its classifier.

    Args:
      images: [B, H, W, 3], normalised; H and W multiples of 32.
      trunk: a key of ``sizes.BLOCKS``.
      width: channels of the stem; the four stages have 1, 2, 4 and 8 times as many (times 4 for bottlenecks).
      squeeze_excite: a gate with reduction 1 at the end of the residual branch of those blocks whose shortcut is a
        convolution, as in AlphaPose's SE-ResNet: the first of each stage (of resnet10, 18 and 34, not of stage 1).
      stride_in_1x1: a bottleneck's stride lies in its first 1x1 convolution ("v1": Caffe, keras.applications).
      unshuffle: a bottleneck halves by a pixel unshuffle before its 3x3 convolution, which then reads 4 times the
        channels, as in AlphaPose's "shuffle" ResNet; its shortcut has a stride all the same. Not with stride_in_1x1.

    Returns:
      [C2, C3, C4, C5], the last maps of the four stages: [B, H / 4, W / 4, width], then half the size and twice the
      channels each; 4 times the channels for bottlenecks.
    """
    block = _basic_block if trunk in BASIC_BLOCKS else functools.partial(_bottleneck, unshuffle=unshuffle)
    x = tf.keras.layers.ReLU(name="stem_relu")(_conv_norm(images, width, 7, stride=2, name="stem"))
    # Zeros are as good as the minus infinity PyTorch pads with: nothing is below zero after the ReLU.
    x = tf.keras.layers.ZeroPadding2D(1, name="pool_pad")(x)
    x = tf.keras.layers.MaxPooling2D(3, 2, name="pool")(x)
    maps = []
    for stage, repeats in enumerate(BLOCKS[trunk]):
        for index in range(repeats):
            stride, name = 2 if stage > 0 and index == 0 else 1, f"stage{stage + 1}_block{index + 1}"
            if stride > 1 and stride_in_1x1 and trunk not in BASIC_BLOCKS:
                x, stride = _subsample(x, name), 1
            x = block(x, width << stage, stride, squeeze_excite, name=name)
        maps.append(x)
    return maps


def _basic_block(x: tf.Tensor, channels: int, stride: int, squeeze_excite: bool, name: str) -> tf.Tensor:
    y = tf.keras.layers.ReLU(name=f"{name}_relu1")(_conv_norm(x, channels, 3, stride, name=f"{name}_conv1"))
    y = _conv_norm(y, channels, 3, name=f"{name}_conv2", gamma="zeros")
    return _add_shortcut(x, y, channels, stride, squeeze_excite, name)


def _bottleneck(
    x: tf.Tensor, channels: int, stride: int, squeeze_excite: bool, name: str, unshuffle: bool
) -> tf.Tensor:
    y = tf.keras.layers.ReLU(name=f"{name}_relu1")(_conv_norm(x, channels, 1, name=f"{name}_conv1"))
    unshuffle = unshuffle and stride > 1
    if unshuffle:
        y = PixelUnshuffle(name=f"{name}_unshuffle")(y)
    y = _conv_norm(y, channels, 3, 1 if unshuffle else stride, name=f"{name}_conv2")
    y = tf.keras.layers.ReLU(name=f"{name}_relu2")(y)
    y = _conv_norm(y, 4 * channels, 1, name=f"{name}_conv3", gamma="zeros")
    return _add_shortcut(x, y, 4 * channels, stride, squeeze_excite, name)


def _add_shortcut(x: tf.Tensor, y: tf.Tensor, channels: int, stride: int, squeeze_excite: bool, name: str) -> tf.Tensor:
    if stride > 1 or x.shape[-1] != channels:
        if stride > 1:
            x = _subsample(x, name)
        x = _conv_norm(x, channels, 1, name=f"{name}_shortcut")
        if squeeze_excite:
            y = SqueezeExcite(name=f"{name}_se")(y)
    y = tf.keras.layers.Add(name=f"{name}_add")([x, y])
    return tf.keras.layers.ReLU(name=f"{name}_relu")(y)


def _subsample(x: tf.Tensor, name: str) -> tf.Tensor:
    """The first of two steps of a 1x1 convolution of stride 2.

    In one step, the oneDNN of TensorFlow 2.15 writes its gradient beyond its memory where there are fewer than 16
    channels (seen on a CPU with AVX-512).
    """
    return tf.keras.layers.MaxPooling2D(1, 2, name=f"{name}_subsample")(x)


def _conv_norm(
    x: tf.Tensor, channels: int, kernel_size: int, stride: int = 1, *, name: str, gamma: str = "ones"
) -> tf.Tensor:
    """Convolution and BatchNorm with PyTorch's padding, epsilon and momentum (its 0.1 is Keras's 0.9).

    ``gamma="zeros"`` at the end of a residual branch makes every block start as its shortcut, which trains more easily
    from scratch (Goyal et al., 2017). Loaded weights replace it.
    """
    if stride > 1:
        x = tf.keras.layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x)
    x = tf.keras.layers.Conv2D(
        channels,
        kernel_size,
        stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        kernel_initializer=tf.keras.initializers.VarianceScaling(2.0, "fan_out"),
        name=name,
    )(x)
    return tf.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=gamma, name=f"{name}_norm")(
        x
    )
