"""Graph convolutions and the blocks made of them, on graphs small enough to work out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from opec_tf.layers.graph import GraphConv, JointAttention, JointIdentity, ResidualGraphBlock

PATH = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]], np.float32)
FEATURES = np.array([[[1.0, 0.0], [0.0, 2.0], [-3.0, 1.0]]], np.float32)


def test_gcn_is_the_symmetrically_normalised_sum_over_neighbours_and_self():
    layer = GraphConv(2, PATH, kind="gcn", activation=None)
    layer(FEATURES)
    kernel, bias = np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([0.5, 0.0])
    layer.set_weights([kernel, bias])
    # Degrees with self-loops: 2, 3, 2.
    root = np.sqrt([2.0, 3.0, 2.0])
    expected = (PATH / root[:, None] / root[None]) @ FEATURES[0] @ kernel + bias
    np.testing.assert_allclose(layer(FEATURES)[0], expected, atol=1e-6)


def test_semantic_starts_as_the_mean_over_edges_with_two_kernels():
    layer = GraphConv(2, PATH, kind="semantic", activation=None)
    layer(FEATURES)
    own, neighbour, bias = np.eye(2), 10.0 * np.eye(2), np.array([0.0, 1.0])
    layer.set_weights([own, neighbour, np.ones((3, 3)), bias])
    first, second, third = FEATURES[0]
    expected = [(first + 10 * second) / 2, (second + 10 * (first + third)) / 3, (third + 10 * second) / 2] + bias
    np.testing.assert_allclose(layer(FEATURES)[0], expected, rtol=1e-5)


def test_semantic_learns_weights_of_edges_and_ignores_the_rest():
    layer = GraphConv(2, PATH, kind="semantic", activation=None)
    layer(FEATURES)
    logits = np.zeros((3, 3))
    logits[0] = [0.0, np.log(3.0), 80.0]  # joint 0 has no edge to joint 2
    layer.set_weights([np.eye(2), np.eye(2), logits, np.zeros(2)])
    np.testing.assert_allclose(layer(FEATURES)[0, 0], 0.25 * FEATURES[0, 0] + 0.75 * FEATURES[0, 1], rtol=1e-5)


def test_semantic_kernels_start_different_from_each_other():
    layer = GraphConv(2, PATH, kind="semantic")
    layer(FEATURES)
    own, neighbour, *_ = layer.get_weights()
    assert np.abs(own - neighbour).min() > 1e-6


@pytest.mark.parametrize("kind", ["gcn", "semantic"])
def test_the_diagonal_of_the_adjacency_does_not_matter(kind):
    """The paper's A has ones there, Spektral adds them itself: a self-loop must not count twice."""
    with_loops, without = GraphConv(4, PATH, kind), GraphConv(4, PATH - np.eye(3), kind)
    expected = with_loops(FEATURES)
    without(FEATURES)
    without.set_weights(with_loops.get_weights())
    np.testing.assert_array_equal(without(FEATURES), expected)


@pytest.mark.parametrize("kind", ["gcn", "semantic"])
def test_information_travels_one_edge(kind):
    layer = GraphConv(4, PATH, kind, activation=None)
    before = layer(FEATURES)
    changed = FEATURES.copy()
    changed[0, 2] += 1.0
    difference = np.abs(layer(changed) - before).max(axis=-1)[0]
    assert difference[0] == 0.0 and difference[1] > 0.0 and difference[2] > 0.0


def test_relu_follows_by_default():
    assert np.min(GraphConv(8, PATH)(FEATURES)) == 0.0


