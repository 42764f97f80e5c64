"""The one-euro filter: how much it calms, how far it lags, and that neither depends on the person's size."""

import numpy as np
import pytest

from opec_tf.inference.smoothing import OneEuroFilter

RATE = 25.0


def smooth(points, size, ids=None):
    """Filters [T, 12, 2] of a person, whose id is 1 or ``ids`` [T]."""
    tested = OneEuroFilter()
    ids = np.ones(len(points), int) if ids is None else np.asarray(ids)
    return np.concatenate(
        [tested.update(ids[t : t + 1], points[t : t + 1], np.array([size]), t / RATE) for t in range(len(points))]
    )


@pytest.mark.parametrize("size", [40.0, 150.0, 600.0])
def test_noise_of_a_still_person_falls_to_less_than_half(size):
    """Noise of 1 % of the person's size, some 1.5 pixels of 150."""
    noisy = 300.0 + np.random.default_rng(0).normal(0, 0.01 * size, [500, 12, 2])
    calmed = smooth(noisy, size)[50:]
    assert calmed.std() < noisy.std() / 2.2
    np.testing.assert_allclose(calmed.mean(axis=0), 300.0, atol=0.005 * size)


@pytest.mark.parametrize("rate, pixels", [(2.0, 7.0), (5.0, 15.0)])
def test_a_waving_hand_lags_little(rate, pixels):
    """A wrist swings by a third of a person of 150 pixels at up to 2 or 5 sizes a second, 12 or 30 pixels a frame."""
    seconds, amplitude = np.arange(200) / RATE, 50.0
    way = amplitude * np.sin(rate * 150.0 / amplitude * seconds)
    points = np.tile(way[:, None, None], [1, 12, 2]) * [1.0, 0.0]
    lag = np.abs(smooth(points, 150.0) - points)[25:, :, 0].max()
    assert 0.5 < lag < pixels


def test_all_scales_with_the_person_and_turns_with_the_direction():
    rng = np.random.default_rng(1)
    points = np.cumsum(rng.normal(0, 3.0, [60, 12, 2]), axis=0)
    turned = points @ np.array([[0.6, 0.8], [-0.8, 0.6]])
    np.testing.assert_allclose(smooth(4.0 * points, 400.0), 4.0 * smooth(points, 100.0))
    np.testing.assert_allclose(
        smooth(turned, 100.0), smooth(points, 100.0) @ np.array([[0.6, 0.8], [-0.8, 0.6]]), atol=1e-9
    )


def test_a_new_track_starts_where_its_pose_is():
    points = np.zeros([20, 12, 2])
    points[10:] = 100.0
    same, anew = smooth(points, 150.0), smooth(points, 150.0, ids=[1] * 10 + [2] * 10)
    assert (anew == points).all() and 5.0 < same[10].max() < 95.0


def test_two_people_are_filtered_apart_in_whatever_order():
    tested, alone = OneEuroFilter(), OneEuroFilter()
    rng = np.random.default_rng(2)
    for t in range(10):
        points = rng.normal([[[0.0]], [[500.0]]], 2.0, [2, 12, 2])
        order = rng.permutation(2)
        found = tested.update(order + 1, points[order], np.array([90.0, 90.0]), t / RATE)
        expected = alone.update(np.array([1]), points[:1], np.array([90.0]), t / RATE)
        np.testing.assert_array_equal(found[order == 0], expected)


def test_the_first_steps_by_hand():
    """A still joint that jumps by 15 of 150 pixels at 25 frames a second."""
    found = smooth(np.concatenate([np.zeros([1, 12, 2]), np.full([1, 12, 2], [15.0, 0.0])]), 150.0)
    speed = (0.1 * 25) / (1 + 25 / (2 * np.pi * 4))
    gain = 1 / (1 + 25 / (2 * np.pi * (0.7 + 3 * speed)))
    np.testing.assert_allclose(found[1], np.tile([15.0 * gain, 0.0], [12, 1]))
