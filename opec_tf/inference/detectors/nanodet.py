"""People by NanoDet-g, whose weights the package ships: the detector that needs no download.

On the 123 pictures of ``real_samples`` that have COCO annotations, with 327 people who have labelled joints, it finds
83 % of them (IoU of 0.5 or more) at the default ``detector_score`` of 0.3, with 2.5 other boxes a picture; 80 % and 1.9
at 0.33, 71 % and 1.0 at 0.39, 88 % and 3.6 at 0.27 (test_nanodet.py measures it). The default is low because about 48
of 60 such other boxes, looked at, hold people whom nobody labelled or another box has already, and because at 0.39
even a lone skier in plain view is missed. Of two people who hide each other it often makes one box: both are found in
18 of 40 generated couples, in 30 at ``detector_nms_iou`` of 0.9, where a couple gets five boxes on average.

A picture of 640 x 480 takes 0.09 s of one core.
"""

from __future__ import annotations

import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.config import DetectorConfig
from opec_tf.inference.detectors import candidates, nanodet_network, nanodet_weights
from opec_tf.inference.detectors.yolo import letterbox
from opec_tf.inference.detectors.yolo_outputs import grid_cells

_LONG_SIDE = 416  # of the pictures it was trained on


class NanodetDetector:
    """People by NanoDet-g; see the package's docstring for what a detector takes and gives.

    Args:
      detector_config: ``DetectorConfig``.

    Raises:
      UserError: ``person_class`` is none of its classes.
    """

    def __init__(self, detector_config: DetectorConfig) -> None:
        if detector_config.person_class >= nanodet_network.NUM_CLASSES:
            raise UserError(f"--person_class={detector_config.person_class}, but NanoDet knows 80 classes, 0 to 79")
        self._config = detector_config
        self._network = nanodet_weights.load()

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size = input_size(*image.shape[:2])
        embedded, _, factor = letterbox(image, size, centered=False, padding=0)
        (cells,) = self._network(embedded[None, ..., ::-1])
        boxes, scores = decode(cells.numpy(), size, self._config)
        return candidates.select(boxes * np.tile(factor, 2), scores, image.shape[:2], self._config)


def input_size(height: int, width: int) -> tuple[int, int]:
    """(height, width) of the network's input for a picture: its long side becomes 416 pixels, the other follows, up to
    a multiple of 32."""
    shrink = _LONG_SIDE / max(height, width)
    coarsest = nanodet_network.STRIDES[-1]
    rows, columns = (max(1, int(np.ceil(side * shrink / coarsest))) for side in (height, width))
    return rows * coarsest, columns * coarsest


def decode(cells: np.ndarray, size: tuple[int, int], detector_config: DetectorConfig) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of one class of what the network says of its cells.

    Args:
      cells: [1, N, 124], see ``nanodet_g``.
      size: (height, width) of its input.
      detector_config: ``DetectorConfig``; cells of a score below ``detector_score`` are left out.

    Returns:
      (boxes float64 [M, 4], (x, y, w, h) in pixels of the input; scores float64 [M])
    """
    (rows,) = cells.astype(np.float64)
    scores = 1.0 / (1.0 + np.exp(-rows[:, detector_config.person_class]))
    likely = scores >= detector_config.detector_score
    corners, strides = (values[likely] for values in grid_cells(size, nanodet_network.STRIDES))
    logits = rows[likely, nanodet_network.NUM_CLASSES :].reshape(-1, 4, nanodet_network.NUM_BINS)
    likelihoods = np.exp(logits - logits.max(axis=-1, keepdims=True))
    likelihoods /= likelihoods.sum(axis=-1, keepdims=True)
    # The expectation (eq. 5 of Generalized Focal Loss) in strides.
    distances = likelihoods @ np.arange(nanodet_network.NUM_BINS) * strides
    middles = corners + strides / 2.0
    boxes = np.concatenate([middles - distances[:, :2], distances[:, :2] + distances[:, 2:]], axis=1)
    return boxes, scores[likely]
