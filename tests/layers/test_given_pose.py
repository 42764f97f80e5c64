import numpy as np
import tensorflow as tf

from opec_tf.layers.heatmap import GivenPose


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
