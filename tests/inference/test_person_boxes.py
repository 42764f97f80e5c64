import json

import numpy as np
import pytest

from opec_tf.common.errors import UserError
from opec_tf.inference import person_boxes
from opec_tf.poses import skeletons

IDS = np.array([30, 10, 20])
NAMES = ["a/one.jpg", "a/two.jpg", "b/one.jpg"]


def read(path, skeleton=skeletons.BODY12):
    return person_boxes.read(str(path), IDS, NAMES, skeleton)


CROWD = {
    "images": [{"id": 1, "file_name": "two.jpg"}],
    "annotations": [{"id": 1, "image_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 1, "keypoints": [0] * 36}],
}


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
        write([{"file_name": name, "bbox": [0, 0, 9, 9]} for name in ("b/one.jpg", "elsewhere/two.jpg", "two.jpg")])
    )
    np.testing.assert_array_equal(people.image_index, [1, 1, 2])
    assert people.scores is None


def test_a_text_as_image_id_is_a_file_name(write):
    people = read(write([box("b/one.jpg"), box("two.jpg")]))
    np.testing.assert_array_equal(people.image_index, [1, 2])


def test_pictures_of_one_name_in_several_folders_are_not_mixed_up(write, caplog):
    """A file of the pictures of all days, of which those of one are there, or all of them in a folder above."""
    monday = ["1.jpg", "2.jpg"]
    days = [{"file_name": name, "bbox": [1, 2, 30, 40]} for name in ("mon/1.jpg", "tue/1.jpg", "tue/2.jpg")]
    people = person_boxes.read(write(days), [1, 2], monday, skeletons.BODY12)
    assert people.image_index.tolist() == [1]
    assert caplog.messages == [f"{write(days)}: left out 2 boxes of other images (first 'file_name': mon/1.jpg)"]
    whole = [{"file_name": name, "bbox": [1, 2, 30, 40]} for name in ("1.jpg", "tue/1.jpg")]
    assert person_boxes.read(write(whole), [1, 2], monday, skeletons.BODY12).image_index.tolist() == [0]
    names = ["1.jpg", "mon/1.jpg", "tue/1.jpg"]
    above = [{"file_name": f"/all/{name}", "bbox": [1, 2, 30, 40]} for name in names]
    assert person_boxes.read(write(above), [1, 2, 3], names, skeletons.BODY12).image_index.tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["D:\\photos\\b\\u00fc.jpg", "./b/u\u0308.jpg", "b/x/../\u00fc.jpg"])
def test_names_are_paths_however_they_are_written(write, name):
    names = ["a/\u00fc.jpg", "b/\u00fc.jpg"]
    name = name.replace("\\u00fc", "\\\u00fc")
    people = person_boxes.read(write([{"file_name": name, "bbox": [1, 2, 30, 40]}]), [1, 2], names, skeletons.BODY12)
    assert people.image_index.tolist() == [1]


@pytest.mark.parametrize("field", ["category_id", "category_name", "category", "class_name", "class", "label"])
def test_classes_may_be_named(write, caplog, field):
    classes = ["Person", "bicycle", "human", None]
    people = read(write([box(10 * (i % 2 + 1), score=i, **{field: name}) for i, name in enumerate(classes)]))
    assert sorted(people.scores.tolist()) == [0, 2, 3]
    assert "1 of 4 boxes have a 'category_id' other than 1 (person); they are left out" in caplog.text
    with pytest.raises(UserError, match=r"no box has 'category_id' 1 \(person\), but bicycle"):
        read(write([box(**{field: "bicycle"})]))


@pytest.mark.parametrize("field", ["category_id", "class", "class_id"])
def test_classes_are_numbers_where_they_are_written_as_text_or_in_another_field(write, field):
    people = read(write([box(score=i, **{field: number}) for i, number in enumerate(["1", "2", 1])]))
    assert people.scores.tolist() == [0, 2]
    with pytest.raises(UserError, match="'category_id' is 0 in 1 of 2 box records and 1 in 0"):
        read(write([box(**{field: 0}), box(**{field: 16})]))


def test_shares_of_a_picture_are_refused(write):
    with pytest.raises(UserError, match="all boxes lie between 0 and 1, as shares of their pictures; write 'bbox'"):
        read(write([box(bbox=[0.1, 0.2, 0.9, 1.02]), box(bbox=[0.3, 0.1, 0.2, 0.8])]))


def test_records_without_a_category_are_people(write):
    people = read(write([box(), box(category_id=None), box(category_id=2), box(20, category_id=1)]))
    np.testing.assert_array_equal(people.image_index, [1, 1, 2])


@pytest.mark.parametrize(
    ("classes", "person_class", "read_scores", "warning"),
    [
        ([1, 3, 1], None, [0, 2], "1 of 3 boxes have a 'category_id' other than 1 (person); they are left out"),
        ([1, 0, 1], None, [0, 2], "1 of 3 boxes have a 'category_id' other than 1 (person); they are left out"),
        ([0, 0, 1], 0, [0, 1], "1 of 3 boxes have a 'category_id' other than 0 (person); they are left out"),
        ([0, 0, 1], 1, [2], "2 of 3 boxes have a 'category_id' other than 1 (person); they are left out"),
        ([0, 0, 0], 0, [0, 1, 2], None),
        ([2, None, 7], 2, [0, 1], "1 of 3 boxes have a 'category_id' other than 2 (person); they are left out"),
    ],
)
def test_classes_that_are_no_people_are_counted(write, caplog, classes, person_class, read_scores, warning):
    path = write([box(category_id=category, score=score) for score, category in enumerate(classes)])
    people = person_boxes.read(str(path), IDS, NAMES, skeletons.BODY12, person_class=person_class)
    assert people.scores.tolist() == read_scores
    assert caplog.messages == ([f"{path}: {warning}"] if warning else [])


