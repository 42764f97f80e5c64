"""Tells the joints of a graph apart."""

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("opec_tf")
class JointIdentity(tf.keras.layers.Layer):
    """Appends to each node's features a one-hot vector that says which joint of a body it is.

    A graph convolution applies one matrix to every joint, and a body's graph looks the same from its left and from its
    right: without this only the image features could tell a left wrist from a right one, or from an ankle.

    Args:
      num_joints: K, joints of one body.

    Input: [B, M K, C]: the joints of M bodies, one body after the other.
    Output: [B, M K, C + K].
    """

    def __init__(self, num_joints, **kwargs):
        super().__init__(**kwargs)
        self.num_joints = num_joints

    def call(self, features):
        bodies = features.shape[1] // self.num_joints
        identity = tf.tile(tf.eye(self.num_joints, dtype=features.dtype), [bodies, 1])
        identity = tf.tile(identity[None], [tf.shape(features)[0], 1, 1])
        return tf.concat([features, identity], axis=-1)

    def get_config(self):
        return {**super().get_config(), "num_joints": self.num_joints}
