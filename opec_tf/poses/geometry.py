"""The coordinate conventions, and every conversion between frames. Nothing else in the package converts coordinates.

* A point is (x, y): x to the right, y down.
* Image and crop coordinates are in pixels, pixel centres at integers: a picture W wide spans x = -0.5 .. W - 0.5.
* A box is (x, y, w, h) as in COCO files: the box [0, 0, W, H] is the whole picture, so that its outer edges lie at
  x - 0.5 and x + w - 0.5 in pixel coordinates and its centre at x + w / 2 - 0.5.
* Normalised coordinates belong to a crop: [-1, 1] spans the crop's outer edges, x_norm = (2 x + 1) / W - 1, inverse
  x = ((x_norm + 1) W - 1) / 2. The same formula with the width of any feature map or heatmap computed from that crop
  gives the position of a cell's centre, so soft-argmax, joint sampling, losses and decoding agree at every stride, and
  mirroring the crop is exactly x_norm -> -x_norm.
* An affine [..., 2, 3] takes crop pixels to image pixels: ``image = A[:, :2] @ crop + A[:, 2]``. That is the direction
  in which a crop is resampled and in which predictions return; its inverse takes labels into the crop.

Functions take NumPy arrays or tensors of floats and return tensors of the same precision, except the two that say they
are NumPy; sizes are (height, width), as array shapes are.
"""

from __future__ import annotations

from typing import Union

import numpy as np
import tensorflow as tf

Array = Union[np.ndarray, tf.Tensor]


def normalize(points: Array, size: tuple[int, int]) -> tf.Tensor:
    """Pixel coordinates -> normalised coordinates.

    Args:
      points: [..., 2], (x, y) in pixels of a crop or map.
      size: (height, width) of that crop or map, in pixels.

    Returns:
      [..., 2], (x, y), -1 and 1 at the outer edges.
    """
    extent = _extent(points, size)
    return (2.0 * points + 1.0) / extent - 1.0


def denormalize(points: Array, size: tuple[int, int]) -> tf.Tensor:
    """Inverse of ``normalize``: [..., 2] normalised (x, y) -> (x, y) in pixels of a crop or map of ``size``."""
    extent = _extent(points, size)
    return ((points + 1.0) * extent - 1.0) / 2.0


def cell_centers(size: tuple[int, int]) -> np.ndarray:
    """Normalised (x, y) of every cell's centre of a (height, width) map; float32 NumPy array [height, width, 2]."""
    height, width = size
    x = (2.0 * np.arange(width) + 1.0) / width - 1.0
    y = (2.0 * np.arange(height) + 1.0) / height - 1.0
    return np.stack(np.meshgrid(x, y), axis=-1).astype(np.float32)


def crop_affine(
    boxes: Array,
    crop_size: tuple[int, int],
    margin: float = 1.0,
    scale: float | tf.Tensor = 1.0,
    rotation: float | tf.Tensor = 0.0,
    shift: tuple[float, float] | tf.Tensor = (0.0, 0.0),
) -> tf.Tensor:
    """The affine from crop pixels to image pixels for person boxes.

    The box is widened or heightened around its centre to the crop's aspect ratio, then enlarged by ``margin``.

    Args:
      boxes: [..., 4], (x, y, w, h) in image pixels; one of w and h is above 0.
      crop_size: (height, width) of the crop in pixels.
      margin: side of the crop over side of the aspect-corrected box; 1 is tight.
      scale: further factor on the side, [...] or scalar (augmentation).
      rotation: clockwise turn of the crop window in the image, radians, [...] or scalar (augmentation).
      shift: displacement of the window's centre as a share of the enlarged box's (w, h), [..., 2] (augmentation).

    Returns:
      [..., 2, 3] in the precision of ``boxes`` (float32 for integers).
    """
    boxes = tf.convert_to_tensor(boxes)
    if not boxes.dtype.is_floating:
        boxes = tf.cast(boxes, tf.float32)
    scale, rotation, shift = (tf.convert_to_tensor(value, boxes.dtype) for value in (scale, rotation, shift))
    crop_extent = _extent(boxes, crop_size)
    corner, extent = boxes[..., :2], boxes[..., 2:]
    # Image pixels per crop pixel: the side that needs more room decides.
    step = margin * tf.reduce_max(extent / crop_extent, axis=-1)
    center = corner + extent / 2.0 - 0.5 + shift * step[..., None] * crop_extent
    step = step * scale
    cosine, sine = step * tf.cos(rotation), step * tf.sin(rotation)
    linear = tf.stack([tf.stack([cosine, -sine], -1), tf.stack([sine, cosine], -1)], axis=-2)
    offset = center - _transform(linear, (crop_extent - 1.0) / 2.0)
    return tf.concat([linear, offset[..., None]], axis=-1)


def shift_affine(affine: Array, offset: float) -> tf.Tensor:
    """The affines [..., 2, 3] of moved crops: crop pixel x takes what crop pixel x + offset took, along both axes."""
    along = tf.reduce_sum(affine[..., :2], axis=-1, keepdims=True)
    return tf.concat([affine[..., :2], affine[..., 2:] + offset * along], axis=-1)


