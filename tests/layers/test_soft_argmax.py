import numpy as np
import pytest
import tensorflow as tf

from opec_tf.layers.heatmap import SoftArgmax
from opec_tf.models.opec_net import initial_beta
from opec_tf.poses import geometry
from opec_tf.training import losses


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
    heatmaps = height * losses.gaussian_heatmaps(joints, size, sigma=2.0)
    points, _ = SoftArgmax(initial_beta(size))(heatmaps)
    errors = np.abs(geometry.denormalize(points, size) - geometry.denormalize(joints, size))
    assert errors.max() < tolerance


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
