"""Joints drawn into maps: what heatmaps are trained to, and what a second look is told."""

from __future__ import annotations

import tensorflow as tf

from opec_tf.poses import geometry


def heatmaps(points: tf.Tensor, size: tuple[int, int], sigma: float) -> tf.Tensor:
    """Gaussians of height 1.

    Args:
      points: float32 [B, K, 2], (x, y), normalised.
      size: (height, width) of the heatmaps, cells.
      sigma: standard deviation, cells.

    Returns:
      float32 [B, height, width, K].
    """
    height, width = size
    cells = geometry.denormalize(points, size)
    # A Gaussian is the product of one along x and one along y.
    along_x = tf.exp(-tf.square(tf.range(width, dtype=tf.float32)[:, None] - cells[:, None, :, 0]) / (2.0 * sigma**2))
    along_y = tf.exp(-tf.square(tf.range(height, dtype=tf.float32)[:, None] - cells[:, None, :, 1]) / (2.0 * sigma**2))
    return along_y[:, :, None, :] * along_x[:, None, :, :]
