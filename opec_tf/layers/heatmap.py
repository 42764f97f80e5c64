"""From heatmaps to poses: the integral over a map, its highest peaks, and a pose that is given instead."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from opec_tf.poses import decoding, geometry


@tf.keras.utils.register_keras_serializable("opec_tf")
class SoftArgmax(tf.keras.layers.Layer):
    """J = sum_p p H(p), H = softmax(beta * heatmap): paper eq. 2, after Sun et al., "Integral Human Pose Regression".

    The positions p are the cells' centres in normalised coordinates (geometry.py), so the result does not depend on the
    map's resolution. beta = exp(log_beta) is learned. It is what lets heatmaps trained to Gaussians of height 1 be read
    at once: with beta = 1 the n cells of background, each of likelihood about 1 / n, pull every joint to the centre.

    With a radius the sum is over the cells about the likeliest alone, H scaled to a sum of 1 there. Of two people in
    one crop each leaves a peak, and the integral over the whole map lies between them, where there is nobody.

    Everything is float32 whatever the precision policy: 8 bits of mantissa cannot tell the cells apart.

    Args:
      initial_beta: inverse temperature before training. A peak of height a outweighs a background of n cells where
        beta * a is well above ln n.
      radius: cells to each side of the likeliest that are summed over; 0: all.

    Input: [B, h, w, K].
    Output: points float32 [B, K, 2], (x, y), normalised; likelihoods float32 [B, K], the largest of H(p), 0..1.
    """

    def __init__(self, initial_beta: float = 20.0, radius: int = 0, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.initial_beta = initial_beta
        self.radius = radius

    def build(self, input_shape: tf.TensorShape) -> None:
        # Learned as a logarithm: it stays positive, and a step changes it by a ratio.
        self.log_beta = self.add_weight("log_beta", (), initializer=tf.constant_initializer(np.log(self.initial_beta)))
        self.centers = geometry.cell_centers(input_shape[1:3]).reshape(-1, 2)
        super().build(input_shape)

    def call(self, heatmaps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        _, height, width, num_joints = heatmaps.shape
        flat = tf.reshape(tf.transpose(heatmaps, [0, 3, 1, 2]), [-1, num_joints, height * width])
        likelihoods = tf.nn.softmax(tf.exp(self.log_beta) * flat)
        weights = self._near_likeliest(likelihoods, width) if self.radius else likelihoods
        points = tf.einsum("bkn,nc->bkc", weights, tf.constant(self.centers, weights.dtype))
        return points, tf.reduce_max(likelihoods, axis=-1)

    def _near_likeliest(self, likelihoods: tf.Tensor, width: int) -> tf.Tensor:
        """Likelihoods [B, K, h w] of the cells about the likeliest, of sum 1; 0 elsewhere."""
        cells = tf.range(likelihoods.shape[-1])
        likeliest = tf.argmax(likelihoods, axis=-1, output_type=tf.int32)[..., None]
        near_row = tf.abs(cells // width - likeliest // width) <= self.radius
        near_column = tf.abs(cells % width - likeliest % width) <= self.radius
        near = tf.where(near_row & near_column, likelihoods, 0.0)
        return near / tf.reduce_sum(near, axis=-1, keepdims=True)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "initial_beta": self.initial_beta, "radius": self.radius}


@tf.keras.utils.register_keras_serializable("opec_tf")
class PeakCandidates(tf.keras.layers.Layer):
    """The highest local maxima of each heatmap, see ``decoding.decode_candidates``.

    Where two people compete for a crop, a joint's heatmap has a peak on each; an integral over the map lies between
    them, and the highest peak alone hides that there is a choice. Positions carry no gradient, heights do.

    Args:
      count: M, candidates of each joint.
      refinement, smoothing: sub-cell rule, see ``decoding.decode_peaks``. A Gaussian as wide as two near peaks merges
        them, so the smoothing that suits the base's peaks suits its candidates.

    Input: [B, h, w, K].
    Output: points float32 [B, K, M, 2], (x, y), normalised, highest first; heights float32 [B, K, M]; a candidate that
      does not exist has the place of the highest and height 0.
    """

    def __init__(self, count: int = 2, refinement: str = "dark", smoothing: float = 2.0, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.count = count
        self.refinement = refinement
        self.smoothing = smoothing

    def call(self, heatmaps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        points, heights = decoding.decode_candidates(
            heatmaps, self.refinement, self.count, threshold=0.0, smoothing=self.smoothing
        )
        return tf.stop_gradient(points), heights

    def get_config(self) -> dict[str, object]:
        settings = {"count": self.count, "refinement": self.refinement, "smoothing": self.smoothing}
        return {**super().get_config(), **settings}


@tf.keras.utils.register_keras_serializable("opec_tf")
class GivenPose(tf.keras.layers.Layer):
    """Joint by joint the given pose, or where that has none (score 0) the fallback.

    No gradient flows into what is given.

    Input: [given pose [B, K, 2]; its scores [B, K], 0 for a joint it lacks; fallback pose [B, K, 2]; its scores
      [B, K]].
    Output: pose [B, K, 2] and scores [B, K].
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        pose, score, fallback_pose, fallback_score = inputs
        pose, score = tf.stop_gradient(pose), tf.stop_gradient(score)
        is_given = score > 0.0
        return tf.where(is_given[..., None], pose, fallback_pose), tf.where(is_given, score, fallback_score)