def test_two_bodies_share_their_edge_weights():
    """Swapping the bodies swaps the outputs; logits within a body and between the bodies are weights of their own."""
    couple = np.block([[PATH, np.eye(3)], [np.eye(3), PATH]])
    layer = GraphConv(2, couple, kind="semantic", activation=None, bodies=2)
    features = np.random.default_rng(0).normal(size=(1, 6, 2)).astype(np.float32)
    layer(features)
    own, neighbour, logits, bias = layer.get_weights()
    assert logits.shape == (3, 6)
    logits = np.random.default_rng(1).normal(size=(3, 6))
    layer.set_weights([np.eye(2), 10.0 * np.eye(2), logits, bias])
    output, order = layer(features).numpy(), [3, 4, 5, 0, 1, 2]
    np.testing.assert_allclose(layer(features[:, order]), output[:, order], atol=1e-5)
    # Joint 0 of the second body: itself, joint 1 of its body, joint 0 of the other.
    weights = np.exp(logits[0, [0, 1, 3]])
    weights /= weights.sum()
    expected = weights[0] * features[0, 3] + 10 * (weights[1] * features[0, 4] + weights[2] * features[0, 0])
    np.testing.assert_allclose(output[0, 3], expected, rtol=1e-5)


def test_a_blocks_output_is_shortcut_plus_two_convolutions():
    features = tf.random.stateless_normal((2, 3, 5), seed=(1, 2))
    block = ResidualGraphBlock(4, PATH, attention=False)
    output = block(features)
    np.testing.assert_allclose(output, block.shortcut(features) + block.second(block.first(features)), atol=1e-6)


def test_a_blocks_attention_follows_and_reaches_every_joint():
    """Two graph convolutions on a path reach two edges far; attention reaches the far end of a longer one."""
    joints = 6
    chain = np.eye(joints) + np.eye(joints, k=1) + np.eye(joints, k=-1)
    features = np.random.default_rng(0).normal(size=(1, joints, 5)).astype(np.float32)
    changed = features.copy()
    changed[0, -1] += 1.0
    for attention, reach in ((False, 3), (True, joints)):
        block = ResidualGraphBlock(8, chain, attention=attention)
        difference = np.abs(block(features) - block(changed)).max(axis=-1)[0]
        assert np.count_nonzero(difference) == reach


def test_parameter_count_of_a_block():
    """Three graph convolutions with bias, and three projections without: C = 256, input 256 + 128 (supplement 2)."""
    block = ResidualGraphBlock(256, PATH)
    block(tf.zeros((1, 3, 384)))
    assert block.count_params() == 2 * (384 * 256 + 256) + (256 * 256 + 256) + 3 * 256 * 256


def test_attention_of_known_weights():
    """With queries and keys equal to the features, and values doubled, two joints of two channels."""
    features = np.array([[[1.0, 0.0], [0.0, 2.0]]], np.float32)
    layer = JointAttention()
    layer(features)
    layer.set_weights([np.eye(2), np.eye(2), 2.0 * np.eye(2)])
    scores = np.exp(np.array([[1.0, 0.0], [0.0, 4.0]]) / np.sqrt(2.0))
    weights = scores / scores.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(layer(features)[0], features[0] + weights @ (2.0 * features[0]), rtol=1e-5)


def test_reordered_joints_give_reordered_outputs():
    features = tf.random.stateless_normal((2, 5, 8), seed=(1, 2))
    order = [3, 0, 4, 1, 2]
    layer = JointAttention()
    reordered = layer(tf.gather(features, order, axis=1))
    np.testing.assert_allclose(reordered, tf.gather(layer(features), order, axis=1), atol=1e-5)


def test_float16_does_not_overflow():
    """Products of features of size 50 over 256 channels exceed float16's 65504 unless scaled first."""
    layer = JointAttention(dtype="mixed_float16")
    features = 50.0 * tf.ones((1, 12, 256), tf.float16)
    layer(features)
    layer.set_weights([np.eye(256), np.eye(256), np.eye(256)])
    np.testing.assert_array_equal(layer(features), 100.0)


def test_every_body_gets_the_same_identities():
    features = np.arange(2 * 4 * 3, dtype=np.float32).reshape(2, 4, 3)
    output = JointIdentity(2)(features).numpy()
    np.testing.assert_array_equal(output[..., :3], features)
    # Two bodies of two joints.
    np.testing.assert_array_equal(output[0, :, 3:], [[1, 0], [0, 1], [1, 0], [0, 1]])
    np.testing.assert_array_equal(output[1, :, 3:], output[0, :, 3:])
