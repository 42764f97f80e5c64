"""PeakGate: between a pose and the heatmaps' peaks."""

import numpy as np
import tensorflow as tf

from opec_tf.layers.heatmap import PeakGate
from opec_tf.poses import geometry


def inputs():
    """A pose of two joints in the centre, features of ones, and heatmaps with peaks at (2, 1) and (5, 3)."""
    heatmaps = np.zeros((1, 6, 8, 2), np.float32)
    heatmaps[0, 1, 2, 0] = heatmaps[0, 3, 5, 1] = 0.8
    return tf.zeros([1, 2, 2]), tf.ones([1, 2, 3]), tf.constant(heatmaps)


def test_before_training_it_mixes_by_the_initial_gate():
    output = PeakGate("none", initial_gate=0.25)(inputs())
    peaks = geometry.normalize(tf.constant([[2.0, 1.0], [5.0, 3.0]]), (6, 8))
    np.testing.assert_allclose(output[0], 0.25 * peaks.numpy(), atol=1e-6)


def test_a_shut_gate_keeps_the_pose_and_an_open_one_takes_the_peak():
    gate = PeakGate("none")
    gate(inputs())
    peaks = geometry.normalize(tf.constant([[2.0, 1.0], [5.0, 3.0]]), (6, 8))
    for bias, expected in ((-50.0, tf.zeros([2, 2])), (50.0, peaks)):
        gate.gate.bias.assign([bias])
        np.testing.assert_allclose(gate(inputs())[0], expected, atol=1e-6)


def test_the_peak_gets_no_gradient_the_gate_does():
    pose, features, heatmaps = inputs()
    gate = PeakGate("dark")
    with tf.GradientTape() as tape:
        tape.watch([pose, heatmaps])
        loss = tf.reduce_sum(gate([pose, features, heatmaps]))
    to_pose, to_heatmaps, to_bias = tape.gradient(loss, [pose, heatmaps, gate.gate.bias])
    np.testing.assert_allclose(to_pose, np.full([1, 2, 2], 0.5), atol=1e-6)
    assert to_heatmaps is None
    assert abs(float(to_bias[0])) > 1e-3
