"""A pose with errors of a known size."""

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("opec_tf")
class PoseNoise(tf.keras.layers.Layer):
    """P' = P + e, e drawn from a normal distribution for each joint: what a refinement can undo is known exactly.

    In training every step draws anew. In inference the errors are the same for every batch, so that a score can be
    repeated.

    Args:
      stddev: standard deviation, in the units of the pose.

    Input and output: [B, K, 2].
    """

    def __init__(self, stddev, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.stddev = stddev

    def call(self, pose, training=False):
        if training:
            return pose + tf.random.normal(tf.shape(pose), stddev=self.stddev)
        return pose + self.stddev * tf.random.stateless_normal(tf.shape(pose), [0, 0])

    def get_config(self):
        return {**super().get_config(), "stddev": self.stddev}
