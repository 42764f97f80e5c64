"""Heatmaps -> joint positions: the highest cell of each map and what its neighbours say about the sub-cell position.

The base's own pose is decoded here; the initial pose of OPEC-Net comes from soft-argmax, which is a layer. Pure TF ops
of static shape, so a model with its decoding compiles under XLA and exports as plain ops.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from opec_tf.poses import geometry

REFINEMENTS = ("none", "quarter", "dark")

# DARK's smoothing: a Gaussian of this standard deviation (cells), as the training targets have by default.
_SMOOTHING = 2.0
# In standard deviations: where that Gaussian is cut; and how near to the map's border it would miss so much of a
# joint's Gaussian that the peak moves inwards by more than a tenth of a cell; there the map is taken as it is.
_SMOOTHING_RADIUS = 3
_SMOOTHING_BORDER = 2
# The logarithm needs positive values; a network's heatmap may fall slightly below zero.
_SMALLEST = 1e-10


def decode_peaks(heatmaps: tf.Tensor, refinement: str, smoothing: float = _SMOOTHING) -> tuple[tf.Tensor, tf.Tensor]:
    """The peak of each heatmap and its value.

    Args:
      heatmaps: [B, h, w, K], h and w at least 3; one map a joint.
      refinement: "none": the centre of the highest cell. "quarter": a quarter cell from it towards the higher of the
        two neighbours, in x and in y, as SimplePose and AlphaPose publish it (not along an axis at whose border the
        cell lies). "dark": the maximum of the quadratic that fits the logarithm of the smoothed map around the cell
        (Zhang et al., Distribution-Aware Coordinate Representation, CVPR 2020), at most one cell away; exact for a
        Gaussian. Where the logarithm has no maximum there, as in a flat map, it is the centre of the cell.
      smoothing: standard deviation of the Gaussian that "dark" smooths with, cells; 0: the map is taken as it is.

    Returns:
      points: float32 [B, K, 2], (x, y) normalised as ``geometry`` has it.
      scores: float32 [B, K], the value of the highest cell. Of several equal ones the first in row order counts.
    """
    heatmaps = tf.cast(heatmaps, tf.float32)
    height, width = heatmaps.shape[1:3]
    maps = _joints_first(heatmaps)
    index = tf.argmax(maps, axis=-1, output_type=tf.int32)
    cell = tf.stack([index % width, index // width], axis=-1)
    return _refine(heatmaps, cell, refinement, smoothing), tf.reduce_max(maps, axis=-1)


def decode_candidates(
    heatmaps: tf.Tensor, refinement: str, count: int, threshold: float = 0.1, smoothing: float = _SMOOTHING
) -> tuple[tf.Tensor, tf.Tensor]:
    """The highest local maxima of each heatmap, to the fraction of a cell: where a joint may be, if not at its peak.

    Args:
      heatmaps: [B, h, w, K], as for ``decode_peaks``.
      refinement, smoothing: sub-cell rule, see ``decode_peaks``.
      count: M, candidates of each joint.
      threshold: values up to which a maximum counts as none. The highest is a candidate whatever its value.

    Returns:
      points: float32 [B, K, M, 2], (x, y) normalised, highest first; a candidate that does not exist has the place of
        the highest. The first is the point of ``decode_peaks``.
      scores: float32 [B, K, M], the value of the highest cell; 0 where there is no candidate.
    """
    heatmaps = tf.cast(heatmaps, tf.float32)
    # The highest cell, not the highest positive maximum: the same pose as decode_peaks, also of an empty heatmap.
    peaks, highest = decode_peaks(heatmaps, refinement, smoothing)
    cell, scores = local_maxima(heatmaps, count)
    points = _refine(heatmaps, cell, refinement, smoothing)[:, :, 1:]
    exists = scores[:, :, 1:] > threshold
    points = tf.where(exists[..., None], points, peaks[:, :, None])
    scores = tf.where(exists, scores[:, :, 1:], 0.0)
    return tf.concat([peaks[:, :, None], points], axis=2), tf.concat([highest[..., None], scores], axis=2)


def local_maxima(heatmaps: tf.Tensor, count: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The highest local maxima of each heatmap: cells above 0 that none of their 5 x 5 neighbourhood exceeds.

    Args:
      heatmaps: [B, h, w, K].
      count: M, maxima of each map.

    Returns:
      cell: int32 [B, K, M, 2], (x, y), highest first; a maximum that does not exist has the place of the highest.
      heights: [B, K, M], 0 where there is none.
    """
    width = heatmaps.shape[2]
    is_maximum = heatmaps >= tf.nn.max_pool2d(heatmaps, 5, 1, "SAME")
    heights, index = tf.math.top_k(_joints_first(tf.where(is_maximum & (heatmaps > 0.0), heatmaps, 0.0)), count)
    index = tf.where(heights > 0.0, index, index[..., :1])
    return tf.stack([index % width, index // width], axis=-1), heights


def _refine(heatmaps: tf.Tensor, cell: tf.Tensor, refinement: str, smoothing: float) -> tf.Tensor:
    """Cells int32 [B, K, ..., 2] of the maps [B, h, w, K] -> normalised points, by a rule of ``REFINEMENTS``."""
    size = tuple(heatmaps.shape[1:3])
    if refinement == "none":
        offset = tf.zeros_like(cell, tf.float32)
    elif refinement == "quarter":
        offset = _quarter_offset(_joints_first(heatmaps), cell, size)
    elif refinement == "dark":
        offset = _dark_offset(heatmaps, cell, size, smoothing)
    else:
        raise ValueError(f"refinement {refinement!r} is not one of {REFINEMENTS}")
    return geometry.normalize(tf.cast(cell, tf.float32) + offset, size)


def _joints_first(heatmaps: tf.Tensor) -> tf.Tensor:
    """[B, h, w, K] -> [B, K, h * w]."""
    height, width, joints = heatmaps.shape[1:]
    return tf.transpose(tf.reshape(heatmaps, [-1, height * width, joints]), [0, 2, 1])


def _patches(maps: tf.Tensor, center: tf.Tensor, width: int) -> tf.Tensor:
    """The 3 x 3 values around inner cells: maps [B, K, h * w], center int32 [B, K, ..., 2] (x, y) -> [B, K, ..., 3, 3]
    (y, x)."""
    neighbours = width * np.arange(-1, 2)[:, None] + np.arange(-1, 2)
    indices = (center[..., 1] * width + center[..., 0])[..., None, None] + tf.constant(neighbours, tf.int32)
    return tf.gather(maps, indices, batch_dims=2)


def _inner_cell(cell: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """The nearest cell [B, K, ..., 2] (x, y) that has neighbours on all sides."""
    height, width = size
    return tf.clip_by_value(cell, 1, tf.constant([width - 2, height - 2]))


def _quarter_offset(maps: tf.Tensor, cell: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """[B, K, ..., 2] offset in cells."""
    inner = _inner_cell(cell, size)
    patch = _patches(maps, inner, size[1])
    slope = tf.stack([patch[..., 1, 2] - patch[..., 1, 0], patch[..., 2, 1] - patch[..., 0, 1]], axis=-1)
    # An axis at whose border the peak lies has moved its patch inwards and stays as it is; so the other axis's
    # neighbours, read one cell further in, still bracket the peak's own coordinate.
    return tf.where(cell == inner, 0.25 * tf.sign(slope), 0.0)


def _dark_offset(heatmaps: tf.Tensor, cell: tf.Tensor, size: tuple[int, int], smoothing: float) -> tf.Tensor:
    """[B, K, ..., 2] offset in cells, each of its parts within -1 .. 1."""
    height, width = size
    # At the border the expansion starts one cell further in: for a Gaussian the logarithm is the same quadratic.
    center = _inner_cell(cell, size)
    patch = _patches(_joints_first(heatmaps), center, width)
    if smoothing:
        to_border = tf.minimum(cell, tf.constant([width - 1, height - 1]) - cell)
        near_border = tf.reduce_min(to_border, axis=-1)[..., None, None] < round(_SMOOTHING_BORDER * smoothing)
        smoothed = _patches(_joints_first(_smooth(heatmaps, smoothing)), center, width)
        patch = tf.where(near_border, patch, smoothed)
    log = tf.math.log(tf.maximum(patch, _SMALLEST))

    above, beside, below = (tf.unstack(row, axis=-1) for row in tf.unstack(log, axis=-2))
    dx = (beside[2] - beside[0]) / 2.0
    dy = (below[1] - above[1]) / 2.0
    dxx = beside[2] - 2.0 * beside[1] + beside[0]
    dyy = below[1] - 2.0 * beside[1] + above[1]
    dxy = (below[2] - below[0] - above[2] + above[0]) / 4.0
    determinant = dxx * dyy - dxy * dxy
    has_maximum = (determinant > 1e-9) & (dxx < 0.0)
    safe = tf.where(has_maximum, determinant, 1.0)
    step = tf.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], axis=-1) / safe[..., None]
    offset = tf.cast(center - cell, tf.float32) + step
    return tf.where(has_maximum[..., None], tf.clip_by_value(offset, -1.0, 1.0), 0.0)


def _smooth(heatmaps: tf.Tensor, sigma: float) -> tf.Tensor:
    """Gaussian smoothing of [B, h, w, K] by ``sigma`` cells, zero outside."""
    joints, radius = heatmaps.shape[-1], round(_SMOOTHING_RADIUS * sigma)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = tf.constant(np.tile((taps / taps.sum())[:, None, None, None], [1, 1, joints, 1]), tf.float32)
    heatmaps = tf.nn.depthwise_conv2d(heatmaps, kernel, [1, 1, 1, 1], "SAME")
    return tf.nn.depthwise_conv2d(heatmaps, tf.transpose(kernel, [1, 0, 2, 3]), [1, 1, 1, 1], "SAME")
