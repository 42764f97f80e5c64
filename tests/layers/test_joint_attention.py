import numpy as np
import tensorflow as tf

from opec_tf.layers.graph import JointAttention


def test_known_weights():
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
