"""The layers between one person's crop and a pair's frame, on numbers worked out by hand."""

import numpy as np
import tensorflow as tf

from opec_tf.layers.pair import ChangeFrame, PairFrame, PairSampling, ReturnToCrop, WithPartner

# Crops of 4 x 2 pixels whose windows are 4 high and 2 wide: the second 4 to the right and 2 below; the third apart.
CROPS = np.array([[[1, 0, 0], [0, 1, 0]], [[1, 0, 4], [0, 1, 2]], [[1, 0, 9], [0, 1, 9]]], np.float32)
PARTNER = np.array([1, 0, -1], np.int32)


def test_with_partner():
    features = np.arange(3, dtype=np.float32)[:, None, None] * np.ones((3, 2, 1), np.float32)
    both = WithPartner()([features, PARTNER])
    np.testing.assert_array_equal(both[..., 0], [[0, 0, 1, 1], [1, 1, 0, 0], [2, 2, 2, 2]])


def test_a_pairs_frame_is_the_square_about_both_windows():
    """Windows x -0.5..1.5 and 3.5..5.5, y -0.5..3.5 and 1.5..5.5: 6 by 6 about (2.5, 2.5)."""
    to_pair, to_crops = PairFrame((4, 2))([CROPS, PARTNER])
    corners = np.tile(np.array([[-1, -1], [1, 1]], np.float32), [3, 2, 1])
    in_pair = ChangeFrame()([corners, to_pair])
    first, second = [[-1, -1], [-1 / 3, 1 / 3]], [[1 / 3, -1 / 3], [1, 1]]
    # Alone, the frame is the square about the own window, which is half as wide as high.
    np.testing.assert_allclose(in_pair, [first + second, second + first, [[-0.5, -1], [0.5, 1]] * 2], atol=1e-6)
    np.testing.assert_allclose(ChangeFrame()([in_pair, to_crops]), corners, atol=1e-6)


def test_features_are_sampled_in_each_persons_own_map():
    maps = np.array([1, 10, 100], np.float32)[:, None, None, None] * np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1)
    # The centres of the cells 0 (upper left) and 3 (lower right).
    poses = np.tile(np.array([[-0.5, -0.5], [0.5, 0.5]], np.float32), [3, 2, 1])
    sampled = PairSampling()([maps, poses, PARTNER])
    np.testing.assert_allclose(sampled[..., 0], [[0, 3, 0, 30], [0, 30, 0, 3], [0, 300, 0, 300]])


def test_only_displacements_return():
    """A unit of the pair's frame is 1.5 crop widths and 0.75 of a crop height here, each crop spanning 2."""
    _, to_crops = PairFrame((4, 2))([CROPS, PARTNER])
    pose = np.random.default_rng(0).uniform(-1, 1, (3, 1, 2)).astype(np.float32)
    start = np.zeros((3, 2, 2), np.float32)
    layer = ReturnToCrop()
    np.testing.assert_array_equal(layer([pose, start, start, to_crops, PARTNER]), pose)
    moved = start + [[0.1, -0.2], [9.0, 9.0]]
    expected = pose + [[[0.3, -0.3]], [[0.3, -0.3]], [[0.0, 0.0]]]
    np.testing.assert_allclose(layer([pose, start, moved.astype(np.float32), to_crops, PARTNER]), expected, atol=1e-6)


def test_several_places_of_a_joint_return_as_each_alone():
    _, to_crops = PairFrame((4, 2))([CROPS, PARTNER])
    pose, start, moved = (
        np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)
        for seed, shape in enumerate([(3, 2, 2), (3, 4, 2), (3, 4, 3, 2)])
    )
    together = ReturnToCrop()([pose, start, moved, to_crops, PARTNER])
    for place in range(3):
        alone = ReturnToCrop()([pose, start, moved[:, :, place], to_crops, PARTNER])
        np.testing.assert_array_equal(together[:, :, place], alone)


def test_affines_may_be_those_of_mirrored_crops():
    mirrored = CROPS * [[[-1, 1, 1], [1, 1, 1]]] + [[[0, 0, 1], [0, 0, 0]]]
    points = tf.constant(np.random.default_rng(0).uniform(-1, 1, (3, 4, 2)), tf.float32)
    plain = ChangeFrame()([points, PairFrame((4, 2))([CROPS, PARTNER])[0]])
    flipped = ChangeFrame()([points * [-1.0, 1.0], PairFrame((4, 2))([mirrored.astype(np.float32), PARTNER])[0]])
    np.testing.assert_allclose(flipped, plain * [-1.0, 1.0], atol=1e-6)
