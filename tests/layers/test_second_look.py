"""Poses drawn into maps, on small maps by hand."""

import numpy as np
import tensorflow as tf

from opec_tf.layers.pair import ChangeFrame, PairFrame, WithPartner
from opec_tf.layers.second_look import DrawnPose, PartnerInCrop
from opec_tf.poses import gaussians, geometry

# Crops of 4 x 2 pixels: the second 4 to the right of the first and 2 below; the third apart.
CROPS = np.array([[[1, 0, 0], [0, 1, 0]], [[1, 0, 4], [0, 1, 2]], [[1, 0, 9], [0, 1, 9]]], np.float32)
PARTNER = np.array([1, 0, -1], np.int32)


def test_the_partners_joints_in_the_own_crop():
    to_pair, to_crops = PairFrame((4, 2))([CROPS, PARTNER])
    pose = np.random.default_rng(0).uniform(-1, 1, (3, 5, 2)).astype(np.float32)
    in_pair = ChangeFrame()([WithPartner()([pose, PARTNER]), to_pair])
    found = PartnerInCrop()([in_pair, to_crops])
    in_image = geometry.normalized_to_image(CROPS, pose, (4, 2)).numpy()
    expected = geometry.image_to_normalized(CROPS[:2], in_image[[1, 0]], (4, 2))
    np.testing.assert_allclose(found[:2], expected, atol=1e-5)


def test_no_gradient_reaches_the_partners_pose():
    poses = tf.Variable(tf.zeros((1, 4, 2)))
    with tf.GradientTape() as tape:
        found = tf.reduce_sum(PartnerInCrop()([poses, tf.ones((1, 2, 2, 3))]))
    assert tape.gradient(found, poses) is None or not tf.reduce_any(tape.gradient(found, poses) != 0.0)


def test_a_map_stays_as_it_is_before_training_and_for_who_is_alone():
    features = np.random.default_rng(1).normal(size=(3, 8, 6, 4)).astype(np.float32)
    pose = np.zeros((3, 2, 2), np.float32)
    layer = DrawnPose(8, sigma=0.1)
    np.testing.assert_array_equal(layer([features, pose, PARTNER]), features)
    layer.correction.kernel.assign(tf.ones_like(layer.correction.kernel))
    drawn = layer([features, pose, PARTNER]).numpy()
    np.testing.assert_array_equal(drawn[2], features[2])
    assert np.abs(drawn[:2] - features[:2]).max() > 1e-3


def test_joints_are_drawn_where_they_are():
    """With kernels that pass the middle cell on, the correction is the Gaussians themselves."""
    features = np.zeros((1, 8, 6, 2), np.float32)
    pose = np.array([[[0.3, -0.5], [-0.6, 0.4]]], np.float32)
    layer = DrawnPose(2, sigma=0.125)
    layer([features, pose, np.zeros(1, np.int32)])
    middle = np.zeros((3, 3, 2, 2), np.float32)
    middle[1, 1] = np.eye(2)
    layer.hidden.set_weights([middle, np.zeros(2)])
    layer.correction.set_weights([np.concatenate([0 * middle, middle], axis=2), np.zeros(2)])
    drawn = layer([features, pose, np.zeros(1, np.int32)])
    np.testing.assert_allclose(drawn, gaussians.heatmaps(tf.constant(pose), (8, 6), 1.0), atol=1e-6)
