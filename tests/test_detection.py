import json

import numpy as np
import pytest

from opec_tf import detection, skeletons
from opec_tf.errors import UserError

IDS = np.array([30, 10, 20])
NAMES = ["a/one.jpg", "a/two.jpg", "b/one.jpg"]


def read(path, skeleton=skeletons.BODY12):
    return detection.read(str(path), IDS, NAMES, skeleton)


@pytest.fixture
def write(tmp_path):
    def write_file(content):
        path = tmp_path / "boxes.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write_file


def box(image_id=10, **changes):
    return {"image_id": image_id, "bbox": [1, 2, 30, 40], "score": 0.5, **changes}


def test_results_by_image_id_are_ordered_by_image(write):
    people = read(write([box(20, score=0.1), box(10, bbox=[5, 6, 7, 8]), box(20, score=0.3), box(30, category_id=2)]))
    np.testing.assert_array_equal(people.image_index, [1, 2, 2])
    np.testing.assert_array_equal(people.boxes, [[5, 6, 7, 8], [1, 2, 30, 40], [1, 2, 30, 40]])
    np.testing.assert_array_equal(people.scores, [0.5, 0.1, 0.3])
    assert people.labels is None


def test_results_by_file_name_whole_or_last_part(write):
    people = read(
        write([{"file_name": name, "bbox": [0, 0, 1, 1]} for name in ("b/one.jpg", "elsewhere/two.jpg", "two.jpg")])
    )
    np.testing.assert_array_equal(people.image_index, [1, 1, 2])
    assert people.scores is None


def test_annotations_bring_labels_in_the_models_joints(write):
    keypoints = np.arange(42.0).reshape(14, 3)
    keypoints[:, 2] = np.arange(14) % 3
    annotation = {"id": 1, "image_id": 77, "bbox": [1, 2, 3, 4], "iscrowd": 0, "keypoints": keypoints.ravel().tolist()}
    people = read(write({
        "images": [{"id": 77, "file_name": "two.jpg"}, {"id": 78, "file_name": "other.jpg"}],
        "annotations": [annotation, {**annotation, "id": 2, "iscrowd": 1}, {**annotation, "id": 3, "image_id": 78}],
    }))  # fmt: skip
    np.testing.assert_array_equal(people.image_index, [1])
    np.testing.assert_array_equal(people.labels, keypoints[None, :12])
    assert people.scores is None


def test_boxes_of_other_images_and_without_area_are_counted(write, caplog):
    people = read(write([box(), box(99), box(bbox=[1, 2, 0, 4]), box(98), box(bbox=[1, 2, 3, -4])]))
    assert len(people.boxes) == 1
    assert [record.message.split("boxes.json: ")[1] for record in caplog.records] == [
        "left out 2 boxes of other images (first 'image_id': 99)",
        "left out 2 boxes without area (first: [1.0, 2.0, 0.0, 4.0])",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not valid JSON"),
        ("[]", "list of box objects is empty"),
        ([box(99)], r"no box belongs to any of the images \(first 'image_id': 99\)"),
        (
            [{"file_name": "three.jpg", "bbox": [1, 2, 3, 4]}],
            r"no box belongs to any of the images \(first 'file_name': three.jpg\)",
        ),
        ([{"file_name": "one.jpg", "bbox": [1, 2, 3, 4]}], "no box belongs to any"),  # there are two of this name
        ([box(category_id=3)], "list of box objects is empty"),
        ([box(), box(bbox=[1, 2, 3])], "box number 2: 'bbox' has 3 values, expected 4 numbers"),
        ([box(bbox=[1, float("nan"), 3, 4])], "box number 1: 'bbox' holds NaN or infinity"),
        ([box(bbox="all")], "box number 1: 'bbox' holds 'all', expected 4 numbers"),
        ([box(), {"image_id": 10, "bbox": [1, 2, 3, 4]}], "box number 2: has no 'score'"),
        ([{"bbox": [1, 2, 3, 4]}], "box number 1: has no 'image_id'"),
        ([box(image_id="ten")], "'image_id' holds 'ten', expected a number"),
        ({"images": []}, "has no 'annotations'"),
        ("7", "has 7 where a list of box objects belongs"),
    ],
)
def test_bad_files(write, content, message):
    with pytest.raises(UserError, match=message) as error:
        read(write(content))
    assert "boxes.json" in str(error.value) and "\n" not in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.json: cannot be read"):
        read(tmp_path / "nowhere.json")


def test_inside():
    boxes = [[0, 0, 10, 10], [-10, 0, 10, 5], [-9, 0, 10, 5], [40, 0, 5, 5], [39, 29, 5, 5], [0, 30, 5, 5]]
    np.testing.assert_array_equal(detection.inside(boxes, (30, 40)), [True, False, True, False, True, False])
