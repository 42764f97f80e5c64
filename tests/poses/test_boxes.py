"""Box arithmetic, by hand."""

import numpy as np

from opec_tf.poses import boxes


def test_iou_by_hand():
    first = [[0, 0, 2, 2], [10, 10, 0, 0]]
    second = [[0, 0, 2, 2], [1, 1, 2, 2], [2, 0, 2, 2], [0, 0, 1, 1], [10, 10, 0, 0]]
    # Overlaps of the first box: 4 of 4, 1 of 7, a shared edge, 1 of 4; an empty box overlaps nothing, not even itself.
    expected = [[1, 1 / 7, 0, 1 / 4, 0], [0, 0, 0, 0, 0]]
    np.testing.assert_allclose(boxes.iou(first, second), expected)
    assert boxes.iou(np.zeros((0, 4)), second).shape == (0, 5)
