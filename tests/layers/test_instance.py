"""Whose joints they are."""

import numpy as np
import tensorflow as tf

from opec_tf.layers.instance import InstanceHeatmaps


def test_the_person_in_the_middle_is_chosen_and_far_peaks_count_less():
    """Two people on a map of 4 x 8 cells: middles at column 1 and, nearer to the map's middle, at column 5. Each
    regresses one joint two rows up; the heatmap has equal peaks at both places."""
    center = np.full([1, 4, 8, 1], -20.0, np.float32)
    center[0, 3, 1], center[0, 3, 5] = 3.0, 3.0
    regression = np.zeros([1, 4, 8, 2], np.float32)
    regression[0, 3, :, 0] = -2.0
    logits = np.full([1, 4, 8, 1], -20.0, np.float32)
    logits[0, 1, 1], logits[0, 1, 5] = 0.0, 0.0
    heatmaps, pose = InstanceHeatmaps()([logits, center, regression])
    # Row 1, column 5 of 4 x 8 cells.
    np.testing.assert_allclose(pose[0, 0], [2 * 5.5 / 8 - 1, 2 * 1.5 / 4 - 1], rtol=1e-6)
    heatmaps = heatmaps.numpy()[0, ..., 0]
    np.testing.assert_allclose(heatmaps[1, 5], 0.5, rtol=1e-6)  # where it is regressed, the likelihood as it is
    np.testing.assert_allclose(heatmaps[1, 1], 0.5 * 1.8 / (4.0 + 1.8), rtol=1e-6)  # four cells away
    # A surer person further from the middle wins: sigmoid(3) / (1 + 2.24) against sigmoid(-1) / (1.8 + 1.41).
    center[0, 3, 5] = -1.0
    heatmaps = InstanceHeatmaps()([logits, center, regression])[0].numpy()[0, ..., 0]
    np.testing.assert_allclose(heatmaps[1, 1], 0.5, rtol=1e-6)


def test_heatmaps_teach_the_heatmaps_and_the_pose_the_regression_alone():
    inputs = [tf.random.stateless_normal([2, 4, 4, channels], (1, channels)) for channels in (3, 1, 6)]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        heatmaps, pose = map(tf.reduce_sum, InstanceHeatmaps()(inputs))
    of_logits, *others = tape.gradient(heatmaps, inputs)
    assert np.all(of_logits.numpy() > 0.0) and others == [None, None]
    of_logits, of_center, of_regression = tape.gradient(pose, inputs)
    assert of_logits is None and of_center is None
    # At the chosen cell of each person.
    assert np.count_nonzero(tf.convert_to_tensor(of_regression)) == 2 * 6
