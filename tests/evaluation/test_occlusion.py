"""Occlusion statistics: the paper's Table 1 on real data, crowdIndex and Table 5 by hand."""

import numpy as np
import pytest

from opec_tf.data import annotations
from opec_tf.data.annotations import PoseAnnotations
from opec_tf.evaluation import occlusion
from opec_tf.evaluation.predictions import PosePredictions
from opec_tf.skeletons import CROWDPOSE14, OCCLUDED, VISIBLE


@pytest.fixture(scope="module")
def crowdpose_val(real_samples):
    return annotations.load("crowdpose:crowdpose/crowdpose_val.json:crowdpose", real_samples)


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


def _couple():
    """Two people 100 pixels apart in one image, a third in another; area 1; joints 0..5 visible, others occluded."""
    keypoints = np.zeros((3, 14, 3))
    keypoints[:, :, 0] = np.arange(14) * 0.01
    keypoints[1, :, 0] += 100
    keypoints[..., 2] = np.where(np.arange(14) < 6, VISIBLE, OCCLUDED)
    return PoseAnnotations(
        CROWDPOSE14, [5, 6], ["5.jpg", "6.jpg"], np.zeros((2, 2)), [np.nan] * 2, [1, 2, 3], [0, 0, 1],
        np.zeros((3, 4)), np.ones(3), keypoints, [False] * 3,
    )  # fmt: skip


def test_visibility_accuracy_by_hand():
    people = _couple()
    poses = people.keypoints[[1, 0]].copy()  # in the other order; the third person has none
    # Joint 0 of person 0 moves by t * 2 sigma, so that its OKS is exp(-t^2 / 2): 0.6, above 0.5 only.
    poses[1, 0, 1] += 2 * CROWDPOSE14.sigmas[0] * np.sqrt(-2 * np.log(0.6))
    poses[0, 11, 1] += 50  # an occluded joint of person 1 is lost
    poses[:, 12:, 1] += 50  # head and neck do not count
    predictions = PosePredictions([5, 5], poses, [0.2, 0.9], np.zeros((2, 4)))
    shares = occlusion.visibility_accuracy(people, predictions, CROWDPOSE14.sigmas)
    assert shares == pytest.approx({
        "vis50": 12 / 18, "vis75": 11 / 18, "vis90": 11 / 18, "inv50": 11 / 18, "inv75": 11 / 18, "inv90": 11 / 18,
    })  # fmt: skip


def test_each_pose_is_one_persons_only():
    people = _couple()
    poses = people.keypoints[[0, 0]]
    predictions = PosePredictions([5, 5], poses, [0.9, 0.8], np.zeros((2, 4)))
    shares = occlusion.visibility_accuracy(people, predictions, CROWDPOSE14.sigmas)
    assert shares["vis50"] == pytest.approx(1 / 3)


def test_keys_without_joints_are_absent():
    people = _couple()
    people.keypoints[..., 2] = VISIBLE
    predictions = PosePredictions([5], people.keypoints[:1], [0.9], np.zeros((1, 4)))
    assert set(occlusion.visibility_accuracy(people, predictions, CROWDPOSE14.sigmas)) == {"vis50", "vis75", "vis90"}
