"""Table 5, levels of occlusion and swaps by hand."""

import numpy as np
import pytest

from opec_tf.evaluation import accuracy
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.predictions import PosePredictions
from opec_tf.poses.skeletons import CROWDPOSE14, OCCLUDED, VISIBLE


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


def _by_assignment(people, poses):
    predictions = PosePredictions([5] * len(poses), poses, np.linspace(0.9, 0.2, len(poses)), np.zeros((len(poses), 4)))
    assigned = accuracy.poses_by_assignment(people, predictions, CROWDPOSE14.sigmas)
    return accuracy.visibility_accuracy(people, assigned, CROWDPOSE14.sigmas)


def test_visibility_accuracy_by_hand():
    people = _couple()
    poses = people.keypoints.copy()
    # Joint 0 of person 0 moves by t * 2 sigma, so that its OKS is exp(-t^2 / 2): 0.6, above 0.5 only.
    poses[0, 0, 1] += 2 * CROWDPOSE14.sigmas[0] * np.sqrt(-2 * np.log(0.6))
    poses[1, 11, 1] += 50  # an occluded joint of person 1 is lost
    poses[:, 12:, 1] += 50  # head and neck do not count
    poses[2] = np.nan  # the third person has none
    others = dict.fromkeys(("vis75", "vis90", "inv50", "inv75", "inv90"), 11 / 18)
    shares = accuracy.visibility_accuracy(people, poses[..., :2], CROWDPOSE14.sigmas)
    assert shares == pytest.approx({"vis50": 12 / 18, **others})
    # By assignment the same, in whatever order.
    assert _by_assignment(people, poses[[1, 0]]) == shares


def test_hidden_joints_by_who_hides_them_by_hand():
    """Of joints 6..11 two each are hidden by the own body, the partner and nobody knows whom; none by a thing."""
    people = _couple()
    people.hidden_by[:, 6:12] = [1, 1, 2, 2, -1, -1]
    people.hidden_by[:, [0, 12, 13]] = 3  # head, neck and visible joints are not asked
    poses = people.keypoints[..., :2].copy()
    poses[0, 6:9] += 50
    poses[2] = np.nan
    shares = accuracy.visibility_accuracy(people, poses, CROWDPOSE14.sigmas)
    by_hider = {name: share for name, share in shares.items() if name in accuracy.HIDDEN_BY}
    assert by_hider == pytest.approx({"inv75_self": 2 / 6, "inv75_partner": 3 / 6})
    counts = accuracy.counts_by_image(people, poses, CROWDPOSE14.sigmas)
    assert counts["inv75_self"].tolist() == [[2, 4], [0, 2]] and counts["inv75_partner"].tolist() == [[3, 4], [0, 2]]
    assert counts["inv75_thing"].tolist() == [[0, 0], [0, 0]]


def test_swapped_poses_are_right_by_assignment_and_wrong_by_identity():
    people = _couple().select([0, 1])
    poses = people.keypoints[[1, 0]]
    assert set(_by_assignment(people, poses).values()) == {1.0}
    predictions = PosePredictions([5, 5], poses, [0.9, 0.2], np.zeros((2, 4)))
    own = accuracy.poses_of_people(people, predictions, np.array([0, 1]))
    assert set(accuracy.visibility_accuracy(people, own, CROWDPOSE14.sigmas).values()) == {0.0}
    theirs = accuracy.poses_of_people(people, predictions, np.array([1, 0]))
    assert set(accuracy.visibility_accuracy(people, theirs, CROWDPOSE14.sigmas).values()) == {1.0}


def test_poses_of_people_leaves_a_gap_for_who_has_none():
    people = _couple()
    predictions = PosePredictions([6, 5], people.keypoints[[2, 0]], [1, 1], np.zeros((2, 4)))
    poses = accuracy.poses_of_people(people, predictions, np.array([2, 0]))
    np.testing.assert_array_equal(poses[[0, 2]], people.keypoints[[0, 2], :, :2])
    assert np.isnan(poses[1]).all()


def test_each_pose_is_one_persons_only():
    people = _couple()
    assert _by_assignment(people, people.keypoints[[0, 0]])["vis50"] == pytest.approx(1 / 3)


def test_nobody_is_assigned_to_a_crowd_region():
    people = _couple()
    people.is_crowd[0] = True
    # The one pose lies on the crowd region: the person beside it gets it, far off as it is.
    assert _by_assignment(people, people.keypoints[[0]])["vis50"] == 0.0


def test_keys_without_joints_are_absent():
    people = _couple()
    people.keypoints[..., 2] = VISIBLE
    assert set(_by_assignment(people, people.keypoints[:1])) == {"vis50", "vis75", "vis90"}


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
    levels = accuracy.accuracy_by_level(people, poses, CROWDPOSE14.sigmas)
    by_visibility = accuracy.visibility_accuracy(people, poses, CROWDPOSE14.sigmas)
    assert {key: levels["all"][key] for key in ("vis75", "inv75")} == {
        key: by_visibility[key] for key in ("vis75", "inv75")
    }
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
    assert accuracy.accuracy_by_level(people, poses, CROWDPOSE14.sigmas)["all"]["swap"] == 1 / 2
    # Halfway between the two, 50 pixels from each: the larger person is the nearer one in OKS.
    poses[0, 1] = poses[1, 1] = (people.keypoints[0, 1, :2] + people.keypoints[1, 1, :2]) / 2
    people.areas[:2] = 1e6, 2e6
    assert accuracy.accuracy_by_level(people, poses, CROWDPOSE14.sigmas)["all"]["swap"] == 1 / 2
    people.areas[:2] = 1e6
    assert accuracy.accuracy_by_level(people, poses, CROWDPOSE14.sigmas)["all"]["swap"] == 0.0


def test_partners():
    people = _crowd()
    people.boxes[2] = [4, 0, 10, 10]  # C: 6/14 with A, 9/11 with B
    partner, ious = accuracy.partners(people)
    assert partner.tolist() == [2, 2, 1, -1]
    assert ious == pytest.approx([6 / 14, 9 / 11, 9 / 11, 0.0])
    people.keypoints[2, :, 2], people.keypoints[1, 0, 2] = 0, 0
    people.keypoints[2, 0, 2] = VISIBLE  # C and B have no labelled joint in common
    assert accuracy.partners(people)[0].tolist() == [2, 0, 0, -1]


def test_crowd_regions_and_unlabelled_people_have_no_part_in_it():
    people = _crowd()
    people.is_crowd[1], people.keypoints[2, :, 2] = True, 0
    levels = accuracy.accuracy_by_level(people, people.keypoints[..., :2], CROWDPOSE14.sigmas)
    assert levels["all"] == {"people": 2, "oks": 1.0, "oks75": 1.0, "vis75": 1.0, "inv75": 1.0}
