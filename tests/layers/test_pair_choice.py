"""PairChoice on two people of one joint each, worked out by hand."""

import numpy as np
import tensorflow as tf

from opec_tf.layers.pair_choice import PairChoice

HERE, THERE = [0.0, 0.0], [0.8, 0.0]


def chosen(layer, data, **kwargs):
    """The pose alone."""
    return layer(data, **kwargs)[0]


def inputs(first_heights, second_heights):
    """Both people's refined joints and highest candidates lie here, their second candidates there."""
    heights = np.array([[first_heights, second_heights]], np.float32)
    points = np.tile(np.array([HERE, THERE], np.float32), [1, 2, 1, 1])
    return [tf.zeros([1, 2, 2]), tf.constant(points), tf.constant(heights), tf.ones([1, 2, 3])]


def test_of_two_who_claim_one_place_the_surer_keeps_it():
    choose = PairChoice()
    np.testing.assert_allclose(chosen(choose, inputs([0.6, 0.3], [0.6, 0.5]))[0], [HERE, THERE])
    np.testing.assert_allclose(chosen(choose, inputs([0.6, 0.5], [0.6, 0.3]))[0], [THERE, HERE])


def test_a_second_place_that_is_too_unlikely_is_not_taken():
    """It costs 15 x (0.6 - 0.2) + 1 = 7 of the logit, claiming the same place 4.5."""
    data = inputs([0.6, 0.2], [0.6, 0.1])
    np.testing.assert_allclose(chosen(PairChoice(), data)[0], [HERE, HERE])
    np.testing.assert_allclose(chosen(PairChoice(initial_lambda=7.1), data)[0], [THERE, HERE])


def test_people_far_apart_choose_each_for_itself():
    pose, points, heights, features = inputs([0.6, 0.5], [0.6, 0.5])
    apart = tf.constant([[[[0.0, 0.0]], [[0.0, 5.0]]]])
    data = [pose + apart[:, :, 0], points + apart, heights, features]
    np.testing.assert_allclose(chosen(PairChoice(), data), apart[:, :, 0])


def test_training_sees_the_mean_over_all_pairs():
    data, layer = inputs([0.6, 0.5], [0.7, 0.4]), PairChoice()
    own = [15 * 0.6 + 1, 15 * 0.6, 15 * 0.5]
    other = [15 * 0.7 + 1, 15 * 0.7, 15 * 0.4]
    places = np.array([0.0, 0.0, 0.8])
    rivalry = 4.5 * np.exp(-((places[:, None] - places) ** 2) / (2 * 0.1**2))
    pairs = np.exp(np.add.outer(own, other) - rivalry)
    pairs /= pairs.sum()
    expected = [[pairs.sum(axis=1) @ places, 0.0], [pairs.sum(axis=0) @ places, 0.0]]
    pose, alternatives, logits = layer(data, training=True)
    np.testing.assert_allclose(pose[0], expected, atol=1e-6)
    # What the pose is chosen from.
    np.testing.assert_allclose(alternatives[0, :, :, 0], [places, places], atol=1e-6)
    np.testing.assert_allclose(logits[0, 0], np.add.outer(own, other) - rivalry, atol=1e-5)


def test_swapped_people_choose_the_same():
    random = np.random.default_rng(0)
    data = [random.uniform(-0.3, 0.3, shape).astype(np.float32) for shape in ((5, 6, 2), (5, 6, 3, 2))]
    data += [random.uniform(0.4, 0.6, (5, 6, 3)).astype(np.float32), random.normal(size=(5, 6, 4)).astype(np.float32)]
    layer = PairChoice()
    layer(data)
    layer.preference.kernel.assign(random.normal(size=layer.preference.kernel.shape))
    for training in (False, True):
        swapped = chosen(layer, [np.roll(values, 3, axis=1) for values in data], training=training)
        np.testing.assert_allclose(np.roll(swapped, 3, axis=1), chosen(layer, data, training=training), atol=1e-6)


def test_every_weight_learns_from_the_mean():
    data, layer = inputs([0.6, 0.5], [0.6, 0.4]), PairChoice(initial_radius=0.5)
    layer(data)
    layer.preference.kernel.assign(tf.random.stateless_normal(layer.preference.kernel.shape, [0, 1]))
    with tf.GradientTape() as tape:
        tape.watch(data[0])
        loss = tf.reduce_sum(tf.square(chosen(layer, data, training=True) - 0.7))
    gradients = tape.gradient(loss, [data[0], *layer.trainable_variables])
    assert len(gradients) == 8
    assert all(np.abs(gradient).max() > 1e-5 for gradient in gradients)
