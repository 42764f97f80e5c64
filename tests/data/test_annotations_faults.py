"""Bad annotation files and the one line a user sees for each."""

import copy
import json

import pytest

from opec_tf.common.errors import UserError
from opec_tf.data.annotations import loading

_GOOD = {
    "images": [{"id": 1, "file_name": "1.jpg", "width": 640, "height": 480}, {"id": 2, "file_name": "2.jpg"}],
    "annotations": [
        {"id": 10 + i, "image_id": 1 + i % 2, "category_id": 1, "bbox": [0, 0, 9, 9], "keypoints": [1, 2, 2] * 14}
        for i in range(3)
    ],
}


def _changed(section, index, **fields):
    """The good file with some fields of one record changed; a field given as ... is removed."""
    data = copy.deepcopy(_GOOD)
    for name, value in fields.items():
        if value is ...:
            del data[section][index][name]
        else:
            data[section][index][name] = value
    return data


_FAULTS = {
    "empty file": ("", "is not valid JSON (Expecting value"),
    "cut off": ('{"images": [{"id": 1', "is not valid JSON"),
    "no text": (b"\xff\xfe\x00", "is not valid JSON"),
    "a list": ([], "is a JSON list, expected an object with 'images' and 'annotations'"),
    "a number": (3, "is a JSON single value, expected an object"),
    "empty object": ({}, "has no 'images'; give a COCO-format annotation file"),
    "no annotations key": ({"images": _GOOD["images"]}, "has no 'annotations'"),
    "no annotations": ({**_GOOD, "annotations": []}, "its list of annotation objects is empty"),
    "annotations an object": (
        {**_GOOD, "annotations": {}},
        "has an object where a list of annotation objects belongs",
    ),
    "annotation a number": ({**_GOOD, "annotations": [5]}, "annotation number 1: is 5, expected an object"),
    "wrong joint count": (
        _changed("annotations", 1, keypoints=[1, 2, 2] * 17),
        "annotation 11: 'keypoints' has 51 values, expected 42 numbers (x, y, v of the 14 joints of crowdpose14)",
    ),
    "NaN joint": (_changed("annotations", 2, keypoints=[float("nan")] * 42), "annotation 12: 'keypoints' holds NaN"),
    "infinite box": (_changed("annotations", 0, bbox=[0, 0, float("inf"), 1]), "annotation 10: 'bbox' holds NaN"),
    "text joint": (_changed("annotations", 0, keypoints=["1"] + [0] * 41), "annotation 10: 'keypoints' holds '1'"),
    "text box": (
        _changed("annotations", 1, bbox="1 2 3 4"),
        "annotation 11: 'bbox' holds '1 2 3 4', expected 4 numbers",
    ),
    "null in box": (_changed("annotations", 1, bbox=[0, None, 1, 1]), "annotation 11: 'bbox' holds null"),
    "box too short": (
        _changed("annotations", 1, bbox=[0, 0, 5]),
        "annotation 11: 'bbox' has 3 values, expected 4 numbers (x, y, width, height)",
    ),
    "all boxes too long": (
        {**_GOOD, "annotations": [{**person, "bbox": [1] * 5} for person in _GOOD["annotations"]]},
        "annotation 10: 'bbox' has 5 values",
    ),
    "neither box nor joints": (
        _changed("annotations", 2, bbox=..., keypoints=[0] * 42),
        "annotation 12: has no 'bbox'",
    ),
    "no keypoints": (_changed("annotations", 0, keypoints=...), "annotation 10: has no 'keypoints'"),
    "text area": (_changed("annotations", 0, area="big"), "annotation 10: 'area' holds 'big', expected a number"),
    "visibility 3": (_changed("annotations", 0, keypoints=[1, 2, 3] * 14), "annotation 10: 'keypoints' has a vis"),
    "duplicate annotation id": (
        _changed("annotations", 2, id=10),
        "annotation id 10 occurs twice (numbers 1 and 3 of the list); give every annotation its own id",
    ),
    "duplicate image id": (_changed("images", 1, id=1), "image id 1 occurs twice"),
    "image id without image": (
        _changed("annotations", 1, image_id=99),
        "annotation 11: 'image_id' 99 is not among the images; add the image or remove the annotation",
    ),
    "text id": (_changed("images", 0, id="one"), "'id' holds 'one', expected a number"),
    "broken id": (_changed("annotations", 1, id=1.5), "'id' is 1.5, expected a whole number"),
    "no file name": (_changed("images", 1, file_name=...), "image 2: has no 'file_name'"),
    "file name a number": (_changed("images", 1, file_name=2), "image 2: 'file_name' is 2, expected a text"),
    "text crowdIndex": (_changed("images", 0, crowdIndex="hard"), "image 1: 'crowdIndex' holds 'hard'"),
}


def _write(tmp_path, content):
    path = tmp_path / "annotations.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def _message(annotation_format, path):
    with pytest.raises(UserError) as caught:
        loading.read(annotation_format, path, "images")
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def test_the_good_file_is_good(tmp_path):
    assert loading.read("crowdpose", _write(tmp_path, _GOOD), "").num_people == 3


@pytest.mark.parametrize("fault", _FAULTS)
def test_bad_crowdpose_file(tmp_path, fault):
    content, expected = _FAULTS[fault]
    message = _message("crowdpose", _write(tmp_path, content))
    assert expected in message
    assert ";" in message or "check" in message  # what to do


def test_missing_file(tmp_path):
    assert "cannot be read (No such file or directory); check the path" in _message("coco", tmp_path / "none.json")


@pytest.mark.parametrize(
    ("annotation_format", "content", "expected"),
    [
        ("coco", _changed("annotations", 0, keypoints=[1, 2, 2] * 13), "annotation 10: 'keypoints' has 39 values"),
        ("coco", _changed("annotations", 0, keypoints=7), "annotation 10: 'keypoints' has no list of values"),
        ("ochuman", {"keypoint_names": ["nose"], "images": []}, "'keypoint_names' lacks left_eye"),
        ("ochuman", _GOOD, "annotation 10: 'keypoints' has 42 values, expected 51 numbers"),
        ("ocpose", [{"box": [1]}], "entries have neither 'pair' nor 'keypoints'"),
        ("ocpose", [{"img_name": "1.jpg", "pair": [3]}], "entry number 1: 'pair' is not a list of objects"),
        (
            "ocpose",
            [{"img_name": "1.jpg", "pair": [{"yolo_bbox": [0, 0, 9, 9], "gt": [[1, 2, 1]] * 11}]}],
            "person in 1.jpg: 'gt' has 33 values, expected 36 numbers",
        ),
        ("mpii", {"image": "1.jpg"}, "has an object where a list of person objects belongs"),
        (
            "mpii",
            [{"image": "1.jpg", "scale": 1, "center": [1, 1], "joints": [[0, 0]] * 15, "joints_vis": [1] * 16}],
            "person in 1.jpg: 'joints' has 15 values, expected 16 x 2 numbers",
        ),
        (
            "mpii",
            [{"image": "1.jpg", "scale": 1, "center": [1, 1], "joints": [[0, 0, 0]] * 16, "joints_vis": [1] * 16}],
            "person in 1.jpg: 'joints' holds a list of 3, expected 16 x 2 numbers",
        ),
    ],
)
def test_bad_files_of_other_formats(tmp_path, annotation_format, content, expected):
    assert expected in _message(annotation_format, _write(tmp_path, content))
