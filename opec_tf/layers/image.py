"""The layers of pictures and feature maps: input scaling, pixel shuffles, squeeze-and-excitation, DUC."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
# (mean, std) that public weights were trained with. SimpleBaseline's release applies numbers meant for RGB to BGR,
# AlphaPose numbers meant for BGR to RGB; Caffe's, which keras.applications uses, has no std.
NORMALIZATIONS = {
    "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
    "imagenet_bgr": (IMAGENET_MEAN[::-1], IMAGENET_STD[::-1]),
    "alphapose": ((0.406 * 255, 0.457 * 255, 0.480 * 255), (255.0, 255.0, 255.0)),
    "caffe": ((123.68, 116.779, 103.939), (1.0, 1.0, 1.0)),
}


@tf.keras.utils.register_keras_serializable("opec_tf")
class ImageNormalization(tf.keras.layers.Layer):
    """(image - mean) / std for each colour, in float32 under every precision policy.

    Being the model's first layer, it travels with the weights and into every export: no caller normalises.

    Args:
      mean, std: of R, G and B over the pre-training images, 0..255. The defaults are ImageNet's, as torchvision states
        them in units of 1/255.

    Input: [B, H, W, 3], RGB, 0..255, any real type.
    Output: float32 [B, H, W, 3].
    """

    def __init__(
        self, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD, **kwargs: object
    ) -> None:
        super().__init__(autocast=False, **{"dtype": "float32", **kwargs})
        self.mean = np.array(mean, np.float32)
        self.std = np.array(std, np.float32)

    def call(self, images: tf.Tensor) -> tf.Tensor:
        return (tf.cast(images, tf.float32) - self.mean) / self.std

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "mean": self.mean.tolist(), "std": self.std.tolist()}


@tf.keras.utils.register_keras_serializable("opec_tf")
class PixelShuffle(tf.keras.layers.Layer):
    """Sub-pixel rearrangement by 2 (Shi et al., CVPR 2016): every cell's channels become a 2 x 2 block of cells.

    The channel order is TensorFlow's: channel (2 dy + dx) C + c of cell (y, x) becomes channel c of cell
    (2 y + dy, 2 x + dx). PyTorch's ``PixelShuffle`` reads channel 4 c + 2 dy + dx there, so converted weights need the
    channels of the convolution before the shuffle permuted.

    Input: [B, h, w, 4 C].
    Output: [B, 2 h, 2 w, C].
    """

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return tf.nn.depth_to_space(features, 2)


@tf.keras.utils.register_keras_serializable("opec_tf")
class PixelUnshuffle(tf.keras.layers.Layer):
    """The inverse of ``PixelShuffle``: every 2 x 2 block of cells becomes the channels of one cell.

    It halves the resolution and loses nothing, where a stride leaves cells out. The channel order is TensorFlow's:
    channel c of cell (2 y + dy, 2 x + dx) becomes channel (2 dy + dx) C + c of cell (y, x). PyTorch's
    ``PixelUnshuffle`` makes it channel 4 c + 2 dy + dx, so converted weights need the inputs of the convolution after
    it permuted.

    Input: [B, 2 h, 2 w, C].
    Output: [B, h, w, 4 C].
    """

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return tf.nn.space_to_depth(features, 2)


@tf.keras.utils.register_keras_serializable("opec_tf")
class SqueezeExcite(tf.keras.layers.Layer):
    """features * sigmoid(Dense(ReLU(Dense(mean over cells)))): one gate in 0..1 for each channel.

    Reference: Hu et al., "Squeeze-and-Excitation Networks" (CVPR 2018). The default reduction of 1 is AlphaPose's.

    Args:
      reduction: channels over hidden units of the gate.

    Input and output: [B, h, w, C].
    """

    def __init__(self, reduction: int = 1, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.reduction = reduction

    def build(self, input_shape: tf.TensorShape) -> None:
        channels = input_shape[-1]
        hidden = max(1, channels // self.reduction)
        self.squeeze = tf.keras.layers.Dense(
            hidden, activation="relu", kernel_initializer="he_normal", dtype=self.dtype_policy, name="squeeze"
        )
        self.excite = tf.keras.layers.Dense(channels, activation="sigmoid", dtype=self.dtype_policy, name="excite")
        super().build(input_shape)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        # In float32: of thousands of cells half precision loses count.
        means = tf.reduce_mean(tf.cast(features, tf.float32), axis=(1, 2))
        gates = self.excite(self.squeeze(tf.cast(means, features.dtype)))
        return features * gates[:, None, None, :]

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "reduction": self.reduction}


@tf.keras.utils.register_keras_serializable("opec_tf")
class DUC(tf.keras.layers.Layer):
    """PixelShuffle(ReLU(BatchNorm(Conv3x3(features)))): doubles the resolution without transposed convolution.

    Reference: Wang et al., "Understanding Convolution for Semantic Segmentation" (WACV 2018); in this order of
    operations in AlphaPose.

    Args:
      channels: of the convolution; a quarter of them remain after the shuffle.

    Input: [B, h, w, C].
    Output: [B, 2 h, 2 w, channels / 4].
    """

    def __init__(self, channels: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.channels = channels
        policy = self.dtype_policy
        self.conv = tf.keras.layers.Conv2D(
            channels, 3, padding="same", use_bias=False, kernel_initializer="he_normal", dtype=policy, name="conv"
        )
        # PyTorch's defaults in Keras's terms.
        self.norm = tf.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=policy, name="norm")
        self.shuffle = PixelShuffle(dtype=policy, name="shuffle")

    def call(self, features: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        return self.shuffle(tf.nn.relu(self.norm(self.conv(features), training=training)))

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "channels": self.channels}


@tf.keras.utils.register_keras_serializable("opec_tf")
class PositionEmbedding(tf.keras.layers.Layer):
    """features + E, E [h, w, C] learned and zero at first: tells each cell where in the map it lies.

    A convolution does not know that, and in a crop it says much: the person whom the crop was made for fills it to the
    margin, which others do only by chance. References: Vaswani et al., "Attention Is All You Need" (2017), the learned
    kind; Liu et al., "An Intriguing Failing of Convolutional Neural Networks and the CoordConv Solution" (2018).

    Input: [B, h, w, C].
    Output: the same.
    """

    def build(self, input_shape: tf.TensorShape) -> None:
        self.embedding = self.add_weight("embedding", input_shape[1:], initializer="zeros")
        super().build(input_shape)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return features + self.embedding
