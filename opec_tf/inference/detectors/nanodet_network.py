"""NanoDet-g, a one-stage object detector, as a Keras builder: CSP backbone, path aggregation, one head for each stride.

References: RangiLyu/nanodet, config/legacy_v0.x_configs/nanodet-g.yml; Wang et al., "CSPNet" (CVPRW 2020); Liu et al.,
"Path Aggregation Network" (CVPR 2018); Li et al., "Generalized Focal Loss" (NeurIPS 2020), which learns distances as
distributions. BatchNorm is folded into the convolutions, as in the published file, so every convolution has a bias.
"""

from __future__ import annotations

import tensorflow as tf

STRIDES = (8, 16, 32)
NUM_CLASSES = 80  # COCO's; 0 is a person
NUM_BINS = 11  # of a distance's distribution: 0..10 strides
_MEAN, _DEVIATION = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)  # of the training pictures, BGR, 0..255
_WEIGHTS = {"kernel_initializer": "zeros"}  # a file's come in their place; random ones would take time


def nanodet_g(images: tf.Tensor) -> tf.Tensor:
    """The network.

    Args:
      images: [B, H, W, 3], BGR, 0..255; H and W are multiples of 32.

    Returns:
      [B, N, 124], for each of the N cells of strides 8, 16 and 32, row by row: 80 class logits, then 11 logits each of
      its distances, in strides, to the left, upper, right and lower side of the box.
    """
    scale = [1 / deviation for deviation in _DEVIATION]
    offset = [-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION)]
    x = tf.keras.layers.Rescaling(scale, offset, name="normalization")(images)

    # Backbone: C3, C4 and C5 at strides 8, 16 and 32, of 128, 256 and 512 channels.
    x = _conv(x, 32, strides=2, name="stem")
    x = _max_pool(x, name="pool")
    c2 = _csp_block(x, 32, blocks=1, strides=1, name="csp2")
    c3 = _csp_block(c2, 64, blocks=2, strides=2, name="csp3")
    c4 = _csp_block(c3, 128, blocks=2, strides=2, name="csp4")
    c5 = _csp_block(c4, 256, blocks=3, strides=2, name="csp5")

    # Path aggregation: coarse maps are added to finer ones, then fine maps to coarser ones.
    p3, p4, p5 = (_conv1x1(c, 128, name=f"lateral{level}") for level, c in ((3, c3), (4, c4), (5, c5)))
    p4 = tf.keras.layers.Add(name="top_down4")([p4, _enlarged(p5, name="enlarged5")])
    p3 = tf.keras.layers.Add(name="top_down3")([p3, _enlarged(p4, name="enlarged4")])
    p4 = tf.keras.layers.Add(name="bottom_up4")([p4, _reduced(p3, name="reduced3")])
    p5 = tf.keras.layers.Add(name="bottom_up5")([p5, _reduced(p4, name="reduced4")])

    # Heads: each cell's classes and distances.
    cells = [_head(p, name=f"head{level}") for level, p in ((3, p3), (4, p4), (5, p5))]
    return tf.keras.layers.Concatenate(axis=1, name="cells")(cells)


def _csp_block(x: tf.Tensor, channels: int, *, blocks: int, strides: int, name: str) -> tf.Tensor:
    """A convolution to ``channels``, and the same after some residual blocks; together twice as many channels."""
    straight = _conv(x, channels, strides=strides, name=f"{name}_in")
    x = straight
    for number in range(blocks):
        # Residual blocks that concatenate instead of adding.
        half = _conv(x, channels // 2, name=f"{name}_block{number}_in")
        deeper = _conv(half, channels // 2, name=f"{name}_block{number}_mid")
        x = tf.keras.layers.Concatenate(name=f"{name}_block{number}")([deeper, half])
    x = _conv(x, channels, name=f"{name}_out")
    return tf.keras.layers.Concatenate(name=name)([x, straight])


def _head(x: tf.Tensor, *, name: str) -> tf.Tensor:
    """[B, h, w, 128] -> [B, h w, 124]."""
    x = _conv(x, 128, name=f"{name}_conv")
    x = _conv1x1(x, NUM_CLASSES + 4 * NUM_BINS, name=name)
    return tf.keras.layers.Reshape([-1, x.shape[-1]], name=f"{name}_cells")(x)


def _conv(x: tf.Tensor, channels: int, *, strides: int = 1, name: str) -> tf.Tensor:
    """3x3 convolution and LeakyReLU. PyTorch pads by 1 on every side, which TensorFlow's "same" is not at stride 2."""
    if strides > 1:
        x = tf.keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    padding = "valid" if strides > 1 else "same"
    return tf.keras.layers.Conv2D(channels, 3, strides, padding, activation=_leaky_relu, **_WEIGHTS, name=name)(x)


def _leaky_relu(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.leaky_relu(x, 0.1)


def _conv1x1(x: tf.Tensor, channels: int, *, name: str) -> tf.Tensor:
    return tf.keras.layers.Conv2D(channels, 1, **_WEIGHTS, name=name)(x)


def _max_pool(x: tf.Tensor, *, name: str) -> tf.Tensor:
    """3x3, stride 2, padded by 1 with what is never the maximum."""
    x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=x.dtype.min, name=f"{name}_pad")
    return tf.keras.layers.MaxPooling2D(3, 2, name=name)(x)


def _enlarged(x: tf.Tensor, *, name: str) -> tf.Tensor:
    return tf.keras.layers.UpSampling2D(interpolation="bilinear", name=name)(x)


def _reduced(x: tf.Tensor, *, name: str) -> tf.Tensor:
    """Half the size by the mean of 2x2 cells: a bilinear resize with half-pixel centres does no more."""
    return tf.keras.layers.AveragePooling2D(2, name=name)(x)
