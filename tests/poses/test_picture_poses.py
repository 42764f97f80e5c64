"""The people of one picture: drawn as the project draws, and as COCO results."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from opec_tf.common.errors import UserError
from opec_tf.poses import drawing, skeletons
from opec_tf.poses.picture_poses import Poses

IMAGE = np.full([90, 120, 3], 200, np.uint8)
_COLUMNS = ("keypoints", "joint_scores", "scores", "boxes", "track_ids")


@pytest.fixture
def poses():
    """Two people; the second's joints of odd number have a score below 0.3."""
    random = np.random.default_rng(0)
    joint_scores = np.full([2, 12], 0.75)
    joint_scores[1, 1::2] = 0.125
    return Poses(
        keypoints=random.uniform(10, 80, [2, 12, 2]),
        joint_scores=joint_scores,
        scores=np.array([0.75, 0.4375]),
        boxes=np.array([[10.0, 10, 70, 70], [0, 0, 120, 90]]),
        visibility=None,
        skeleton=skeletons.BODY12,
        image=IMAGE,
    )


def test_coco_results(poses):
    first, second = poses.to_coco(image_id=7)
    assert list(first) == ["image_id", "category_id", "keypoints", "score", "bbox"]
    assert (first["image_id"], first["category_id"], first["bbox"]) == (7, 1, [10, 10, 70, 70])
    found = np.array(second["keypoints"]).reshape(12, 3)
    np.testing.assert_allclose(found[:, :2], poses.keypoints[1], atol=5e-4)
    np.testing.assert_array_equal(found[:, 2], poses.joint_scores[1])
    assert second["score"] == 0.4375 and json.loads(json.dumps([first, second])) == [first, second]

    told = dataclasses.replace(poses, name="a.jpg", visibility=np.full([2, 12, 3], 1 / 3)).to_coco()
    assert told[1]["file_name"] == "a.jpg" and told[1]["image_id"] == 1
    assert told[1]["visibility"] == [[0.3333] * 3] * 12


def test_tracked_people_have_their_ids_and_their_colours(poses):
    tracked = dataclasses.replace(poses, track_ids=np.array([12, 3]))
    assert [person["track_id"] for person in tracked.to_coco()] == [12, 3]
    plain = [{name: value for name, value in person.items() if name != "track_id"} for person in tracked.to_coco()]
    assert plain == poses.to_coco()
    alone = dataclasses.replace(tracked, **{name: getattr(tracked, name)[1:] for name in _COLUMNS})
    expected = drawing.draw_people(
        IMAGE,
        np.concatenate([poses.keypoints[1:], np.ones([1, 12, 1])], axis=-1),
        skeletons.BODY12,
        poses.joint_scores[1:] < 0.3,
        colors=np.array([2]),
    )
    np.testing.assert_array_equal(alone.draw(), expected)


def test_joints_of_a_low_score_are_hollow_unless_the_model_knows_better(poses):
    hidden = poses.joint_scores < 0.3
    everywhere = np.concatenate([poses.keypoints, np.ones([2, 12, 1])], axis=-1)
    np.testing.assert_array_equal(poses.draw(), drawing.draw_people(IMAGE, everywhere, skeletons.BODY12, hidden))
    np.testing.assert_array_equal(
        poses.draw(hidden_score=0.0), drawing.draw_people(IMAGE, everywhere, skeletons.BODY12)
    )
    visibility = np.tile([0.1, 0.8, 0.1], [2, 12, 1])
    told = dataclasses.replace(poses, visibility=visibility)
    np.testing.assert_array_equal(
        told.draw(), drawing.draw_people(IMAGE, everywhere, skeletons.BODY12, np.ones([2, 12], bool))
    )


def test_a_drawing_is_written_and_a_files_picture_is_read_for_it(poses, tmp_path):
    cv2.imwrite(str(tmp_path / "grey.png"), IMAGE)
    of_file = dataclasses.replace(poses, image=tmp_path / "grey.png", name="grey.png")
    drawn = of_file.draw(tmp_path / "drawn.png")
    np.testing.assert_array_equal(drawn, poses.draw())
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "drawn.png"))[..., ::-1], drawn)
    with pytest.raises(UserError, match="drawn.txt: no image can be written in a format of this suffix"):
        poses.draw(tmp_path / "drawn.txt")


def test_nobody(poses):
    nobody = dataclasses.replace(
        poses,
        keypoints=np.zeros([0, 12, 2]),
        joint_scores=np.zeros([0, 12]),
        scores=np.zeros(0),
        boxes=np.zeros([0, 4]),
    )
    assert len(nobody) == 0 and len(poses) == 2 and nobody.to_coco() == []
    np.testing.assert_array_equal(nobody.draw(), IMAGE)
