import numpy as np
import pytest

from opec_tf.data.pasted import labels
from opec_tf.data.pasted.labels import Pair
from opec_tf.data.pasted.placement import Placement
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.skeletons import CROWDPOSE14, UNKNOWN

VISIBLE, OCCLUDED, OUTSIDE = 0, 1, 2


def _people():
    """A picture with two people (rows 0 and 2) and one with another (row 1); 100 x 80 and 50 x 60 (h x w)."""
    keypoints = np.zeros([3, 14, 3])
    keypoints[..., 0] = np.arange(14) * 4 + 2
    keypoints[..., 1] = np.arange(3)[:, None] * 10 + 20
    keypoints[..., 2] = 2
    keypoints[2, 3, 2] = 1  # was occluded before
    keypoints[0, 5] = keypoints[1, 2] = 0  # not labelled
    return PoseAnnotations(
        skeleton=CROWDPOSE14,
        image_ids=[7, 8],
        image_paths=["a.jpg", "b.jpg"],
        image_sizes=[[100, 80], [50, 60]],
        crowd_index=[np.nan, np.nan],
        annotation_ids=[70, 80, 71],
        image_index=[0, 1, 0],
        boxes=[[0, 10, 60, 30], [0, 20, 60, 25], [0, 30, 60, 30]],
        areas=[1000.0, 900.0, 1100.0],
        keypoints=keypoints,
        is_crowd=[False, False, False],
    )


def _annotate(mirrored=False, corner=(40, 10), hidden=()):
    covered = np.zeros([2, 14], bool)
    for person, joint in hidden:
        covered[person, joint] = True
    where = Placement(np.array([0, 20, 60, 25]), np.array([30, 50]), np.array(corner), np.array(mirrored))
    pair = Pair(image_id=1, path="1.jpg", behind=2, in_front=1, placement=where, hidden=covered)
    return labels.annotate(_people(), [pair, pair], first_id=100)


def test_who_is_behind_comes_first_then_in_front_then_the_others():
    people = _annotate()
    assert people.image_index.tolist() == [0, 0, 0, 1, 1, 1]
    assert people.annotation_ids.tolist() == [100, 101, 102, 103, 104, 105]
    assert people.image_sizes.tolist() == [[100, 80]] * 2
    np.testing.assert_array_equal(people.keypoints[0], _people().keypoints[2])
    np.testing.assert_array_equal(people.keypoints[2], _people().keypoints[0])
    np.testing.assert_array_equal(people.boxes[[0, 2]], _people().boxes[[2, 0]])
    np.testing.assert_array_equal(people.areas[[0, 2]], [1100.0, 1000.0])


def test_covered_joints_are_occluded_everybodys():
    hidden = [(0, 1), (0, 13), (1, 4), (1, 5)]  # row 1 is the bystander, whose joint 5 is not labelled
    people = _annotate(hidden=hidden)
    expected = np.full(14, 2)
    expected[[1, 3, 13]] = 1
    assert people.keypoints[0, :, 2].tolist() == expected.tolist()
    expected = np.full(14, 2)
    expected[4], expected[5] = 1, 0
    assert people.keypoints[2, :, 2].tolist() == expected.tolist()
    # Head and neck: unknown where nothing covers them, known where it does.
    assert people.visibility[0].tolist() == [0, 1, 0, 1, *[0] * 8, UNKNOWN, OCCLUDED]
    assert people.visibility[2].tolist() == [0, 0, 0, 0, 1, UNKNOWN, *[0] * 6, UNKNOWN, UNKNOWN]
    # Joint 3 was hidden before, nobody knows by whom; joint 5 of the bystander is not labelled.
    assert people.hidden_by[0].tolist() == [0, 2, 0, UNKNOWN, *[0] * 9, 2]
    assert people.hidden_by[2].tolist() == [0, 0, 0, 0, 2, UNKNOWN, *[0] * 8]
    written = people.to_coco(image_root=".")["annotations"]
    assert written[0]["joint_visibility"] == ["visible", "occluded", "visible", "occluded"] + ["visible"] * 8 + [
        None,
        "occluded",
    ]


def test_who_is_laid_over_moves_and_loses_what_is_outside():
    people = _annotate()  # half as wide, twice as high, at (40, 10)
    joints, source = people.keypoints[1], _people().keypoints[1]
    inside = (source[:, 0] + 0.5) * 0.5 - 0.5 + 40 <= 79.5
    assert inside.sum() == 14
    kept = source[:, 2] > 0
    np.testing.assert_allclose(joints[kept, 0], (source[kept, 0] + 0.5) * 0.5 + 39.5)
    np.testing.assert_allclose(joints[kept, 1], (source[kept, 1] - 20 + 0.5) * 2 + 9.5)
    assert joints[~kept].tolist() == [[0, 0, 0]]
    people = _annotate(corner=(60, 10))  # 20 of 30 columns are in the picture
    outside = source[:, 0] * 0.5 + 59.75 > 79.5
    assert 0 < outside.sum() < 14
    assert (people.keypoints[1, outside] == 0).all() and (people.visibility[1, outside] == OUTSIDE).all()
    np.testing.assert_allclose(people.boxes[1], [60, 10, 20, 50])
    assert people.areas[1] == pytest.approx(900.0 * 20 * 50 / (60 * 25))


def test_a_mirrored_person_swaps_left_and_right():
    people, plain = _annotate(True), _annotate()
    order = CROWDPOSE14.flip_order
    mirrored = plain.keypoints[1, order]
    labelled = mirrored[:, 2] > 0
    mirrored[labelled, 0] = 2 * 40 + 30 - 1 - mirrored[labelled, 0]
    np.testing.assert_allclose(people.keypoints[1], mirrored)
    assert people.visibility[1].tolist() == plain.visibility[1, order].tolist()
    assert people.hidden_by[1].tolist() == plain.hidden_by[1, order].tolist() != plain.hidden_by[1].tolist()
    assert people.keypoints[1, order[2], 2] == 0  # the joint that was not labelled
    np.testing.assert_allclose(people.boxes[1], plain.boxes[1])


def test_crowd_index_counts_joints_of_others_in_a_box():
    """Counted here person by person."""
    people = _annotate()
    joints = people.keypoints[:3]
    counts = []
    for row, (x, y, width, height) in enumerate(people.boxes[:3]):
        others = np.delete(joints, row, axis=0)
        others = others[others[..., 2] > 0]
        within = (others[:, 0] >= x) & (others[:, 0] <= x + width) & (others[:, 1] >= y) & (others[:, 1] <= y + height)
        counts.append(within.sum() / (joints[row, :, 2] > 0).sum())
    assert people.crowd_index[0] == pytest.approx(np.mean(counts), abs=1e-4)
    assert people.crowd_index[0] > 0
