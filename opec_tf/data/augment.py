"""Random changes of training crops. All are stateless: the same seed gives the same change.

Geometry (box jitter, scale, rotation, mirroring) goes into the affine that cuts a crop out, so that every pixel is
resampled once. Appearance (colour, occluders) is applied to a whole batch of crops at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from opec_tf.config import DataConfig
from opec_tf.poses import geometry
from opec_tf.poses.skeletons import VISIBILITY_CLASSES

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, the grey that saturation fades to
_PATCH_SIDES = (0.15, 0.45)  # smallest and largest side of an occluder, as shares of the crop's sides
_PATCH_BLOCKS = 8  # colour blocks along each side of a texture as large as the crop
_RECTANGLE_EXPONENT = 16.0  # |x|^16 + |y|^16 < 1 is a square with slightly rounded corners


def jitter_boxes(boxes: tf.Tensor, amount: float, seed: tf.Tensor | Sequence[int]) -> tf.Tensor:
    """Shifts and resizes boxes, as a detector's differ from the annotated ones.

    Args:
      boxes: [P, 4], (x, y, w, h), image pixels.
      amount: standard deviation of the shift of the centre, as a share of (w, h), and of the log of w and h.
      seed: int [2].

    Returns:
      float32 [P, 4].
    """
    noise = amount * tf.random.stateless_normal(tf.shape(boxes), seed)
    corner, extent = boxes[:, :2], boxes[:, 2:]
    center = corner + extent / 2.0 + noise[:, :2] * extent
    extent = extent * tf.exp(noise[:, 2:])
    return tf.concat([center - extent / 2.0, extent], axis=1)


def random_affines(
    boxes: tf.Tensor,
    crop_size: tuple[int, int],
    data_config: DataConfig,
    seed: tf.Tensor | Sequence[int],
    together: int = 1,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Affines of randomly changed crops around boxes.

    Args:
      boxes: [P, 4], (x, y, w, h), image pixels; jittered first where ``data_config.train_boxes`` is "gt".
      crop_size: (height, width), pixels.
      seed: int [2].
      together: so many neighbours are turned by one angle, and mirrored or not, as if the picture had been.

    Returns:
      (crop_to_image float32 [P, 2, 3], mirrored bool [P]).
    """
    seeds = tf.random.experimental.stateless_split(seed, 2)
    if data_config.train_boxes == "gt":
        boxes = jitter_boxes(boxes, data_config.box_jitter, seeds[0])
    scale, rotation, flip = tf.unstack(tf.random.stateless_uniform([3, tf.shape(boxes)[0]], seeds[1]))
    rotation, flip = (tf.repeat(draw[::together], together) for draw in (rotation, flip))
    affines = geometry.crop_affine(
        boxes,
        crop_size,
        margin=data_config.box_margin,
        scale=tf.exp((2.0 * scale - 1.0) * data_config.scale_jitter),
        rotation=(2.0 * rotation - 1.0) * math.radians(data_config.rotation_degrees),
    )
    mirrored = flip < data_config.flip_probability
    affines = tf.where(mirrored[:, None, None], geometry.mirror_affine(affines, crop_size), affines)
    return affines, mirrored


