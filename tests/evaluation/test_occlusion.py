"""Occlusion statistics: the paper's Table 1 and crowdIndex, by hand and on real data."""

import numpy as np
import pytest

from opec_tf.data.annotations import loading
from opec_tf.evaluation import occlusion


@pytest.fixture(scope="module")
def crowdpose_val(real_samples):
    return loading.load("crowdpose:crowdpose/crowdpose_val.json:crowdpose", real_samples)


def test_max_pair_iou_by_hand():
    assert occlusion.max_pair_iou(np.zeros((0, 4))) == 0.0
    assert occlusion.max_pair_iou([[0, 0, 5, 5]]) == 0.0
    # 2 x 4 of 4 x 4 twice shared: 8 / 24; the third box is apart.
    assert occlusion.max_pair_iou([[0, 0, 4, 4], [50, 0, 4, 4], [2, 0, 4, 4]]) == pytest.approx(1 / 3)


def test_table1_statistics_by_hand():
    statistics = occlusion.table1_statistics([0.0, 0.3, 0.6, 0.8])
    assert statistics == pytest.approx({"images": 4, "mean_iou": 0.425, "iou30": 0.5, "iou50": 0.5, "iou75": 0.25})


def test_table1_of_crowdpose_val(crowdpose_val):
    statistics = occlusion.table1_statistics(occlusion.image_ious(crowdpose_val))
    assert round(statistics["mean_iou"], 3) == 0.288
    assert statistics["iou30"] == pytest.approx(0.429)
    assert statistics["iou50"] == pytest.approx(0.144)
    assert statistics["iou75"] == pytest.approx(0.0185)


def test_crowd_index_by_hand():
    # Person 0 has 2 labelled joints, one of them in box 1; person 1 has 1, in box 0, and an unlabelled one there.
    keypoints = [[[1, 1, 2], [11, 1, 1]], [[9, 2, 1], [3, 3, 0]]]
    boxes = [[0, 0, 10, 10], [8, 0, 10, 10]]
    assert occlusion.crowd_index(boxes, keypoints) == pytest.approx((1 / 2 + 1 / 1) / 2)
    assert occlusion.crowd_index(boxes, keypoints, is_crowd=[False, True]) == 0.0
    assert occlusion.crowd_index(boxes, np.zeros((2, 2, 3))) == 0.0
    assert occlusion.crowd_index(np.zeros((0, 4)), np.zeros((0, 2, 3))) == 0.0


def test_crowd_index_of_crowdpose_val(crowdpose_val):
    people, rows_by_image = crowdpose_val, crowdpose_val.rows_by_image()
    ours = [occlusion.crowd_index(people.boxes[r], people.keypoints[r], people.is_crowd[r]) for r in rows_by_image]
    assert np.mean(np.abs(ours - people.crowd_index) <= 0.01) > 0.755
    assert np.corrcoef(ours, people.crowd_index)[0, 1] > 0.87
