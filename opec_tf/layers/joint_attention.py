"""Self-attention over the joints."""

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("opec_tf")
class JointAttention(tf.keras.layers.Layer):
    """X' = X + softmax(Q K^T / sqrt(C)) V with Q, K, V linear in X: every joint looks at every other (supplement 3).

    The softmax is float32 under every precision policy. (The release's "attention" is a squeeze-excite gate over the
    joints, which lets no joint see another's features; the paper's text asks for their dependencies.)

    Input and output: [B, K, C].
    """

    def build(self, input_shape):
        channels, policy = input_shape[-1], self.dtype_policy
        self.query = tf.keras.layers.Dense(channels, use_bias=False, dtype=policy, name="query")
        self.key = tf.keras.layers.Dense(channels, use_bias=False, dtype=policy, name="key")
        self.value = tf.keras.layers.Dense(channels, use_bias=False, dtype=policy, name="value")
        super().build(input_shape)

    def call(self, features):
        # Scaled before the product, which would overflow float16 sooner than its factors.
        scaled = self.query(features) * features.shape[-1] ** -0.5
        logits = tf.matmul(scaled, self.key(features), transpose_b=True)
        weights = tf.cast(tf.nn.softmax(tf.cast(logits, tf.float32)), features.dtype)
        return features + tf.matmul(weights, self.value(features))
