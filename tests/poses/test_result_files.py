"""Results as AlphaPose, OpenPose, MMPose and Detectron2 write them: read, or refused by their name."""

import json

import numpy as np
import pytest

from opec_tf.common.errors import UserError
from opec_tf.inference import given_poses, person_boxes
from opec_tf.poses import predictions
from opec_tf.poses.skeletons import COCO17

NAMES, IDS = ["a/20.jpg", "a/30.jpg"], np.array([20, 30])
# Somebody's 17 joints, x, y, score.
POSE = np.stack([10.0 + 5 * np.arange(17), 40.0 + 3 * np.arange(17), np.full(17, 0.5)], axis=-1)
BOX = [10.0, 40.0, 80.0, 48.0]  # around them

ALPHAPOSE = {"category_id": 1, "keypoints": POSE.ravel().tolist(), "score": 2.9, "box": BOX, "idx": [0.0]}
DETECTRON = {"image_id": 20, "category_id": 0, "bbox": BOX, "score": 0.9, "keypoints": POSE.ravel().tolist()}
MMPOSE = {
    "keypoints": POSE[:, :2].tolist(),
    "keypoint_scores": POSE[:, 2].tolist(),
    "bbox": [[10, 40, 90, 88]],
    "bbox_score": 0.8,
}


