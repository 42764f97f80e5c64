"""Integral regression: heatmaps to coordinates, differentiably."""

import numpy as np
import tensorflow as tf

from opec_tf import geometry


@tf.keras.utils.register_keras_serializable("opec_tf")
class SoftArgmax(tf.keras.layers.Layer):
    """J = sum_p p H(p), H = softmax(beta * heatmap): paper eq. 2, after Sun et al., "Integral Human Pose Regression".

    The positions p are the cells' centres in normalised coordinates (geometry.py), so the result does not depend on the
    map's resolution. beta = exp(log_beta) is learned. It is what lets heatmaps trained to Gaussians of height 1 be read
    at once: with beta = 1 the n cells of background, each of likelihood about 1 / n, pull every joint to the centre.

    Everything is float32 whatever the precision policy: 8 bits of mantissa cannot tell the cells apart.

    Args:
      initial_beta: inverse temperature before training. A peak of height a outweighs a background of n cells where
        beta * a is well above ln n.

    Input: [B, h, w, K].
    Output: points float32 [B, K, 2], (x, y), normalised; likelihoods float32 [B, K], the largest of H(p), 0..1.
    """

    def __init__(self, initial_beta=20.0, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.initial_beta = initial_beta

    def build(self, input_shape):
        # Learned as a logarithm: it stays positive, and a step changes it by a ratio.
        self.log_beta = self.add_weight("log_beta", (), initializer=tf.constant_initializer(np.log(self.initial_beta)))
        self.centers = geometry.cell_centers(input_shape[1:3]).reshape(-1, 2)
        super().build(input_shape)

    def call(self, heatmaps):
        _, height, width, num_joints = heatmaps.shape
        flat = tf.reshape(tf.transpose(heatmaps, [0, 3, 1, 2]), [-1, num_joints, height * width])
        likelihoods = tf.nn.softmax(tf.exp(self.log_beta) * flat)
        points = tf.einsum("bkn,nc->bkc", likelihoods, tf.constant(self.centers, likelihoods.dtype))
        return points, tf.reduce_max(likelihoods, axis=-1)

    def get_config(self):
        return {**super().get_config(), "initial_beta": self.initial_beta}
