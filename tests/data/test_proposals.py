"""Training proposals: the paper's two rules, by hand and on real data."""

import numpy as np
import pytest

from opec_tf.common.errors import UserError
from opec_tf.data import proposals
from opec_tf.data.annotations import loading
from opec_tf.poses import oks, predictions
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.predictions import PosePredictions
from opec_tf.poses.skeletons import BODY12, CROWDPOSE14

_RULES = {"min_visible_joints": 6, "min_oks": 0.3}


def _people():
    """In image 1 person 10, all joints, and 11, 50 pixels right, 5 joints and neck; in image 2 person 12, all."""
    keypoints = np.zeros((3, 14, 3))
    keypoints[..., 1] = np.arange(14)
    keypoints[1, :, 0] = 50
    keypoints[..., 2] = 1
    keypoints[1, 5:13, 2] = 0
    return PoseAnnotations(
        skeleton=CROWDPOSE14,
        image_ids=np.array([1, 2]),
        image_paths=np.array(["1.jpg", "2.jpg"]),
        image_sizes=np.zeros((2, 2)),
        crowd_index=np.zeros(2),
        annotation_ids=np.array([10, 11, 12]),
        image_index=np.array([0, 0, 1]),
        boxes=np.tile([0, 0, 20, 20], (3, 1)),
        areas=np.full(3, 400.0),
        keypoints=keypoints,
        is_crowd=np.zeros(3, bool),
    )


def _poses(image_ids, shifts, joints=14):
    """Poses of person 10 shifted to the right; pose p's box is [p, p, 30, 30]."""
    keypoints = np.repeat(_people().keypoints[:1, :joints], len(shifts), axis=0)
    keypoints[..., 0] += np.array(shifts)[:, None]
    boxes = np.array([[p, p, 30, 30] for p in range(len(shifts))])
    return PosePredictions(np.array(image_ids), keypoints, np.ones(len(shifts)), boxes)


def test_rules_by_hand():
    people = _people()
    # Good; another of the same person; too far; on person 11, who has too few joints; on person 12.
    poses = _poses([1, 1, 1, 1, 2], [0, 2, 20, 50, 1])
    selected = proposals.select(people, poses, **_RULES)
    assert selected.boxes.tolist() == [[0, 0, 30, 30], [1, 1, 30, 30], [4, 4, 30, 30]]
    np.testing.assert_array_equal(selected.keypoints, people.keypoints[[0, 0, 2]])
    np.testing.assert_array_equal(selected.given_poses, poses.keypoints[[0, 1, 4]])
    assert selected.image_index.tolist() == [0, 0, 1]
    assert selected.annotation_ids.tolist() == [10, 10, 12]
    assert selected.num_images == 2


def test_the_oks_threshold_is_exclusive_and_of_the_annotations_area():
    people, poses = _people(), _poses([1], [6.0])
    similarity = oks.pairwise_oks(people.keypoints[:1, :, :2], poses.keypoints[..., :2], [400.0], CROWDPOSE14.sigmas)[
        0, 0
    ]
    assert 0.1 < similarity < 0.9
    assert proposals.select(people, poses, min_visible_joints=6, min_oks=similarity - 1e-9).num_people == 1
    with pytest.raises(UserError, match="none of the 1 poses has 6 visible joints"):
        proposals.select(people, poses, min_visible_joints=6, min_oks=similarity + 1e-9)


def test_poses_of_other_joints_are_compared_by_name():
    selected = proposals.select(_people(), _poses([1], [0.0], joints=12), **_RULES)
    assert selected.skeleton == CROWDPOSE14
    assert proposals.select(_people().with_skeleton(BODY12), _poses([1], [0.0]), **_RULES).num_people == 1


def test_unknown_image_names_the_file():
    with pytest.raises(UserError, match="p.json: a prediction's 'image_id' 3 is not among the ground truth's images"):
        proposals.select(_people(), _poses([1, 3], [0.0, 0.0]), **_RULES, name="p.json")


def test_on_crowdpose_val(real_samples):
    people = loading.load("crowdpose:crowdpose/crowdpose_val.json:x", real_samples, BODY12)
    poses = predictions.read(real_samples / "crowdpose" / "val_noisy_predictions.json")
    selected = proposals.select(people, poses, **_RULES)
    assert 0.4 * poses.num_people < selected.num_people < poses.num_people
    assert selected.num_keypoints.min() >= 6
    assert not selected.is_crowd.any()
