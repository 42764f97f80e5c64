import numpy as np
import pytest

from opec_tf.evaluation import visibility
from opec_tf.poses.skeletons import UNKNOWN


def test_accuracy_by_hand():
    classes = np.array([[0, 0, 0, 0], [1, 1, 2, UNKNOWN]])
    predicted = np.array([[0, 0, 0, 1], [1, 0, 2, 2]])
    assert visibility.accuracy(classes, predicted) == pytest.approx(
        {
            "accuracy": 5 / 7,
            "balanced_accuracy": (3 / 4 + 1 / 2 + 1) / 3,
            "recall_visible": 3 / 4,
            "recall_occluded": 1 / 2,
            "recall_outside": 1.0,
        }
    )
    seen = visibility.accuracy(classes[:1], predicted[:1])
    assert seen == {"accuracy": 0.75, "balanced_accuracy": 0.75, "recall_visible": 0.75}
    assert visibility.accuracy(np.array([UNKNOWN]), np.array([0])) == {}


def test_calibration_by_hand():
    """Three joints at 0.9 of which two come true, one at 0.5 that does; 15 bins of a fifteenth."""
    probabilities = np.array([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.0, 0.9, 0.1], [0.3, 0.2, 0.5], [1.0, 0.0, 0.0]])
    error, bins = visibility.calibration(np.array([0, 0, 1, 2, UNKNOWN]), probabilities)
    assert error == pytest.approx((3 * abs(0.9 - 2 / 3) + abs(0.5 - 1)) / 4)
    assert list(bins) == ["likeliest", "visible", "occluded", "outside"]
    assert [part["joints"] for part in bins["likeliest"]] == [0] * 7 + [1] + [0] * 5 + [3] + [0]
    assert bins["likeliest"][13] == pytest.approx(
        {"from": 0.8667, "to": 0.9333, "joints": 3, "predicted": 0.9, "observed": 2 / 3}
    )
    # Of P(visible) = 0, 0.1, 0.3 and 0.9: one joint each, the second and the last are visible.
    filled = [(part["joints"], part["observed"]) for part in bins["visible"] if part["joints"]]
    assert filled == [(1, 0), (1, 1), (1, 0), (1, 1)]


def test_drawn_probabilities_are_calibrated():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet([1, 1, 1], 20000)
    classes = (random.uniform(size=[20000, 1]) > probabilities.cumsum(axis=1)).sum(axis=1)
    assert visibility.calibration(classes, probabilities)[0] < 0.02
    assert visibility.calibration((classes + 1) % 3, probabilities)[0] > 0.2


def test_the_rule_by_score_and_its_best_threshold():
    scores = np.array([0.1, 0.25, 0.4, 0.45, 0.9, 0.05])
    classes = np.array([1, 1, 0, 1, 0, UNKNOWN])
    assert visibility.by_score(scores, 0.4).tolist() == [1, 1, 0, 0, 0, 1]
    assert visibility.best_threshold(classes, scores) == 0.26
