"""OCPose's two lists, by hand."""

import pytest

from opec_tf.common import files
from opec_tf.data.annotations import loading
from opec_tf.poses.skeletons import OCCLUDED, UNLABELLED, VISIBLE


def read(folder, data, images=""):
    files.write_json(folder / "data.json", data)
    return loading.read("ocpose", folder / "data.json", images)


def _joints12(flags):
    return [[10.0 + k, 20.0 + k, flags[k % len(flags)]] for k in range(12)]


def test_ocpose_training_list(tmp_path):
    first = {"yolo_bbox": [1, 2, 11, 32], "score": 0.9, "gt": _joints12([1, 0]), "dt": _joints12([0.5])}
    first["gt"][3] = [0, 0, 0]
    second = {"yolo_bbox": [5, 5, 10, 10], "score": 0.8, "gt": _joints12([1]), "dt": None}
    data = [{"img_name": "12.jpg", "pair": [first, second]}, {"img_name": "3.jpg", "pair": [second]}]
    people = read(tmp_path, data, "images")
    assert people.image_ids.tolist() == [12, 3]
    assert people.image_index.tolist() == [0, 0, 1]
    assert people.boxes[0].tolist() == [1, 2, 10, 30]
    assert people.keypoints[0, :4, 2].tolist() == [VISIBLE, OCCLUDED, VISIBLE, UNLABELLED]
    assert people.keypoints[0, 1].tolist() == [11, 21, OCCLUDED]


def test_ocpose_test_list(tmp_path, caplog):
    def entry(name, flags):
        flat = [n for joint in _joints12(flags) for n in joint]
        return {"image_id": name, "bbox": [0, 0, 20, 40], "keypoints": flat, "score": 0.5}

    people = read(tmp_path, [entry("4.jpg", [2, 1, 0]), entry("4.jpg", [2])])
    assert (people.image_ids.tolist(), people.num_people) == ([4], 2)
    assert people.keypoints[0, :3, 2].tolist() == [VISIBLE, OCCLUDED, UNLABELLED]
    scored = read(tmp_path, [entry("a.jpg", [0.93, 0.2])])
    assert scored.image_ids.tolist() == [1]
    assert scored.num_keypoints.tolist() == [0]
    assert "1 of 1 people (first: entry number 1) have a joint whose flag is not 0 or 1; their joints" in caplog.text


@pytest.mark.parametrize(
    "odd, most, others, expected, allowed",
    [
        ([0.93, 1], [1, 0], [1], [VISIBLE, OCCLUDED], "0 or 1"),
        ([2, 1], [1, 0], [1], [VISIBLE, OCCLUDED], "0 or 1"),
        ([3, 1], [2, 1], [2, 0], [VISIBLE, OCCLUDED], "0, 1 or 2"),
    ],
)
def test_an_odd_flag_of_ocpose_unlabels_its_person_alone(tmp_path, caplog, odd, most, others, expected, allowed):
    people = [{"yolo_bbox": [0, 0, 9, 9], "gt": _joints12(flags)} for flags in (most, odd, others)]
    data = [{"img_name": "3.jpg", "pair": people[:1]}, {"img_name": "7.jpg", "pair": people[1:]}]
    found = read(tmp_path, data)
    assert found.keypoints[0, :2, 2].tolist() == expected
    assert found.num_keypoints[1] == 0 and found.keypoints[2, 0, 2] == VISIBLE
    assert f"1 of 3 people (first: person in 7.jpg) have a joint whose flag is not {allowed}" in caplog.text


def test_a_person_of_ocpose_without_a_two_follows_the_others(tmp_path, caplog):
    people = [{"yolo_bbox": [0, 0, 9, 9], "gt": _joints12(flags)} for flags in ([2, 0], [1, 0], [2, 1])]
    found = read(tmp_path, [{"img_name": "3.jpg", "pair": people}])
    assert found.keypoints[1, :2, 2].tolist() == [OCCLUDED, UNLABELLED] and not caplog.text
