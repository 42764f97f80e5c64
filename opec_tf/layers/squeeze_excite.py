"""Channel attention."""

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("opec_tf")
class SqueezeExcite(tf.keras.layers.Layer):
    """features * sigmoid(Dense(ReLU(Dense(mean over cells)))): one gate in 0..1 for each channel.

    Reference: Hu et al., "Squeeze-and-Excitation Networks" (CVPR 2018). The default reduction of 1 is AlphaPose's.

    Args:
      reduction: channels over hidden units of the gate.

    Input and output: [B, h, w, C].
    """

    def __init__(self, reduction=1, **kwargs):
        super().__init__(**kwargs)
        self.reduction = reduction

    def build(self, input_shape):
        channels = input_shape[-1]
        hidden = max(1, channels // self.reduction)
        self.squeeze = tf.keras.layers.Dense(
            hidden, activation="relu", kernel_initializer="he_normal", dtype=self.dtype_policy, name="squeeze"
        )
        self.excite = tf.keras.layers.Dense(channels, activation="sigmoid", dtype=self.dtype_policy, name="excite")
        super().build(input_shape)

    def call(self, features):
        # In float32: of thousands of cells half precision loses count.
        means = tf.reduce_mean(tf.cast(features, tf.float32), axis=(1, 2))
        gates = self.excite(self.squeeze(tf.cast(means, features.dtype)))
        return features * gates[:, None, None, :]

    def get_config(self):
        return {**super().get_config(), "reduction": self.reduction}
