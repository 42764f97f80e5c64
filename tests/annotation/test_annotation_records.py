"""The annotators' files: a round trip, where they lie, and what is said of those that are wrong."""

import dataclasses
import json

import numpy as np
import pytest

from opec_tf.annotation import records
from opec_tf.annotation.records import Annotation, Queued
from opec_tf.common.errors import UserError
from opec_tf.poses.skeletons import BODY12


def _couple(**changes):
    people = np.random.default_rng(3).uniform(0, 400, (2, 12, 3)).round(2)
    people[..., 2] = np.arange(24).reshape(2, 12) % 3
    annotation = Annotation("sub/a b.jpg", "anna", 640, 480, BODY12, 7, True, (10.5, 20.0, 300.25, 400.0), people)
    return dataclasses.replace(annotation, **changes)


def test_a_file_is_read_as_it_was_written(tmp_path):
    annotation = _couple()
    path = records.write(tmp_path, annotation)
    assert path == tmp_path / "anna" / "sub" / "a b.jpg.json"
    found = records.read(tmp_path, "anna", "sub/a b.jpg")
    assert found.to_json() == annotation.to_json()
    np.testing.assert_array_equal(found.people, annotation.people)
    assert (found.skeleton, found.pair_box) == (BODY12, (10.5, 20.0, 300.25, 400.0))
    lines = path.read_text().splitlines()
    assert lines[1] == '  "version": 1,'
    x, y, v = annotation.people[0, 0].tolist()
    assert lines[lines.index('    {"joints": [') + 1] == f"      [{x:g}, {y:g}, {v:.0f}],"
    assert len(list(path.parent.iterdir())) == 1


def test_coordinates_are_kept_to_a_hundredth_of_a_pixel(tmp_path):
    people = np.full((1, 12, 3), 2.0)
    people[0, 0] = [1.23456, -0.004, 2.0]
    records.write(tmp_path, _couple(people=people))
    found = records.read(tmp_path, "anna", "sub/a b.jpg").people
    np.testing.assert_array_equal(found[0, 0], [1.23, 0.0, 2.0])


def test_a_picture_with_nobody_and_without_a_box(tmp_path):
    records.write(tmp_path, _couple(people=np.zeros((0, 12, 3)), pair_box=None))
    found = records.read(tmp_path, "anna", "sub/a b.jpg")
    assert found.pair_box is None
    assert found.people.shape == (0, 12, 3)


def test_files_are_listed_by_annotator_and_picture(tmp_path):
    for annotator, picture in (("ben", "b.jpg"), ("anna", "sub/a.png"), ("anna", "b.jpg")):
        records.write(tmp_path, _couple(annotator=annotator, picture=picture))
    records.write_queue(tmp_path, [])
    (tmp_path / "anna" / ".partial-1.json").write_text("{")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "carl").mkdir()
    found = records.list_files(tmp_path)
    assert {annotator: list(paths) for annotator, paths in found.items()} == {
        "anna": ["b.jpg", "sub/a.png"],
        "ben": ["b.jpg"],
    }
    assert found["ben"]["b.jpg"] == records.path_of(tmp_path, "ben", "b.jpg")
    with pytest.raises(UserError, match="none: is no folder; give the --output_dir"):
        records.list_files(tmp_path / "none")


# Each: what is changed in a right file's content, and what is said of it.
FAULTS = {
    "version": ({"version": 2}, "is of version 2, this program reads version 1"),
    "no version": ({"version": None}, "'version' holds null, expected a number"),
    "traversal": ({"picture": "../a.jpg"}, "'../a.jpg' is no picture's path"),
    "absolute": ({"picture": "/etc/passwd"}, "'/etc/passwd' is no picture's path"),
    "annotator": ({"annotator": "a/b"}, "'a/b' cannot name an annotator"),
    "skeleton": ({"skeleton": "hand21"}, "'skeleton' is 'hand21', expected one of body12"),
    "width": ({"width": 0}, "'width' and 'height' must be above 0"),
    "half a revision": ({"revision": 1.5}, "'revision' is 1.5, expected a whole number"),
    "done": ({"done": 1}, "'done' true or false"),
    "box": ({"pair_box": [0, 0, -1, 5]}, "'pair_box' is -1 wide and 5 high"),
    "box of three": ({"pair_box": [0, 0, 5]}, "'pair_box' has 3 values, expected 4 numbers"),
    "box of NaN": ({"pair_box": [0, 0, 5, float("nan")]}, "'pair_box' holds NaN or infinity"),
    "people": ({"people": "two"}, "has 'two' where a list of person objects belongs"),
    "no joints": ({"people": [{}]}, "person number 1: has no 'joints'"),
    "joints of another skeleton": ({"people": [{"joints": [[1, 1, 2]] * 11}]}, "'joints' has 11 values, expected 12 x"),
    "text": ({"people": [{"joints": [["1", 1, 2]] * 12}]}, "person number 1: 'joints' holds"),
    "huge": ({"people": [{"joints": [[10**400, 1, 2]] * 12}]}, "person number 1: 'joints' holds"),
    "infinite": ({"people": [{"joints": [[float("inf"), 1, 2]] * 12}]}, "'joints' holds NaN or infinity"),
    "v": ({"people": [{"joints": [[1, 1, 3]] * 12}]}, "left_shoulder has v = 3, expected 0, 1 or 2"),
    "beyond": (
        {"people": [{"joints": [[640, 1, 2]] * 12}]},
        "left_shoulder is labelled at (640, 1), beyond the picture",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_file_is_named_with_its_field(fault, tmp_path):
    changes, message = FAULTS[fault]
    with pytest.raises(UserError) as caught:
        records.from_json("a.json", {**_couple().to_json(), **changes})
    assert str(caught.value).startswith("a.json: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_joint_outside_the_picture_may_lie_anywhere():
    people = np.full((1, 12, 3), [-300.0, 900.0, 0.0])
    assert records.from_json("a.json", _couple(people=people).to_json()).people[0, 0].tolist() == [-300, 900, 0]


def test_a_copied_file_is_told_from_its_original(tmp_path):
    path = records.write(tmp_path, _couple())
    copy = records.path_of(tmp_path, "ben", "sub/a b.jpg")
    copy.parent.mkdir(parents=True)
    copy.write_bytes(path.read_bytes())
    with pytest.raises(UserError, match="is of sub/a b.jpg by anna, by its content"):
        records.read(tmp_path, "ben", "sub/a b.jpg")


def test_the_queue_is_read_as_it_was_written(tmp_path):
    assert records.read_queue(tmp_path) == []
    queue = [Queued("a.jpg", "left wrist differs", ("anna", "ben")), Queued("sub/b.jpg", "somebody is missing", ())]
    path = records.write_queue(tmp_path, queue)
    assert records.read_queue(tmp_path) == queue
    value = json.loads(path.read_text())
    assert value["pictures"][0] == {"picture": "a.jpg", "reason": "left wrist differs", "annotators": ["anna", "ben"]}
    value["pictures"][1]["annotators"] = "anna"
    path.write_text(json.dumps(value))
    with pytest.raises(UserError, match="picture in sub/b.jpg: 'annotators' is no list of names"):
        records.read_queue(tmp_path)
