"""Occlusion statistics: the paper's Table 1 on real data, crowdIndex and Table 5 by hand."""

import numpy as np
import pytest

from opec_tf.data.annotations import loading
from opec_tf.evaluation import occlusion
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.predictions import PosePredictions
from opec_tf.poses.skeletons import CROWDPOSE14, OCCLUDED, VISIBLE


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


def _couple():
    """Two people 100 pixels apart in one image, a third in another; area 1; joints 0..5 visible, others occluded."""
    keypoints = np.zeros((3, 14, 3))
    keypoints[:, :, 0] = np.arange(14) * 0.01
    keypoints[1, :, 0] += 100
    keypoints[..., 2] = np.where(np.arange(14) < 6, VISIBLE, OCCLUDED)
    return PoseAnnotations(
        CROWDPOSE14,
        [5, 6],
        ["5.jpg", "6.jpg"],
        np.zeros((2, 2)),
        [np.nan] * 2,
        [1, 2, 3],
        [0, 0, 1],
        np.zeros((3, 4)),
        np.ones(3),
        keypoints,
        [False] * 3,
    )


def test_visibility_accuracy_by_hand():
    people = _couple()
    poses = people.keypoints[[1, 0]].copy()  # in the other order; the third person has none
    # Joint 0 of person 0 moves by t * 2 sigma, so that its OKS is exp(-t^2 / 2): 0.6, above 0.5 only.
    poses[1, 0, 1] += 2 * CROWDPOSE14.sigmas[0] * np.sqrt(-2 * np.log(0.6))
    poses[0, 11, 1] += 50  # an occluded joint of person 1 is lost
    poses[:, 12:, 1] += 50  # head and neck do not count
    predictions = PosePredictions([5, 5], poses, [0.2, 0.9], np.zeros((2, 4)))
    shares = occlusion.visibility_accuracy(people, predictions, CROWDPOSE14.sigmas)
    assert shares == pytest.approx(
        {
            "vis50": 12 / 18,
            "vis75": 11 / 18,
            "vis90": 11 / 18,
            "inv50": 11 / 18,
            "inv75": 11 / 18,
            "inv90": 11 / 18,
        }
    )


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


def _crowd():
    """Four people: A and B share a third of their boxes, C is apart in the same image, D alone in another; area 1.

    Hidden are joints 6..11 of A (half of 12), none of B, joint 0 of C (a twelfth), joints 0..2 of D (a quarter).
    """
    keypoints = np.zeros((4, 14, 3))
    keypoints[..., 0] = np.arange(14) + 100 * np.arange(4)[:, None]
    keypoints[..., 2] = VISIBLE
    keypoints[0, 6:12, 2] = keypoints[2, 0, 2] = keypoints[3, :3, 2] = OCCLUDED
    boxes = [[0, 0, 10, 10], [5, 0, 10, 10], [100, 0, 10, 10], [0, 0, 10, 10]]
    return PoseAnnotations(
        CROWDPOSE14,
        [5, 6],
        ["5.jpg", "6.jpg"],
        np.zeros((2, 2)),
        [np.nan] * 2,
        [1, 2, 3, 4],
        [0, 0, 0, 1],
        boxes,
        np.ones(4),
        keypoints,
        [False] * 4,
    )


def test_accuracy_by_level_by_hand():
    people = _crowd()
    poses = people.keypoints[[1, 1, 2, 3], :, :2].copy()  # A has B's pose
    poses[2, 0] += 50  # C's hidden joint is lost
    poses[3] = np.nan  # D's image could not be read
    levels = occlusion.accuracy_by_level(people, poses, CROWDPOSE14.sigmas)
    c_oks, nothing = 13 / 14, {"oks": 0.0, "oks75": 0.0, "vis75": 0.0, "inv75": 0.0}
    assert levels["all"] == pytest.approx(
        {"people": 4, "oks": (1 + c_oks) / 4, "oks75": 2 / 4, "vis75": 23 / 38, "inv75": 0.0, "swap": 1 / 2}
    )
    assert levels["hidden_share"] == [
        pytest.approx(
            {
                "from": 0.0,
                "to": 0.1,
                "people": 2,
                "oks": (1 + c_oks) / 2,
                "oks75": 1.0,
                "vis75": 1.0,
                "inv75": 0.0,
                "swap": 0.0,
            }
        ),
        {"from": 0.1, "to": 0.25, "people": 0},
        {"from": 0.25, "to": 0.5, "people": 1, **nothing},
        {"from": 0.5, "to": 1.0, "people": 1, **nothing, "swap": 1.0},
    ]
    assert levels["pair_iou"] == [
        pytest.approx(
            {"from": 0.0, "to": 0.3, "people": 2, "oks": c_oks / 2, "oks75": 1 / 2, "vis75": 11 / 20, "inv75": 0.0}
        ),
        pytest.approx(
            {
                "from": 0.3,
                "to": 0.5,
                "people": 2,
                "oks": 1 / 2,
                "oks75": 1 / 2,
                "vis75": 12 / 18,
                "inv75": 0.0,
                "swap": 1 / 2,
            }
        ),
        {"from": 0.5, "to": 0.75, "people": 0},
        {"from": 0.75, "to": 1.0, "people": 0},
    ]


def test_swaps_are_judged_by_common_joints_and_each_ones_own_area():
    people = _crowd()
    people.keypoints[0, 2:, 2] = people.keypoints[1, [0, *range(3, 14)], 2] = 0  # joint 1 is labelled for both
    poses = people.keypoints[..., :2].copy()
    poses[0, 1] = people.keypoints[1, 1, :2]
    assert occlusion.accuracy_by_level(people, poses, CROWDPOSE14.sigmas)["all"]["swap"] == 1 / 2
    # Halfway between the two, 50 pixels from each: the larger person is the nearer one in OKS.
    poses[0, 1] = poses[1, 1] = (people.keypoints[0, 1, :2] + people.keypoints[1, 1, :2]) / 2
    people.areas[:2] = 1e6, 2e6
    assert occlusion.accuracy_by_level(people, poses, CROWDPOSE14.sigmas)["all"]["swap"] == 1 / 2
    people.areas[:2] = 1e6
    assert occlusion.accuracy_by_level(people, poses, CROWDPOSE14.sigmas)["all"]["swap"] == 0.0


def test_partners():
    people = _crowd()
    people.boxes[2] = [4, 0, 10, 10]  # C: 6/14 with A, 9/11 with B
    partner, ious = occlusion.partners(people)
    assert partner.tolist() == [2, 2, 1, -1]
    assert ious == pytest.approx([6 / 14, 9 / 11, 9 / 11, 0.0])
    people.keypoints[2, :, 2], people.keypoints[1, 0, 2] = 0, 0
    people.keypoints[2, 0, 2] = VISIBLE  # C and B have no labelled joint in common
    assert occlusion.partners(people)[0].tolist() == [2, 0, 0, -1]


def test_crowd_regions_and_unlabelled_people_have_no_part_in_it():
    people = _crowd()
    people.is_crowd[1], people.keypoints[2, :, 2] = True, 0
    levels = occlusion.accuracy_by_level(people, people.keypoints[..., :2], CROWDPOSE14.sigmas)
    assert levels["all"] == {"people": 2, "oks": 1.0, "oks75": 1.0, "vis75": 1.0, "inv75": 1.0}
