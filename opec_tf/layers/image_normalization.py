"""Pixel values to the range the trunk expects."""

import numpy as np
import tensorflow as tf

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


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
