"""Person boxes (x, y, w, h), in NumPy alone, so that tools without a model start without TensorFlow."""

from __future__ import annotations

import numpy as np


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
