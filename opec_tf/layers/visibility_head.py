"""What a joint's last features say of whether it can be seen."""

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("opec_tf")
class VisibilityHead(tf.keras.layers.Layer):
    """logits = W_2 relu(W_1 stop_gradient(x) + b_1) + b_2, for each joint by itself; not in the paper.

    Its gradient ends here: the features stay what the poses make of them, so that the head cannot cost accuracy. For
    the same reason its kernels are drawn with seeds of their own, which leaves to the layers that are made after it the
    random numbers that they would have without it.

    Args:
      hidden: width of the hidden layer.
      classes: number of logits.

    Input: features [B, K, C]. Output: float logits [B, K, classes].
    """

    def __init__(self, hidden=64, classes=3, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.classes = hidden, classes
        glorot = tf.keras.initializers.GlorotUniform
        self.hidden_layer = tf.keras.layers.Dense(
            hidden, activation="relu", kernel_initializer=glorot(seed=1), dtype=self.dtype_policy, name="hidden"
        )
        self.logits = tf.keras.layers.Dense(
            classes, kernel_initializer=glorot(seed=2), dtype=self.dtype_policy, name="logits"
        )

    def call(self, features):
        return self.logits(self.hidden_layer(tf.stop_gradient(features)))

    def get_config(self):
        return {**super().get_config(), "hidden": self.hidden, "classes": self.classes}
