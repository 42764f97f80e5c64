"""PeakCandidates: the places and heights of a heatmap's maxima."""

import numpy as np

from opec_tf.layers.heatmap import PeakCandidates
from opec_tf.poses import geometry


def heatmap(peaks, size=(12, 16)):
    """A map [1, h, w, 1] of single cells: (x, y) -> height."""
    cells = np.zeros((1, *size, 1), np.float32)
    for (x, y), height in peaks.items():
        cells[0, y, x, 0] = height
    return cells


def test_two_people_give_two_candidates_highest_first():
    points, heights = PeakCandidates(2, "none")(heatmap({(3, 2): 0.4, (11, 9): 0.7}))
    np.testing.assert_allclose(geometry.denormalize(points, (12, 16))[0, 0], [[11, 9], [3, 2]], atol=1e-5)
    np.testing.assert_allclose(heights[0, 0], [0.7, 0.4])


def test_a_shoulder_of_a_peak_is_no_candidate():
    points, heights = PeakCandidates(2, "none")(heatmap({(5, 5): 0.9, (6, 6): 0.8, (12, 5): 0.1}))
    np.testing.assert_allclose(geometry.denormalize(points, (12, 16))[0, 0], [[5, 5], [12, 5]], atol=1e-5)
    np.testing.assert_allclose(heights[0, 0], [0.9, 0.1])


def test_a_missing_candidate_lies_on_the_highest_with_height_zero():
    points, heights = PeakCandidates(3, "none")(heatmap({(4, 7): 0.5}))
    np.testing.assert_allclose(geometry.denormalize(points, (12, 16))[0, 0], [[4, 7]] * 3, atol=1e-5)
    np.testing.assert_allclose(heights[0, 0], [0.5, 0.0, 0.0])


def test_each_joint_has_its_own():
    maps = np.concatenate([heatmap({(1, 1): 0.3}), heatmap({(14, 10): 0.6})], axis=-1)
    points, heights = PeakCandidates(1, "none")(maps)
    np.testing.assert_allclose(geometry.denormalize(points, (12, 16))[0, :, 0], [[1, 1], [14, 10]], atol=1e-5)
    np.testing.assert_allclose(heights[0], [[0.3], [0.6]])
