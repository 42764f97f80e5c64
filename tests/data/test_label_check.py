"""Labels that a network contradicts."""

import json

import cv2
import numpy as np
import pytest

from opec_tf.common.errors import UserError
from opec_tf.data import label_check
from opec_tf.data.annotations import coco
from opec_tf.poses import skeletons

# A person who stands, facing the camera, 40 x 90 pixels.
FLIP = skeletons.BODY12.flip_order
STANDING = {
    "shoulder": (12, 10),
    "elbow": (16, 25),
    "wrist": (18, 38),
    "hip": (8, 42),
    "knee": (9, 62),
    "ankle": (9, 85),
}


def _pose(visibility=2):
    joints = np.zeros([12, 3])
    for row, joint in enumerate(skeletons.BODY12.joints):
        side, part = joint.split("_")
        x, y = STANDING[part]
        joints[row] = (30 + (x if side == "left" else -x), 5 + y, visibility)
    return joints


@pytest.fixture
def files(tmp_path):
    """A file of six people, a picture each, and the poses a network finds: the true ones, with a score of 0.8."""
    labels = [_pose() for _ in range(6)]
    labels[1] = labels[1][FLIP]  # left and right swapped
    labels[2][:, :2] += 60.0  # of somebody else
    labels[3][2, :2] += 40.0  # one joint wrong
    labels[4][:, :2] += 60.0
    labels[4][:, 2] = 1  # hidden: nobody's to judge
    labels[5][:, :2] += 60.0  # the network is not sure
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 128, "height": 128} for i in range(1, 7)]
    people = [
        {
            "id": i,
            "image_id": i,
            "category_id": 1,
            "iscrowd": 0,
            "bbox": [5, 5, 50, 95],
            "area": 3000,
            "keypoints": pose.ravel().tolist(),
            "segmentation": {"size": [128, 128], "counts": str(i)},
        }
        for i, pose in enumerate(labels, start=1)
    ]
    poses = [
        {
            "image_id": i,
            "category_id": 1,
            "score": 1.0,
            "bbox": [5, 5, 50, 95],
            "keypoints": np.concatenate([_pose()[:, :2], np.full([12, 1], 0.8 if i < 6 else 0.1)], 1).ravel().tolist(),
        }
        for i in range(1, 7)
    ]
    for i in range(1, 7):
        cv2.imwrite(str(tmp_path / f"{i}.jpg"), np.full([128, 128, 3], 90, np.uint8))
    category = {"id": 1, "name": "person", "keypoints": list(skeletons.BODY12.joints)}
    content = {"images": images, "annotations": people, "categories": [category]}
    (tmp_path / "people.json").write_text(json.dumps(content))
    (tmp_path / "poses.json").write_text(json.dumps(poses))
    return tmp_path


def test_each_fault_is_found_and_nothing_else(files):
    found = label_check.write(files / "out", files / "people.json", files, files / "poses.json")
    assert found.counts() == {"compared": 6, "swapped": 1, "left out": 1, "contradicted joints": 1}
    assert found.swapped[1] and found.left_out[2] and found.contradicted[3, 2]
    content = json.loads((files / "out" / "people.json").read_text())
    assert [image["id"] for image in content["images"]] == [1, 2, 4, 5, 6]
    assert [person["segmentation"]["counts"] for person in content["annotations"]] == ["1", "2", "4", "5", "6"]
    mended = coco.read(files / "out" / "people.json", files).keypoints
    np.testing.assert_array_equal(mended[0], _pose())
    np.testing.assert_array_equal(mended[1], _pose())
    assert mended[2, 2].tolist() == [0, 0, 0] and content["annotations"][2]["num_keypoints"] == 11
    before = coco.read(files / "people.json", files).keypoints
    np.testing.assert_array_equal(mended[3:], before[4:])
    assert cv2.imread(str(files / "out" / "contradicted.jpg")) is not None


def test_what_is_said_of_sides_is_exchanged_with_them(files):
    content = json.loads((files / "people.json").read_text())
    visible, outside = ["visible"] * 12, ["outside", *["visible"] * 11]
    for person in content["annotations"][:2]:
        person.update(joint_visibility=outside, hidden_by=[2] + [0] * 11)
    (files / "people.json").write_text(json.dumps(content))
    label_check.write(files / "out", files / "people.json", files, files / "poses.json")
    mended = json.loads((files / "out" / "people.json").read_text())["annotations"]
    assert (mended[0]["joint_visibility"], mended[0]["hidden_by"]) == (outside, [2] + [0] * 11)
    assert mended[1]["joint_visibility"] == [visible[0], outside[0], *visible[2:]]
    assert mended[1]["hidden_by"] == [0, 2] + [0] * 10


def test_poses_of_other_boxes_say_nothing(files):
    poses = json.loads((files / "poses.json").read_text())
    for pose in poses:
        pose["bbox"][0] += 3
    (files / "poses.json").write_text(json.dumps(poses))
    with pytest.raises(UserError, match="poses.json: no pose is of a box in"):
        label_check.write(files / "out", files / "people.json", files, files / "poses.json")