def appearance(
    crops: tf.Tensor, joints: tf.Tensor, data_config: DataConfig, seed: tf.Tensor | Sequence[int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Colour changes and occluders as ``data_config`` asks for; what was given where it asks for none.

    Args:
      crops: float32 [B, H, W, 3], RGB, 0..255.
      joints: float32 [B, 1 + M, K, 4], normalised (x, y), weight, visibility class of the crop's person and M others.
      seed: int [2].

    Returns:
      (crops float32 [B, H, W, 3], 0..255; joints, of which the person's own visible ones that an occluder covers are
      occluded)
    """
    seeds = tf.random.experimental.stateless_split(seed, 2)
    if data_config.occluder_probability > 0:
        crops, covered = occlude(crops, joints[:, 0, :, :2], data_config.occluder_probability, seeds[0])
        visible, occluded = (float(VISIBILITY_CLASSES.index(name)) for name in ("visible", "occluded"))
        hidden = covered & (joints[:, 0, :, 2] > 0.0) & (joints[:, 0, :, 3] == visible)
        classes = tf.where(hidden, occluded, joints[:, 0, :, 3])[:, None]
        classes = tf.concat([classes, joints[:, 1:, :, 3]], axis=1)
        joints = tf.concat([joints[..., :3], classes[..., None]], axis=-1)
    if data_config.color_jitter > 0:
        crops = jitter_colors(crops, data_config.color_jitter, seeds[1])
    return crops, joints


def jitter_colors(crops: tf.Tensor, strength: float, seed: tf.Tensor | Sequence[int]) -> tf.Tensor:
    """Random brightness, contrast, saturation and hue, one set a crop.

    All four are linear in a pixel's colour, so that they make one 3x3 matrix and an offset a crop. At ``strength`` 1
    brightness, contrast and saturation vary by factors in 0.5..1.5 and hue by a turn of up to 36 degrees around the
    grey axis.

    Args:
      crops: float32 [B, H, W, 3], RGB, 0..255.
      strength: 0 (nothing) to 1.
      seed: int [2].

    Returns:
      float32 [B, H, W, 3], 0..255.
    """
    draws = strength * tf.random.stateless_uniform([4, tf.shape(crops)[0], 1, 1], seed, -1.0, 1.0)
    brightness, contrast, saturation = (1.0 + 0.5 * draw for draw in tf.unstack(draws[:3]))
    angle = draws[3] * (math.pi / 5.0)

    # Rodrigues' formula: a turn around the unit vector u = (1, 1, 1) / sqrt(3).
    identity, outer = tf.eye(3), tf.fill([3, 3], 1.0 / 3.0)
    cross = tf.constant([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3.0)
    hue = tf.cos(angle) * identity + tf.sin(angle) * cross + (1.0 - tf.cos(angle)) * outer
    to_grey = tf.tile(tf.constant([_LUMA]), [3, 1])
    matrix = brightness * tf.matmul(saturation * identity + (1.0 - saturation) * to_grey, hue)

    # Contrast moves colours from or towards the crop's mean grey.
    mean = tf.reduce_mean(tf.linalg.matvec(matrix, tf.reduce_mean(crops, axis=[1, 2])), axis=1)[:, None, None]
    batch, height, width, _ = tf.unstack(tf.shape(crops))
    pixels = tf.matmul(tf.reshape(crops, [batch, -1, 3]), contrast * matrix, transpose_b=True)
    pixels = tf.clip_by_value(pixels + (1.0 - contrast) * mean, 0.0, 255.0)
    return tf.ensure_shape(tf.reshape(pixels, [batch, height, width, 3]), crops.shape)


def occlude(
    crops: tf.Tensor, points: tf.Tensor, probability: float, seed: tf.Tensor | Sequence[int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Pastes a patch over part of some crops: an ellipse or rectangle of colour blocks or of another crop's pixels.

    Args:
      crops: float32 [B, H, W, 3], 0..255.
      points: float32 [B, K, 2], normalised (x, y).
      probability: share of crops that get a patch.
      seed: int [2].

    Returns:
      (float32 [B, H, W, 3]; which points are under the patch, bool [B, K])
    """
    batch, height, width, _ = tf.unstack(tf.shape(crops, tf.int64))
    seeds = tf.random.experimental.stateless_split(seed, 3)
    draws = tf.random.stateless_uniform([3, batch], seeds[0])
    chosen, rounded, borrowed = tf.unstack(draws < [[probability], [0.5], [0.5]])
    center, radius = tf.unstack(tf.random.stateless_uniform([2, batch, 2], seeds[1]))
    smallest, largest = _PATCH_SIDES
    radius = 0.5 * (smallest + (largest - smallest) * radius)

    def distance(axis: int, position: tf.Tensor) -> tf.Tensor:
        """Distance of positions [B or 1, n], shares of the crop's side, from the patch's centre along an axis over its
        radius, [B, n], raised for |x|^p + |y|^p < 1."""
        ratio = tf.abs(position - center[:, axis, None]) / radius[:, axis, None]
        return ratio ** tf.where(rounded, 2.0, _RECTANGLE_EXPONENT)[:, None]

    def pixel_distance(axis: int, size: tf.Tensor) -> tf.Tensor:
        return distance(axis, (tf.range(size, dtype=tf.float32) + 0.5) / tf.cast(size, tf.float32))

    distance_y = tf.where(chosen[:, None], pixel_distance(1, height), 1.0)
    # Only the pixels under a patch are touched: selecting over whole crops takes ten times as long.
    pixels = tf.where(pixel_distance(0, width)[:, None, :] + distance_y[:, :, None] < 1.0)  # [n, 3], (crop, y, x)
    crop, y, x = tf.unstack(pixels, axis=1)
    # Upside down, so that it does not read as a second person.
    neighbour = tf.gather_nd(crops, tf.stack([(crop + 1) % batch, height - 1 - y, x], axis=1))
    colors = tf.random.stateless_uniform([batch, _PATCH_BLOCKS, _PATCH_BLOCKS, 3], seeds[2], 0.0, 255.0)
    blocks = tf.gather_nd(colors, tf.stack([crop, y * _PATCH_BLOCKS // height, x * _PATCH_BLOCKS // width], axis=1))
    texture = tf.where(tf.gather(borrowed, crop)[:, None], neighbour, blocks)
    shares = (points + 1.0) / 2.0
    covered = chosen[:, None] & (distance(0, shares[..., 0]) + distance(1, shares[..., 1]) < 1.0)
    return tf.tensor_scatter_nd_update(crops, pixels, texture), covered
