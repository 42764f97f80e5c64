"""Dense upsampling convolution, AlphaPose's decoder block."""

import tensorflow as tf

from opec_tf.layers.pixel_shuffle import PixelShuffle


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

    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        policy = self.dtype_policy
        self.conv = tf.keras.layers.Conv2D(
            channels, 3, padding="same", use_bias=False, kernel_initializer="he_normal", dtype=policy, name="conv"
        )
        # PyTorch's defaults in Keras's terms.
        self.norm = tf.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=policy, name="norm")
        self.shuffle = PixelShuffle(dtype=policy, name="shuffle")

    def call(self, features, training=None):
        return self.shuffle(tf.nn.relu(self.norm(self.conv(features), training=training)))

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}