def test_boxes_that_can_only_be_corners_are_refused(write):
    boxes = [[10, 20, 100, 80], [100, 60, 90, 80], [120, 30, 70, 100], [60, 70, 80, 75]]
    wrong = [[x, y, x + w, y + h] for x, y, w, h in boxes]
    sizes = np.tile([150, 200], (3, 1))
    path = write([box(bbox=each) for each in boxes])
    assert len(person_boxes.read(str(path), IDS, NAMES, skeletons.BODY12, image_sizes=sizes)) == 4
    path = write([box(bbox=each) for each in wrong])
    with pytest.raises(
        UserError, match=r"boxes\.json: 3 of 4 boxes leave their pictures .* fit as left, top, right, bot"
    ):
        person_boxes.read(str(path), IDS, NAMES, skeletons.BODY12, image_sizes=sizes)
    assert len(person_boxes.read(str(path), IDS, NAMES, skeletons.BODY12, image_sizes=0 * sizes)) == 4
    assert len(read(path)) == 4


def test_names_without_a_suffix_and_of_a_videos_frames(write):
    people = read(write([box(image_id=None, file_name=name) for name in ("two", "x/two")]))
    np.testing.assert_array_equal(people.image_index, [1, 1])
    path = write([box(name) for name in ("0.jpg", "walk_000000000002.jpg", "9.jpg")])
    people = person_boxes.read(str(path), np.arange(3), ["walk.mp4"] * 3, skeletons.BODY12)
    np.testing.assert_array_equal(people.image_index, [0, 2])


def test_of_frames_of_one_name_the_id_decides(write, caplog):
    names, ids = ["v.mp4", "v.mp4", "v.mp4", "other.mp4"], np.arange(4)
    boxes = [
        box(1, file_name="v.mp4"),
        box(0, file_name="v.mp4"),
        box(9, file_name="v.mp4"),
        box(0, file_name="other.mp4"),
        {"file_name": "v.mp4", "bbox": [1, 2, 3, 4], "score": 1},
    ]
    people = person_boxes.read(str(write(boxes)), ids, names, skeletons.BODY12)
    np.testing.assert_array_equal(people.image_index, [0, 1, 3])
    assert "left out 2 boxes of other images (first 'file_name': v.mp4)" in caplog.text
    annotation = {"id": 1, "image_id": 2, "bbox": [1, 2, 3, 4], "keypoints": [1, 1, 2] * 12}
    images = [{"id": frame, "file_name": "v.mp4"} for frame in (2, 1)]
    content = {"images": images, "annotations": [annotation, {**annotation, "id": 2, "image_id": 1}]}
    people = person_boxes.read(str(write(content)), ids, names, skeletons.BODY12)
    np.testing.assert_array_equal(people.image_index, [1, 2])


def test_annotations_bring_labels_in_the_models_joints(write):
    keypoints = np.arange(42.0).reshape(14, 3)
    keypoints[:, 2] = np.arange(14) % 3
    annotation = {"id": 1, "image_id": 77, "bbox": [1, 2, 3, 4], "iscrowd": 0, "keypoints": keypoints.ravel().tolist()}
    people = read(
        write(
            {
                "images": [{"id": 77, "file_name": "two.jpg"}, {"id": 78, "file_name": "other.jpg"}],
                "annotations": [
                    annotation,
                    {**annotation, "id": 2, "iscrowd": 1},
                    {**annotation, "id": 3, "image_id": 78},
                ],
            }
        )
    )
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
        ([box(category_id=3)], r"no box has 'category_id' 1 \(person\)"),
        ([box(), box(bbox=[1, 2, 3])], "box number 2: 'bbox' has 3 values, expected 4 numbers"),
        ([box(category_id=3)] * 4 + [box(bbox=[1, 2, 3])], "box number 5: 'bbox' has 3 values"),
        ([box(bbox=[1, float("nan"), 3, 4])], "box number 1: 'bbox' holds NaN or infinity"),
        ([box(bbox="all")], "box number 1: 'bbox' holds 'all', expected 4 numbers"),
        ([box(), {"image_id": 10, "bbox": [1, 2, 3, 4]}], "box number 2: has no 'score'"),
        ([{"bbox": [1, 2, 3, 4]}], "box number 1: has no 'image_id'"),
        ([box(image_id="ten")], r"no box belongs to any of the images \(first 'image_id': ten\)"),
        ([box(), box(image_id="ten")], "'image_id' holds 'ten', expected a number"),
        ([box(image_id="two.jpg"), box()], "box number 2: 'image_id' is 10, expected a text"),
        (CROWD, "all annotations are crowd regions"),
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
    np.testing.assert_array_equal(person_boxes.inside(boxes, (30, 40)), [True, False, True, False, True, False])
