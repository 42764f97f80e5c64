"""PoseNoise: errors of the size that was asked for."""

import numpy as np
import tensorflow as tf

from opec_tf.layers.heatmap import PoseNoise


def test_errors_have_the_standard_deviation_and_no_bias():
    pose = tf.fill([500, 12, 2], 0.3)
    for training in (False, True):
        errors = PoseNoise(0.1)(pose, training=training).numpy() - 0.3
        # 12,000 draws: the mean is within 0.001 of 0 and the deviation within 0.0007 of 0.1, one standard error each.
        assert abs(errors.mean()) < 0.005
        assert abs(errors.std() - 0.1) < 0.004


def test_inference_repeats_itself_and_training_does_not():
    layer, pose = PoseNoise(0.1), tf.zeros([4, 3, 2])
    np.testing.assert_array_equal(layer(pose), layer(pose))
    assert np.abs(layer(pose, training=True) - layer(pose, training=True)).max() > 0.01
