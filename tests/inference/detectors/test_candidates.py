import numpy as np

from opec_tf.config import DetectorConfig
from opec_tf.inference.detectors import candidates


def test_weak_doubled_and_outer_boxes_go_and_others_are_cut_at_the_edges():
    boxes = [
        [10, 10, 20, 20],  # kept
        [12, 10, 20, 20],  # IoU 18 / 22 with the one above
        [18, 10, 20, 20],  # IoU 12 / 28 with it
        [10, 40, 20, 20],  # too weak
        [-5, 45, 20, 20],  # cut to [0, 45, 15, 5]
        [200, 10, 20, 20],  # outside
        [np.nan, 10, 20, 20],
    ]
    scores = [0.9, 0.8, 0.7, 0.2, 0.95, 0.9, 0.9]
    config = DetectorConfig(detector_score=0.3, detector_nms_iou=0.6)
    found, kept_scores = candidates.select(boxes, scores, (50, 100), config)
    np.testing.assert_allclose(found, [[0, 45, 15, 5], [10, 10, 20, 20], [18, 10, 20, 20]])
    np.testing.assert_allclose(kept_scores, [0.95, 0.9, 0.7])


def test_nothing_found():
    boxes, scores = candidates.select([], [], (50, 100), DetectorConfig())
    assert boxes.shape == (0, 4) and scores.shape == (0,)
