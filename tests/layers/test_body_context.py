"""BodyContext: where it starts, what it does not depend on, and that its random turns come back."""

import numpy as np
import pytest

from opec_tf.layers.body_context import BodyContext

# A nose and two hands.
ORDER, JOINTS = [0, 2, 1], 3


def inputs(bodies, batch=6):
    generator = np.random.default_rng(5)
    poses = generator.uniform(-1, 1, [batch, bodies * JOINTS, 2]).astype(np.float32)
    return poses, generator.uniform(0, 1, [batch, bodies * JOINTS, 4]).astype(np.float32)


def with_weights(layer, data, scale=0.2):
    """The layer with weights that are not those it starts with."""
    layer(data)
    generator = np.random.default_rng(6)
    layer.set_weights([generator.normal(0, scale, weight.shape) for weight in layer.weights])
    return layer


@pytest.mark.parametrize("bodies", [1, 2])
def test_starts_from_the_pose_as_it_is(bodies):
    poses, features = inputs(bodies)
    for training in (False, True):
        told = BodyContext(ORDER, hidden_units=8)([poses, features], training=training)
        np.testing.assert_allclose(told, poses[:, :JOINTS], atol=1e-6)


def test_place_and_size_make_no_difference():
    poses, features = inputs(2)
    layer = with_weights(BodyContext(ORDER, hidden_units=8), (poses, features))
    told = layer([poses, features]).numpy()
    assert np.abs(told - poses[:, :JOINTS]).max() > 0.1
    np.testing.assert_allclose(layer([3 * poses + [5, -2], features]), 3 * told + [5, -2], rtol=1e-3, atol=1e-3)


def test_units_along_x_and_y_are_made_equal():
    """In a crop half as wide as it is high, a person's x counts half."""
    poses, features = inputs(1)
    square = with_weights(BodyContext(ORDER, hidden_units=8), (poses, features))
    narrow = with_weights(BodyContext(ORDER, hidden_units=8, aspect=0.5), (poses, features))
    told = narrow([poses / np.array([0.5, 1], np.float32), features]) * [0.5, 1]
    np.testing.assert_allclose(told, square([poses, features]), rtol=1e-4, atol=1e-5)


def test_the_other_body_has_a_say_and_is_not_moved():
    poses, features = inputs(2)
    layer = with_weights(BodyContext(ORDER, hidden_units=8), (poses, features))
    before = layer([poses, features]).numpy()
    poses[:, JOINTS:] += 0.3
    assert before.shape == (6, JOINTS, 2) and np.abs(layer([poses, features]) - before).min() > 0


def test_training_turns_and_mirrors_and_brings_back():
    """A perceptron that gives everybody the same displacement, to which turn and mirror then must have been applied."""
    poses, features = inputs(2, batch=400)
    layer = BodyContext(ORDER, hidden_units=8, rotation_degrees=30.0)
    layer([poses, features])
    layer.last.bias.assign(np.arange(2 * JOINTS) / 10 + 0.1)
    constant = np.reshape(np.arange(2 * JOINTS) / 10 + 0.1, [JOINTS, 2])
    scale = np.sqrt(np.var(poses[:, :JOINTS], axis=1).sum(axis=-1))[:, None, None]
    moved = (layer([poses, features], training=True) - poses[:, :JOINTS]) / scale
    angles, mirrored = [], []
    for displacement in moved.numpy():
        length = np.linalg.norm(displacement, axis=1)
        is_mirrored = np.abs(length - np.linalg.norm(constant[ORDER], axis=1)).max() < 1e-3
        expected = constant[ORDER] * [-1, 1] if is_mirrored else constant
        np.testing.assert_allclose(length, np.linalg.norm(expected, axis=1), rtol=2e-3)
        turn = np.arctan2(displacement[:, 1], displacement[:, 0]) - np.arctan2(expected[:, 1], expected[:, 0])
        turn = (turn + np.pi) % (2 * np.pi) - np.pi
        np.testing.assert_allclose(turn, turn[0], atol=5e-3)
        angles.append(np.degrees(turn[0]))
        mirrored.append(is_mirrored)
    assert 0.4 < np.mean(mirrored) < 0.6
    assert 27 < np.max(np.abs(angles)) < 30.1 and abs(np.mean(angles)) < 3


def test_a_mirrored_person_is_the_same_person():
    poses, features = inputs(2)
    layer = with_weights(BodyContext(ORDER, hidden_units=8), (poses, features))
    told = layer([poses, features]).numpy()
    both = [0, 2, 1, 3, 5, 4]
    mirrored = layer([poses[:, both] * [-1, 1], features[:, both]])
    np.testing.assert_allclose(mirrored, told[:, ORDER] * [-1, 1], rtol=1e-4, atol=1e-4)
    assert np.abs(told[:, ORDER] - told).max() > 0.1


def test_frozen_it_does_in_training_what_it_does_otherwise():
    poses, features = inputs(2)
    layer = with_weights(BodyContext(ORDER, hidden_units=8), (poses, features))
    told = layer([poses, features], training=False)
    assert np.abs(layer([poses, features], training=True) - told).max() > 1e-3
    layer.trainable = False
    np.testing.assert_array_equal(layer([poses, features], training=True), told)
