"""Joints of several bodies moved from one frame to another."""

import tensorflow as tf

from opec_tf import geometry


@tf.keras.utils.register_keras_serializable("opec_tf")
class ChangeFrame(tf.keras.layers.Layer):
    """Applies an affine of each body to its joints.

    Input: [points [B, M K, 2], (x, y), the joints of M bodies, one body after the other; affines [B, M, 2, 3]].
    Output: float32 [B, M K, 2].
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs):
        points, affines = inputs
        bodies, joints = affines.shape[1], points.shape[1] // affines.shape[1]
        moved = geometry.apply_affine(affines, tf.reshape(points, [-1, bodies, joints, 2]))
        return tf.reshape(moved, [-1, bodies * joints, 2])
