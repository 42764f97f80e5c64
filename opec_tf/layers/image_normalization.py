"""Pixel values to the range the trunk expects."""

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

    def __init__(self, mean=IMAGENET_MEAN, std=IMAGENET_STD, **kwargs):
        super().__init__(autocast=False, **{"dtype": "float32", **kwargs})
        self.mean = np.array(mean, np.float32)
        self.std = np.array(std, np.float32)

    def call(self, images):
        return (tf.cast(images, tf.float32) - self.mean) / self.std

    def get_config(self):
        return {**super().get_config(), "mean": self.mean.tolist(), "std": self.std.tolist()}
