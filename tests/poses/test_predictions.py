"""COCO results JSON: round trip, defaults, mapping by name, and the one line a user sees for a bad file."""

import json

import numpy as np
import pytest

from opec_tf.common.errors import UserError
from opec_tf.data.annotations import loading
from opec_tf.poses import predictions
from opec_tf.poses.skeletons import BODY12, COCO17


def _record(**fields):
    return {"image_id": 3, "category_id": 1, "keypoints": [1.5, 2, 0.9] * 12, "score": 0.8, **fields}


def _write(tmp_path, data):
    path = tmp_path / "results.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_write_and_read_are_exact(tmp_path):
    rng = np.random.default_rng(0)
    poses = predictions.PosePredictions(np.array([5, 4]), rng.random((2, 14, 3)), rng.random(2), rng.random((2, 4)))
    poses.write(tmp_path / "results.json")
    again = predictions.read(tmp_path / "results.json", 14)
    for name, value in vars(poses).items():
        np.testing.assert_array_equal(getattr(again, name), value)
    assert poses.select([1]).image_ids.tolist() == [4]


def test_a_missing_box_is_that_around_the_joints(tmp_path):
    joints = [10, 20, 1, 30, 25, 0] + [15, 60, 1] * 10
    path = _write(tmp_path, [_record(keypoints=joints), _record(bbox=[1, 2, 3, 4])])
    assert predictions.read(path).boxes.tolist() == [[10, 20, 20, 40], [1, 2, 3, 4]]
    assert predictions.read(path, to_refine=True).boxes.tolist() == [[10, 20, 5, 40], [1, 2, 3, 4]]


def test_a_pose_to_refine_may_lack_joints(tmp_path, caplog):
    nan, joint = float("nan"), [10, 20, 1.5]
    gaps = [None, None, None, nan, 5, 0.7, 5, nan, nan, 0, 0, 0, 30, 25, -2] + joint * 7
    path = _write(tmp_path, [_record(keypoints=joint * 12), _record(keypoints=gaps), _record(keypoints=[nan] * 36)])
    poses = predictions.read(path, to_refine=True)
    assert poses.keypoints[1].tolist() == [[0, 0, 0]] * 4 + [[30, 25, 0]] + [[10, 20, 1]] * 7
    assert not poses.keypoints[2].any() and poses.boxes[2].tolist() == [0, 0, 0, 0]
    assert f"{path}: 15 joints (first: of prediction number 2) have an x or y that is null or NaN" in caplog.text
    with pytest.raises(UserError, match="prediction number 2: 'keypoints' holds null"):
        predictions.read(path)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"keypoints": [1, 2, float("nan")] * 12}, "'keypoints' holds NaN or infinity"),
        ({"keypoints": [1, float("inf"), 1] * 12}, "'keypoints' holds NaN or infinity"),
        ({"keypoints": [float("nan")] * 35}, "'keypoints' has 35 values, expected 36 numbers"),
        ({"keypoints": [None] * 33 + ["a", 1, 1]}, "'keypoints' holds 'a', expected 36 numbers"),
        ({"score": float("nan")}, "'score' holds NaN or infinity"),
        ({"bbox": [1, 2, float("nan"), 3]}, "'bbox' holds NaN or infinity"),
    ],
)
def test_nothing_else_may_be_no_number(tmp_path, fields, expected):
    path = _write(tmp_path, [_record(), _record(**fields)])
    with pytest.raises(UserError) as caught:
        predictions.read(path, to_refine=True)
    assert str(caught.value).startswith(f"{path}: prediction number 2: {expected}")


def test_other_categories_are_left_out_and_counted(tmp_path, caplog):
    path = _write(tmp_path, [_record(), _record(category_id=3), _record(score=0.1)])
    assert predictions.read(path).scores.tolist() == [0.8, 0.1]
    assert "1 of 3 predictions have a 'category_id' other than 1" in caplog.text


def test_map_to_takes_joints_by_name(tmp_path):
    people = [{"id": 1, "image_id": 3, "bbox": [0, 0, 9, 9], "keypoints": [1, 1, 2] * 12}]
    path = _write(tmp_path, {"images": [{"id": 3, "file_name": "3.jpg"}], "annotations": people})
    truth = loading.read("coco", path, "").with_skeleton(COCO17)
    keypoints = np.random.default_rng(0).random((1, 12, 3))
    poses = predictions.PosePredictions(np.array([3]), keypoints, np.ones(1), np.zeros((1, 4)))
    mapped, predicted = predictions.map_to(poses, truth)
    assert predicted.tolist() == [False] * 5 + [True] * 12
    np.testing.assert_array_equal(mapped.keypoints[:, 5:], keypoints)
    assert truth.with_skeleton(BODY12).num_people == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "is not valid JSON"),
        ({}, "has an object where a list of prediction objects belongs"),
        ([], "its list of prediction objects is empty"),
        ([_record(), 4], "prediction number 2: is 4, expected an object"),
        ([_record(), _record(keypoints=[1, 2, 1] * 11)], "prediction number 2: 'keypoints' has 33 values, expected 36"),
        ([_record(keypoints=[1] * 35)], "prediction number 1: 'keypoints' is no list of x, y, score for each joint"),
        ([_record(keypoints=None)], "prediction number 1: 'keypoints' is no list of x, y, score"),
        ([_record(keypoints=[float("nan")] * 36)], "prediction number 1: 'keypoints' holds NaN or infinity"),
        ([_record(keypoints=["a"] * 36)], "prediction number 1: 'keypoints' holds 'a'"),
        ([_record(), _record(score=None)], "prediction number 2: 'score' holds null, expected a number"),
        ([{"image_id": 1, "keypoints": [0] * 36}], "prediction number 1: has no 'score'"),
        ([_record(image_id="3.jpg")], "prediction number 1: 'image_id' holds '3.jpg', expected a number"),
        ([_record(bbox=[1, 2, 3])], "'bbox' has 3 values, expected 4 numbers (x, y, width, height)"),
    ],
)
def test_bad_files(tmp_path, content, expected):
    path = _write(tmp_path, content)
    with pytest.raises(UserError) as caught:
        predictions.read(path)
    assert str(caught.value).startswith(str(path))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_number_of_joints_than_asked_for(tmp_path):
    with pytest.raises(UserError, match=r"'keypoints' has 36 values, expected 42 numbers \(x, y, score of 14 joints\)"):
        predictions.read(_write(tmp_path, [_record()]), 14)
