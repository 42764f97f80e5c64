"""Poses from heatmaps, and the choices between them."""

import math

import numpy as np
import tensorflow as tf

from opec_tf.poses import decoding, geometry


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


@tf.keras.utils.register_keras_serializable("opec_tf")
class PeakCandidates(tf.keras.layers.Layer):
    """The highest local maxima of each heatmap, see ``decoding.decode_candidates``.

    Where two people compete for a crop, a joint's heatmap has a peak on each; an integral over the map lies between
    them, and the highest peak alone hides that there is a choice. Positions carry no gradient, heights do.

    Args:
      count: M, candidates of each joint.
      refinement: sub-cell rule, see ``decoding.decode_peaks``.

    Input: [B, h, w, K].
    Output: points float32 [B, K, M, 2], (x, y), normalised, highest first; heights float32 [B, K, M]; a candidate that
      does not exist has the place of the highest and height 0.
    """

    def __init__(self, count=2, refinement="dark", **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.count = count
        self.refinement = refinement

    def call(self, heatmaps):
        points, heights = decoding.decode_candidates(heatmaps, self.refinement, self.count, threshold=0.0)
        return tf.stop_gradient(points), heights

    def get_config(self):
        return {**super().get_config(), "count": self.count, "refinement": self.refinement}


@tf.keras.utils.register_keras_serializable("opec_tf")
class PeakGate(tf.keras.layers.Layer):
    """P' = P + g (peak - P), g = sigmoid(features w + b), one learned gate a joint.

    The authors' release keeps the base's peak wherever its score exceeds 0.2 and takes the graph's joint elsewhere;
    this is that choice, learned. No gradient flows into the peak.

    Args:
      refinement: sub-pixel rule of the peak, see ``decoding.decode_peaks``.
      initial_gate: g before training, 0..1.

    Input: [pose [B, K, 2], (x, y), normalised; features [B, K, C]; heatmaps [B, h, w, K]].
    Output: float32 [B, K, 2].
    """

    def __init__(self, refinement="dark", initial_gate=0.5, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.refinement = refinement
        self.initial_gate = initial_gate

    def build(self, input_shape):
        bias = tf.keras.initializers.Constant(math.log(self.initial_gate / (1.0 - self.initial_gate)))
        self.gate = tf.keras.layers.Dense(
            1, activation="sigmoid", kernel_initializer="zeros", bias_initializer=bias, dtype="float32", name="gate"
        )
        super().build(input_shape)

    def call(self, inputs):
        pose, features, heatmaps = inputs
        peak, _ = decoding.decode_peaks(tf.stop_gradient(heatmaps), self.refinement)
        return pose + self.gate(features) * (peak - pose)

    def get_config(self):
        return {**super().get_config(), "refinement": self.refinement, "initial_gate": self.initial_gate}


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


@tf.keras.utils.register_keras_serializable("opec_tf")
class GivenPose(tf.keras.layers.Layer):
    """Joint by joint the given pose, or where that has none (score 0) the fallback.

    No gradient flows into what is given.

    Input: [given pose [B, K, 2]; its scores [B, K], 0 for a joint it lacks; fallback pose [B, K, 2]; its scores
    [B, K]].
    Output: pose [B, K, 2] and scores [B, K].
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs):
        pose, score, fallback_pose, fallback_score = inputs
        pose, score = tf.stop_gradient(pose), tf.stop_gradient(score)
        is_given = score > 0.0
        return tf.where(is_given[..., None], pose, fallback_pose), tf.where(is_given, score, fallback_score)
