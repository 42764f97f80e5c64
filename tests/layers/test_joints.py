"""Features sampled at the joints, and what is read off them."""

import numpy as np
import pytest
import tensorflow as tf

from opec_tf.layers.joints import JointSampling, VisibilityHead
from opec_tf.poses import geometry


def coordinate_map(size):
    """A map whose two channels hold each cell's own normalised (x, y)."""
    return tf.constant(geometry.cell_centers(size)[None])


@pytest.mark.parametrize("size", [(20, 16), (80, 64), (3, 7)])
def test_a_ramp_returns_the_position_itself(size):
    """At any resolution: that is what "normalised, with half-pixel centres" means."""
    reach = 1.0 - 1.0 / min(size)
    poses = tf.random.stateless_uniform((1, 50, 2), seed=(4, 2), minval=-reach, maxval=reach)
    np.testing.assert_allclose(JointSampling()([coordinate_map(size), poses]), poses, atol=1e-5)


def test_beyond_the_outermost_centers_the_border_is_returned():
    poses = tf.constant([[[-1.0, 0.0], [5.0, 0.0], [0.0, -0.9], [0.0, 1e6], [-7.0, 7.0]]])
    sampled = JointSampling()([coordinate_map((4, 2)), poses])
    # Outermost centres: x = -1/2 and 1/2 of two columns, y = -3/4 and 3/4 of four rows.
    np.testing.assert_allclose(sampled[0], [[-0.5, 0], [0.5, 0], [0, -0.75], [0, 0.75], [-0.5, 0.75]], atol=1e-6)


def test_a_position_between_four_cells_averages_them():
    features = tf.constant([[1.0, 2.0], [3.0, 10.0]])[None, :, :, None]
    np.testing.assert_allclose(JointSampling()([features, tf.zeros((1, 1, 2))]), [[[4.0]]])


def test_every_person_samples_its_own_map():
    features = tf.constant([1.0, 2.0, 3.0])[:, None, None, None] * tf.ones((3, 2, 2, 1))
    sampled = JointSampling()([features, tf.zeros((3, 4, 2))])
    np.testing.assert_array_equal(sampled[..., 0], [[1] * 4, [2] * 4, [3] * 4])


def test_gradients_agree_with_finite_differences():
    features = tf.random.stateless_uniform((2, 4, 3, 2), seed=(1, 2), dtype=tf.float64)
    # Away from the cells' centres, where the interpolation has kinks.
    poses = tf.constant([[[0.1, 0.2], [-0.4, 0.6]], [[0.3, -0.1], [0.5, -0.6]]], tf.float64)
    layer = JointSampling()
    theoretical, numerical = tf.test.compute_gradient(lambda f, p: layer([f, p]), [features, poses], delta=1e-5)
    for exact, measured in zip(theoretical, numerical):
        np.testing.assert_allclose(exact, measured, atol=1e-7)


def test_positions_keep_float32_beside_half_precision_features():
    """bfloat16 would round x = 0.30 in a map 64 wide by a tenth of a cell; only the interpolation's weights are."""
    poses = tf.constant([[[0.301, -0.203]]])
    sampled = JointSampling(dtype="mixed_bfloat16")([tf.cast(coordinate_map((80, 64)), tf.bfloat16), poses])
    assert sampled.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(sampled, tf.float32), poses, atol=2e-3)


def test_formula_and_no_gradient_for_the_features():
    features = tf.constant(0.01 * np.random.default_rng(0).normal(size=(2, 3, 5)), tf.float32)
    head = VisibilityHead(hidden=4)
    with tf.GradientTape() as tape:
        tape.watch(features)
        logits = head(features)
        total = tf.reduce_sum(logits**2)
    mean, deviation = tf.reduce_mean(features, -1, keepdims=True), tf.math.reduce_std(features, -1, keepdims=True)
    body = ((features - mean) / deviation).numpy().reshape(2, 15)
    first, first_bias, second, second_bias = head.get_weights()[2:]
    assert first.shape == (15, 4) and second.shape == (4, 9)
    expected = np.maximum(body @ first + first_bias, 0) @ second + second_bias
    np.testing.assert_allclose(logits, expected.reshape(2, 3, 3), atol=1e-3)
    gradients = tape.gradient(total, [features, *head.trainable_variables])
    assert gradients[0] is None and all(np.abs(gradient).max() > 0 for gradient in gradients[1:])


def test_other_layers_get_the_random_numbers_they_would_have_without_it():
    kernels = []
    for with_head in (False, True):
        tf.keras.utils.set_random_seed(4)
        if with_head:
            VisibilityHead()(tf.zeros([1, 2, 3]))
        dense = tf.keras.layers.Dense(3)
        dense.build((None, 2))
        kernels.append(dense.get_weights()[0])
    np.testing.assert_array_equal(*kernels)