def openpose(count):
    """The pose as OpenPose orders its joints; those that COCO has not lie elsewhere."""
    body25 = {"nose": 0, "right_eye": 15, "left_eye": 16, "right_ear": 17, "left_ear": 18}
    for at, joint in enumerate(["shoulder", "elbow", "wrist"]):
        body25.update({f"right_{joint}": 2 + at, f"left_{joint}": 5 + at})
    for at, joint in enumerate(["hip", "knee", "ankle"]):
        body25.update({f"right_{joint}": 9 + at, f"left_{joint}": 12 + at})
    joints = np.full([count, 3], 0.25)
    for row, joint in zip(POSE, COCO17.joints):
        place = body25[joint]
        joints[place - (place > 8 and count == 18)] = row
    return {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": joints.ravel().tolist()}]}


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
        return path

    return write_file


def read(path):
    """(image ids, the pose, boxes, scores), as --initial_poses takes them."""
    found = given_poses.read(str(path), IDS, NAMES, COCO17)
    return IDS[found.image_index].tolist(), found.poses, found.boxes.tolist(), found.scores.round(6).tolist()


def assert_is_pose(poses):
    np.testing.assert_allclose(poses, np.tile(POSE, (len(poses), 1, 1)))


def test_alphapose(write):
    path = write("alphapose-results.json", [{**ALPHAPOSE, "image_id": f"{name}.jpg"} for name in (30, 20)])
    ids, poses, boxes, scores = read(path)
    assert (ids, boxes, scores) == ([20, 30], [BOX, BOX], [2.9, 2.9])
    assert_is_pose(poses)
    assert person_boxes.read(str(path), IDS, NAMES, COCO17).boxes.tolist() == [BOX, BOX]


def test_alphapose_of_a_video(write):
    path = write("alphapose-results.json", [{**ALPHAPOSE, "image_id": f"{frame}.jpg"} for frame in (0, 2, 2)])
    found = given_poses.read(str(path), np.arange(3), ["walk.mp4"] * 3, COCO17)
    assert found.image_index.tolist() == [0, 2, 2]


def test_detectron2(write, caplog):
    """Its classes count from 0; where there are no others, and the records are poses, they are people."""
    path = write("coco_instances_results.json", [DETECTRON, {**DETECTRON, "image_id": 30}])
    ids, poses, boxes, _ = read(path)
    assert (ids, boxes) == ([20, 30], [BOX, BOX])
    assert_is_pose(poses)
    assert caplog.messages == [f"{path}: all 2 poses have the 'category_id' 0, which is taken for a person"]


def test_alphapose_whose_first_person_has_no_box(write):
    first = {name: value for name, value in ALPHAPOSE.items() if name != "box"}
    other = {**ALPHAPOSE, "box": [1, 2, 30, 40]}
    path = write("alphapose-results.json", [{**first, "image_id": "20.jpg"}, {**other, "image_id": "30.jpg"}])
    assert read(path)[2] == [BOX, [1, 2, 30, 40]]


@pytest.mark.parametrize("count", [25, 18])
def test_openpose(write, count):
    path = write("openpose/20_keypoints.json", openpose(count)).parent
    write("openpose/30_keypoints.json", {"version": 1.3, "people": []})
    for given in (path, path / "20_keypoints.json"):
        ids, poses, boxes, scores = read(given)
        assert (ids, boxes, scores) == ([20], [BOX], [0.5])
        assert_is_pose(poses)
    write("video/walk_000000000001_keypoints.json", openpose(count))
    found = given_poses.read(str(path.parent / "video"), np.arange(3), ["walk.mp4"] * 3, COCO17)
    assert found.image_index.tolist() == [1]


def test_mmpose(write):
    path = write("mmpose/20.json", [MMPOSE]).parent
    write("mmpose/30.json", [{**MMPOSE, "bbox": [10, 40, 90, 88]}] * 2)
    ids, poses, boxes, scores = read(path)
    assert (ids, boxes, scores) == ([20, 30, 30], [BOX] * 3, [0.4] * 3)
    assert_is_pose(poses)
    video = write("walk.json", [{"frame_id": frame, "instances": [MMPOSE] * frame} for frame in range(3)])
    found = given_poses.read(str(video), np.arange(3), ["walk.mp4"] * 3, COCO17)
    assert found.image_index.tolist() == [1, 2, 2]


def test_mmpose_without_boxes(write):
    """As networks write it that find joints before people."""
    poses = {name: value for name, value in MMPOSE.items() if not name.startswith("bbox")}
    assert read(write("20.json", [poses]))[2:] == ([BOX], [0.5])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("20_keypoints.json", {"people": [{"pose_keypoints_2d": [0.1, 0.2, 0.9] * 25}]}, "without --keypoint_scale"),
        ("d2.json", [{"image_id": 20, "instances": [DETECTRON]}], "has Detectron2's instances; take the coco_inst"),
        ("d2.json", {"instances": {"pred_keypoints": [], "scores": []}}, "has Detectron2's instances"),
        ("d2.json", [{"pred_boxes": [BOX], "pred_keypoints": [POSE.tolist()]}], "has Detectron2's instances"),
        ("1_keypoints.json", openpose(18) | {"people": [{"pose_keypoints_2d": [1, 2, 3] * 15}]}, "poses of 15 joints"),
        ("1_keypoints.json", {"people": [{}]}, "person number 1: has no 'pose_keypoints_2d'"),
        ("1_keypoints.json", {"people": 5}, "has 5 where a list of person objects belongs"),
        (
            "20.json",
            [{**MMPOSE, "keypoints": [[1, 2]]}],
            "instance number 1: 'keypoints' has 1 values, expected 17 x 2",
        ),
        ("20.json", [MMPOSE, 7], "instance number 2: is 7, expected an object"),
        ("halpe.json", [{**ALPHAPOSE, "image_id": "20.jpg", "keypoints": [1, 2, 0.5] * 26}], "poses have 26 joints"),
    ],
)
def test_what_cannot_be_understood_is_one_line(write, name, content, message):
    path = write(name, content)
    with pytest.raises(UserError) as error:
        read(path)
    assert str(error.value).startswith(str(path)) and message in str(error.value) and "\n" not in str(error.value)


def test_a_folder_of_nothing_or_of_other_files(write, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: the folder holds no \.json file"):
        read(tmp_path / "empty")
    folder = write("coco/annotations.json", {"images": [], "annotations": []}).parent
    with pytest.raises(UserError, match=r"annotations\.json: is none of OpenPose's or MMPose's files"):
        read(folder)


def test_nobody_is_an_error_unless_it_is_expected(write):
    path = write("none.json", [])
    with pytest.raises(UserError, match="list of prediction objects is empty"):
        predictions.read(path)
    assert predictions.read(path, if_nobody=COCO17).keypoints.shape == (0, 17, 3)
