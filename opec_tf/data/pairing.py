"""Who is whose partner in the CoupleGraph, and which images share a batch, in NumPy."""

from __future__ import annotations

import numpy as np

from opec_tf.poses import boxes as person_boxes


def partners(boxes: np.ndarray, image_index: np.ndarray, person: np.ndarray | None = None) -> np.ndarray:
    """Everybody's partner: the person of the same image whose box overlaps most.

    Args:
      boxes: [N, 4], (x, y, w, h), image pixels.
      image_index: int [N], the image each person is in.
      person: int [N], who it is: boxes of one person are no partners; None: each box is another person's.

    Returns:
      int32 [N], the partner's row, the first of several that overlap alike; -1 where no box overlaps.
    """
    boxes, image_index = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(image_index)
    person = np.arange(len(boxes)) if person is None else np.asarray(person)
    result = np.full(len(boxes), -1, np.int32)
    order = np.argsort(image_index, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(image_index[order])) + 1):
        if len(rows) > 1:
            overlaps = person_boxes.iou(boxes[rows], boxes[rows])
            overlaps[person[rows, None] == person[rows]] = 0.0
            result[rows] = np.where(overlaps.max(axis=1) > 0.0, rows[overlaps.argmax(axis=1)], -1)
    return result


def pairs(boxes: np.ndarray, image_index: np.ndarray, person: np.ndarray | None = None) -> np.ndarray:
    """Everybody with the partner, each pair once: int [R, 2], rows; see ``partners``."""
    partner = partners(boxes, image_index, person)
    paired = np.flatnonzero(partner >= 0)
    return np.unique(np.sort(np.stack([paired, partner[paired]], axis=1), axis=1), axis=0)


def pack(counts: np.ndarray, batch_size: int) -> np.ndarray:
    """Puts neighbouring images together into batches, as many as fit.

    Args:
      counts: int [M], people in each image.
      batch_size: people in a batch at most, except for an image that has more.

    Returns:
      int64 [B + 1]: batch b holds the images starts[b] to starts[b + 1] - 1.
    """
    starts, people = [0], 0
    for image, count in enumerate(counts):
        if people and people + count > batch_size:
            starts.append(image)
            people = 0
        people += count
    return np.array([*starts, len(counts)] if len(counts) else starts, np.int64)
