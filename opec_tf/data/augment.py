"""Random changes of training crops. All are stateless: the same seed gives the same change.

Geometry (box jitter, scale, rotation, mirroring) goes into the affine that cuts a crop out, so that every pixel is
resampled once. Colour is changed in a whole batch of crops at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from opec_tf.config import DataConfig
from opec_tf.poses import geometry

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, the grey that saturation fades to
_LEAST_CUT, _MOST_CUT = 0.1, 0.55  # of a side of a box
_CUT_SIDES = (0.55, 0.7, 0.85)  # draws below these cut at the bottom, top and left, others at the right


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


def cut_boxes(boxes: tf.Tensor, share: float, seed: tf.Tensor | Sequence[int]) -> tf.Tensor:
    """Cuts a part off some boxes, as the boxes of people are who are seen in part: mostly below, else at another side.

    Boxes around all joints teach that every joint lies in its box; those of annotators and detectors hug what is seen.

    Args:
      boxes: [P, 4], (x, y, w, h), image pixels.
      share: of the boxes that are cut.
      seed: int [2].

    Returns:
      float32 [P, 4].
    """
    chosen, side, part = tf.unstack(tf.random.stateless_uniform([3, tf.shape(boxes)[0]], seed))
    part = tf.where(chosen < share, _LEAST_CUT + (_MOST_CUT - _LEAST_CUT) * part, 0.0)
    cut = part[:, None] * tf.one_hot(tf.searchsorted(_CUT_SIDES, side, side="right"), 4)
    bottom, top, left, right = tf.unstack(cut, axis=1)
    x, y, w, h = tf.unstack(boxes, axis=1)
    return tf.stack([x + left * w, y + top * h, (1.0 - left - right) * w, (1.0 - top - bottom) * h], axis=1)


def random_affines(
    boxes: tf.Tensor,
    crop_size: tuple[int, int],
    data_config: DataConfig,
    seed: tf.Tensor | Sequence[int],
    together: int = 1,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Affines of randomly changed crops around boxes.

    Args:
      boxes: [P, 4], (x, y, w, h), image pixels; cut and jittered first where ``data_config.train_boxes`` is "gt".
      crop_size: (height, width), pixels.
      seed: int [2].
      together: so many neighbours are turned by one angle, and mirrored or not, as if the picture had been.

    Returns:
      (crop_to_image float32 [P, 2, 3], mirrored bool [P]).
    """
    seeds = tf.random.experimental.stateless_split(seed, 2)
    if data_config.train_boxes == "gt":
        if data_config.cut_boxes:
            boxes = cut_boxes(boxes, data_config.cut_boxes, tf.random.experimental.stateless_fold_in(seed, 1))
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
