"""Integrals over heatmaps, their highest peaks, and poses that are given instead."""

import numpy as np
import pytest
import tensorflow as tf

from opec_tf.layers.heatmap import GivenPose, PeakCandidates, SoftArgmax
from opec_tf.models.opec_net import initial_beta
from opec_tf.poses import gaussians, geometry


def test_one_hot_heatmap_gives_the_cell_center():
    heatmaps = np.zeros((1, 6, 4, 2), np.float32)
    heatmaps[0, 5, 0, 0] = heatmaps[0, 2, 3, 1] = 10.0
    points, likelihoods = SoftArgmax(initial_beta=5.0)(heatmaps)
    # Columns of a map 4 wide lie at -3/4, -1/4, 1/4, 3/4; rows of a map 6 high at -5/6, -1/2, -1/6, 1/6, 1/2, 5/6.
    np.testing.assert_allclose(points[0], [[-0.75, 5 / 6], [0.75, -1 / 6]], atol=1e-6)
    np.testing.assert_allclose(likelihoods, 1.0, atol=1e-6)


def test_flat_heatmap_gives_the_center_and_the_smallest_likelihood():
    points, likelihoods = SoftArgmax()(np.full((2, 5, 4, 3), 0.3, np.float32))
    np.testing.assert_allclose(points, 0.0, atol=1e-6)
    np.testing.assert_allclose(likelihoods, 1 / 20, rtol=1e-5)


def test_two_cells_are_weighed_by_the_softmax():
    # Likelihoods e^(2 * 0.5) : 1 on two cells at x = -1/2 and 1/2; the other row is out of the race.
    heatmaps = np.array([[[0.5], [0.0]], [[-50.0], [-50.0]]], np.float32)[None]
    points, likelihoods = SoftArgmax(initial_beta=2.0)(heatmaps)
    share = np.e / (np.e + 1)
    np.testing.assert_allclose(points[0, 0], [-0.5 * share + 0.5 * (1 - share), -0.5], rtol=1e-5)
    np.testing.assert_allclose(likelihoods[0, 0], share, rtol=1e-5)


@pytest.mark.parametrize("size", [(32, 24), (80, 64), (96, 72)])
@pytest.mark.parametrize("height, tolerance", [(1.0, 0.06), (0.5, 1.5)])
def test_gaussian_peaks_are_found_before_training(size, height, tolerance):
    """Within hundredths of a cell at the trained height of 1, still near for a peak of half that height."""
    joints = tf.constant([[[0.3, -0.2], [-0.41, 0.37], [0.0, 0.5]]])
    heatmaps = height * gaussians.heatmaps(joints, size, sigma=2.0)
    points, _ = SoftArgmax(initial_beta(size))(heatmaps)
    errors = np.abs(geometry.denormalize(points, size) - geometry.denormalize(joints, size))
    assert errors.max() < tolerance


def test_of_two_peaks_a_radius_keeps_the_higher():
    """The integral over the whole map lies between them."""
    joints = tf.constant([[[-0.5, 0.1]], [[0.55, -0.3]]])
    own, other = gaussians.heatmaps(joints, (32, 24), sigma=1.5)
    heatmaps = (own + 0.95 * other)[None]
    (between, likeliest), (near, same) = (SoftArgmax(20.0, radius)(heatmaps) for radius in (0, 4))
    assert between[0, 0, 0] > -0.3
    errors = geometry.denormalize(near[0, 0], (32, 24)) - geometry.denormalize(joints[0, 0], (32, 24))
    assert np.abs(errors).max() < 0.1
    np.testing.assert_array_equal(same, likeliest)


def test_a_radius_ends_at_the_border_of_the_map():
    heatmaps = np.zeros((1, 6, 4, 1), np.float32)
    heatmaps[0, 5, 0] = heatmaps[0, 0, 3] = 1.0
    heatmaps[0, 5, 0] += 1e-3
    points, _ = SoftArgmax(50.0, radius=2)(heatmaps)
    np.testing.assert_allclose(points[0], [[-0.75, 5 / 6]], atol=1e-6)


def test_mirrored_heatmap_gives_mirrored_points():
    heatmaps = tf.random.stateless_uniform((2, 8, 6, 3), seed=(1, 2))
    layer = SoftArgmax()
    points, _ = layer(heatmaps)
    mirrored, _ = layer(heatmaps[:, :, ::-1])
    np.testing.assert_allclose(mirrored * [-1.0, 1.0], points, atol=1e-6)


def test_gradients_agree_with_finite_differences():
    layer = SoftArgmax(initial_beta=2.0, dtype="float64")
    heatmaps = tf.random.stateless_uniform((1, 4, 3, 2), seed=(1, 2), dtype=tf.float64)
    layer(heatmaps)
    theoretical, numerical = tf.test.compute_gradient(lambda x: layer(x)[0], [heatmaps], delta=1e-5)
    np.testing.assert_allclose(theoretical[0], numerical[0], atol=1e-7)


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


def test_joints_without_a_score_fall_back_and_nothing_given_has_a_gradient():
    given, fallback = tf.fill([1, 3, 2], 0.25), tf.fill([1, 3, 2], -0.5)
    score, own_score = tf.constant([[0.9, 0.0, 0.1]]), tf.constant([[0.3, 0.4, 0.5]])
    with tf.GradientTape() as tape:
        tape.watch([given, score, fallback, own_score])
        pose, scores = GivenPose()([given, score, fallback, own_score])
        total = tf.reduce_sum(pose) + tf.reduce_sum(scores)
    np.testing.assert_array_equal(pose[0, :, 0], [0.25, -0.5, 0.25])
    np.testing.assert_allclose(scores, [[0.9, 0.4, 0.1]])
    of_given, of_score, of_fallback, of_own = tape.gradient(total, [given, score, fallback, own_score])
    assert of_given is None and of_score is None
    np.testing.assert_array_equal(of_fallback[0, :, 0], [0, 1, 0])
    np.testing.assert_array_equal(of_own, [[0, 1, 0]])


@pytest.mark.parametrize("smoothing, error", [(1.0, 0.17), (2.0, 4.73)])
def test_smoothing_as_wide_as_two_near_peaks_moves_them(smoothing, error):
    """Two joints 5 cells of 4 pixels apart, Gaussians of 1.5 cells, one 1 and the other 0.9 high."""
    size = (32, 24)
    places = geometry.normalize(tf.constant([[9.3, 15.8], [14.3, 15.8]]), size)
    first, second = (gaussians.heatmaps(place[None, None], size, sigma=1.5) for place in places)
    points, _ = PeakCandidates(2, smoothing=smoothing)(tf.maximum(first, 0.9 * second))
    found = geometry.denormalize(points[0, 0], size) - geometry.denormalize(places, size)
    pixels = 4.0 * np.linalg.norm(found, axis=-1)
    assert pixels.max() == pytest.approx(error, abs=0.02)
