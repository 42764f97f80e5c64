"""Person boxes (x, y, w, h), in NumPy alone, so that tools without a model start without TensorFlow."""

from __future__ import annotations

import os

import numpy as np

from opec_tf.common.errors import UserError

# Beyond its picture is a box by this share of a side and so many pixels, and of many boxes so many are it; of corners
# nearly all are such, and within the picture.
_BEYOND_SHARE, _BEYOND_PIXELS, _LEAST_BEYOND, _SHARE_BEYOND, _SHARE_CORNERS = 0.1, 8.0, 2, 0.25, 0.95
_LARGEST_SHARE = 1.05  # of a picture's side; networks overshoot a little


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (x, y, w, h): [N, 4] and [M, 4] -> [N, M]; 0 where both are empty."""
    first, second = np.asarray(first, np.float64)[:, None], np.asarray(second, np.float64)[None]
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., :2] + first[..., 2:], second[..., :2] + second[..., 2:])
    overlap = np.prod(np.clip(high - low, 0.0, None), axis=-1)
    union = np.prod(first[..., 2:], axis=-1) + np.prod(second[..., 2:], axis=-1) - overlap
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)


def from_corners(corners: np.ndarray) -> np.ndarray:
    """(left, top, right, bottom) [..., 4] -> (x, y, w, h) [..., 4]."""
    return np.concatenate([corners[..., :2], corners[..., 2:] - corners[..., :2]], axis=-1)


def check(path: os.PathLike[str] | str, boxes: np.ndarray, sizes: np.ndarray | None) -> None:
    """Refuses boxes that can only be meant as shares of a picture or as corners.

    Args:
      path: their file, for the message.
      boxes: [N, 4], to be (x, y, w, h) in pixels.
      sizes: [N, 2], (height, width) of the picture that each is in; 0 where unknown; None: all are.

    Raises:
      UserError: all lie within the first pixel; or a quarter of them or more are far beyond their pictures as
        (x, y, w, h), and they fit as corners.
    """
    has_area = (boxes[:, 2:] > 0).all(axis=1)
    if has_area.any() and np.abs(boxes[has_area]).max() <= _LARGEST_SHARE:
        raise UserError(
            f"{path}: all boxes lie between 0 and 1, as shares of their pictures; write 'bbox' as x, y, width, height "
            "in pixels"
        )
    if sizes is None:
        return
    known = (sizes > 0).all(axis=1) & has_area
    low, high, size = boxes[known, :2], boxes[known, 2:], sizes[known, ::-1]
    beyond = np.any(low + high > (1.0 + _BEYOND_SHARE) * size + _BEYOND_PIXELS, axis=1)
    fits = np.all((low < high) & (high <= size + 1.0), axis=1)
    if beyond.sum() >= _LEAST_BEYOND and beyond.mean() >= _SHARE_BEYOND and fits.mean() >= _SHARE_CORNERS:
        raise UserError(
            f"{path}: {beyond.sum()} of {len(beyond)} boxes leave their pictures as x, y, width, height and fit as "
            "left, top, right, bottom; write 'bbox' as x, y, width, height"
        )
