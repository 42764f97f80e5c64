"""OpenCV's people detector: histograms of oriented gradients (Dalal & Triggs, CVPR 2005). Weak, and always there.

It knows people who stand upright, whole and alone, at least 100 pixels tall; of others it finds few.
"""

from __future__ import annotations

import cv2
import numpy as np

from opec_tf.config import DetectorConfig
from opec_tf.inference.detectors import candidates

# Longest side of a picture that is searched; a larger one is reduced, which keeps the time for it below a second or so.
_MAX_SIDE = 800
_WINDOW = np.array([64, 128])  # (w, h)
# "Our 64 x 128 detection window includes about 16 pixels of margin around the person on all four sides" (their section
# 5): margins as shares of the window's (w, h).
_MARGIN = 16 / _WINDOW


class HogDetector:
    """People by HOG; see the package's docstring for what a detector takes and gives.

    A score is the logistic function of the support vector machine's margin, so that it lies between 0.5 and 1.

    Args:
      detector_config: ``DetectorConfig``.
    """

    def __init__(self, detector_config: DetectorConfig) -> None:
        self._config = detector_config
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        height, width = image.shape[:2]
        shrink = max(1.0, max(height, width) / _MAX_SIDE)
        size = max(1, round(width / shrink)), max(1, round(height / shrink))
        searched = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        # OpenCV crashes on a picture smaller than the window.
        missing = np.maximum(_WINDOW - size, 0)
        searched = cv2.copyMakeBorder(searched, 0, missing[1], 0, missing[0], cv2.BORDER_REPLICATE)
        # Padding, so that the window's margin may lie outside the picture.
        found, margins = self._hog.detectMultiScale(
            cv2.cvtColor(searched, cv2.COLOR_RGB2BGR), winStride=(8, 8), padding=(16, 16), scale=1.05
        )
        windows = np.asarray(found, np.float64).reshape(-1, 4)
        corner, extent = windows[:, :2], windows[:, 2:]
        boxes = np.concatenate([corner + extent * _MARGIN, extent * (1.0 - 2.0 * _MARGIN)], axis=1)
        boxes *= np.tile([width / size[0], height / size[1]], 2)
        scores = 1.0 / (1.0 + np.exp(-np.asarray(margins, np.float64).reshape(-1)))
        return candidates.select(boxes, scores, (height, width), self._config)
