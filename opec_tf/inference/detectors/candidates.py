"""From what a detector proposes to the people of a picture."""

from __future__ import annotations

import cv2
import numpy as np

from opec_tf.config import DetectorConfig


def select(
    boxes: np.ndarray, scores: np.ndarray, size: tuple[int, ...], detector_config: DetectorConfig
) -> tuple[np.ndarray, np.ndarray]:
    """The boxes that are kept: of a sufficient score, none twice, cut off at the picture's edges.

    Args:
      boxes: [N, 4], (x, y, w, h), image pixels.
      scores: [N], 0..1.
      size: (height, width) of the picture.
      detector_config: ``DetectorConfig``.

    Returns:
      (boxes float64 [M, 4], each with an area; scores float64 [M], best first)
    """
    boxes, scores = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(scores, np.float64)
    low = np.clip(boxes[:, :2], 0.0, size[::-1])
    high = np.clip(boxes[:, :2] + boxes[:, 2:], 0.0, size[::-1])
    boxes = np.concatenate([low, high - low], axis=1)
    usable = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0.0).all(axis=1)
    boxes, scores = boxes[usable], scores[usable]
    rows = cv2.dnn.NMSBoxes(
        boxes.tolist(), scores.tolist(), detector_config.detector_score, detector_config.detector_nms_iou
    )
    kept = np.asarray(rows, int)
    return boxes[kept], scores[kept]