def mirror_affine(affine: Array, crop_size: tuple[int, int]) -> tf.Tensor:
    """The affines [..., 2, 3] of the mirrored crops: crop pixel x takes what crop pixel W - 1 - x took."""
    _, width = crop_size
    along_x = affine[..., :1]
    return tf.concat([-along_x, affine[..., 1:2], affine[..., 2:] + (width - 1.0) * along_x], axis=-1)


def normalized_affine(affine: Array, crop_size: tuple[int, int]) -> tf.Tensor:
    """The affines [..., 2, 3] that take normalised crop coordinates, not crop pixels, to image pixels."""
    affine = tf.convert_to_tensor(affine)
    extent = _extent(affine, crop_size)
    linear = affine[..., :2]
    offset = _transform(linear, (extent - 1.0) / 2.0) + affine[..., 2]
    return tf.concat([linear * (extent / 2.0), offset[..., None]], axis=-1)


def pair_affine(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """The frame that two crops share, as the affine from its coordinates to image pixels.

    The longer side of the smallest box around both crop windows spans [-1, 1], the other as much less as it is shorter:
    a length counts the same along x and y. The frame is turned and mirrored as the crops are, so that two crops and
    their mirror images have frames that mirror each other, x -> -x. Which crop comes first makes no difference.

    Args:
      first, second: [..., 2, 3], the crops' affines from normalised coordinates (``normalized_affine``), both turned by
        the same angle and both or neither mirrored.

    Returns:
      [..., 2, 3].
    """
    axes = first[..., :2] / tf.norm(first[..., :2], axis=-2, keepdims=True)
    to_axes = tf.linalg.matrix_transpose(axes)
    # About a point between the two, since an offset in image pixels is a large number.
    origin = (first[..., 2] + second[..., 2]) / 2.0
    low, high = [], []
    for affine in (first, second):
        center = _transform(to_axes, affine[..., 2] - origin)
        reach = tf.reduce_sum(tf.abs(_compose(to_axes, affine[..., :2])), axis=-1)
        low.append(center - reach)
        high.append(center + reach)
    low, high = tf.minimum(*low), tf.maximum(*high)
    half_side = tf.reduce_max(high - low, axis=-1)[..., None, None] / 2.0
    offset = origin + _transform(axes, (low + high) / 2.0)
    return tf.concat([axes * half_side, offset[..., None]], axis=-1)


def change_of_frame(source: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The affine from one frame's coordinates to another's, both given as affines [..., 2, 3] to image pixels."""
    inverse = _invert(target[..., :2])
    # The two offsets are large and alike, so their difference is taken first.
    offset = _transform(inverse, source[..., 2] - target[..., 2])
    return tf.concat([_compose(inverse, source[..., :2]), offset[..., None]], axis=-1)


def apply_affine(affine: Array, points: Array) -> tf.Tensor:
    """Maps points by affines.

    Args:
      affine: [..., 2, 3].
      points: [..., N, 2], (x, y).

    Returns:
      [..., N, 2].
    """
    affine = tf.convert_to_tensor(affine)
    points = tf.convert_to_tensor(points, affine.dtype)
    return _transform(affine[..., None, :, :2], points) + affine[..., None, :, 2]


def image_to_normalized(affine: Array, points: Array, crop_size: tuple[int, int]) -> tf.Tensor:
    """Image pixels [..., N, 2] -> normalised crop coordinates [..., N, 2], by the crop's affine [..., 2, 3]."""
    affine = tf.convert_to_tensor(affine)
    points = tf.convert_to_tensor(points, affine.dtype)
    # Offset first: an inverse affine's own offset is a second large number, which would cost float32 a decimal.
    crop_points = _transform(_invert(affine[..., None, :, :2]), points - affine[..., None, :, 2])
    return normalize(crop_points, crop_size)


def normalized_to_image(affine: Array, points: Array, crop_size: tuple[int, int]) -> tf.Tensor:
    """Inverse of ``image_to_normalized``."""
    return apply_affine(affine, denormalize(points, crop_size))


def _transform(matrix: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
    """Matrices [..., 2, 2] times vectors [..., 2].

    Not a matmul: GPUs round its factors to TF32, a third of a pixel at 640.
    """
    return tf.reduce_sum(matrix * vectors[..., None, :], axis=-1)


def _compose(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Products of matrices [..., 2, 2]; see ``_transform`` for why it is not a matmul."""
    return tf.reduce_sum(first[..., :, :, None] * second[..., None, :, :], axis=-2)


def _invert(matrix: tf.Tensor) -> tf.Tensor:
    """Inverses of [..., 2, 2] matrices in closed form, which any device and XLA run as plain arithmetic."""
    (a, b), (c, d) = (tf.unstack(row, axis=-1) for row in tf.unstack(matrix, axis=-2))
    determinant = (a * d - b * c)[..., None, None]
    return tf.stack([tf.stack([d, -b], -1), tf.stack([-c, a], -1)], axis=-2) / determinant


def _extent(points: Array, size: tuple[int, int]) -> tf.Tensor:
    """(width, height) in the dtype of ``points``."""
    height, width = size
    return tf.constant([width, height], points.dtype)
