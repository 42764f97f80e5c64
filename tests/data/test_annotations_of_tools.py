"""COCO-format files as annotation tools write them: other categories, names, areas, boxes and flags than COCO's own."""

import copy
import json
import logging

import numpy as np
import pytest
from tool_files import category, content, person

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.data import label_check
from opec_tf.data.annotations import loading
from opec_tf.evaluation import protocols
from opec_tf.poses import skeletons
from opec_tf.poses.predictions import PosePredictions
from opec_tf.poses.skeletons import COCO17, CROWDPOSE14


@pytest.fixture
def read(tmp_path, caplog):
    """Function (content, format) that gives the people and the warnings, without the file's name."""

    def read_content(data, annotation_format="coco"):
        path = tmp_path / "tool.json"
        path.write_text(json.dumps(data))
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            people = loading.read(annotation_format, path, "")
        assert all(message.startswith(f"{path}: ") for message in caplog.messages)
        return people, [message[len(f"{path}: ") :] for message in caplog.messages]

    return read_content


HORSES = [person(3, category_id=2), person(4, category_id=2)]
BALL = {"id": 9, "image_id": 1, "category_id": 37, "bbox": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("categories", "annotations", "ids", "warning"),
    [
        ([category(1, "person"), category(2, "horse", list("abc"))], [person(1), *HORSES], [1], "person (horse)"),
        ([category(2, "horse", list("abc")), category(1, "Person")], [person(1), *HORSES], [1], "Person (horse)"),
        ([category(1, "person"), category(37, "ball", ())], [person(1), BALL], [1], "person (ball)"),
        ([category(1, "person")], [person(1), BALL], [1], "person"),
        ([category(0, "poses", ()), category(1, "person")], [person(1), person(2)], [1, 2], None),
        ([category(0, "person", ()), category(1, "person")], [person(1), person(2, category_id=0)], [1, 2], None),
        ([category(0, "poses", ()), category(1, "player")], [person(1), person(2)], [1, 2], None),
        ([category(1, "player", ()), category(37, "ball", ())], [person(1), BALL], [1], "player (ball)"),
        ([category(1, "player"), category(2, "referee")], [person(1), person(2)], [1, 2], None),
        ([category(5, "player")], [person(1), person(2, category_id=2)], [1, 2], None),
        ([category(1, "person")], [person(1, category_id=None), person(2)], [1, 2], None),
        ([category("p", "person"), category("h", "horse")], [person(1, category_id="p")], [1], None),
        ([category(1, "person"), category(2, "horse")], [person(1, category_id="1"), *HORSES], [1], "person (horse)"),
        ([category("1", "person"), category("2", "horse")], [person(1), *HORSES], [1], "person (horse)"),
        ([category(1, "Human"), category(2, "horse")], [person(1), *HORSES], [1], "Human (horse)"),
        ([category(1, "people"), category(2, "horse")], [person(1), *HORSES], [1], "people (horse)"),
        ([category(2, "people", ()), category(1, "pose")], [person(1), HORSES[0]], [1], "pose (people)"),
        (None, [person(1), *HORSES], [1, 3, 4], None),
    ],
)
def test_people_are_of_the_category_that_is_named_person_or_of_the_only_one_with_joints(
    read, categories, annotations, ids, warning
):
    people, warnings = read(content(annotations, categories))
    assert people.annotation_ids.tolist() == ids and people.skeleton == COCO17
    count = len(annotations) - len(ids)
    said = f"left out {count} of {len(annotations)} annotations whose category is not {warning}"
    assert warnings == ([said] if warning else [])


@pytest.mark.parametrize("annotation_format", ["coco", "crowdpose"])
def test_joint_names_are_those_of_the_category_of_people(read, annotation_format):
    """A parent category stands first, and the joints in another order than any that is known: not read by number."""
    reverse = CROWDPOSE14.joints[::-1]
    data = content([person(1, 14)], [category(0, "crowd-pose", ()), category(1, "person", reverse)])
    with pytest.raises(UserError) as caught:
        read(data, annotation_format)
    assert "the category's joints (neck, head, right_ankle" in str(caught.value)
    assert "reorder them to one of these: crowdpose14: left_shoulder, right_shoulder" in str(caught.value)


def test_a_message_about_names_of_an_unknown_number_lists_all_sets(read):
    with pytest.raises(UserError) as caught:
        read(content([person(1, 3)], [category(1, "person", ["nose", "tail", "fin"])]))
    for skeleton in skeletons.SKELETONS.values():
        assert f"{skeleton.name}: {', '.join(skeleton.joints)}" in str(caught.value)


@pytest.mark.parametrize(
    "write",
    [
        lambda name: name.title().replace("_", "-"),
        lambda name: name.upper().replace("_", " "),
        lambda name: name.replace("_", ""),
        lambda name: f" {name}\t",
        lambda name: {"head": "Head-Top", "neck": "upper neck"}.get(name, name),
    ],
)
def test_names_are_matched_whatever_their_case_hyphens_and_blanks(read, write):
    for skeleton in (COCO17, CROWDPOSE14):
        names = [write(joint) for joint in skeleton.joints]
        people, _ = read(content([person(1, skeleton.num_joints)], [category(1, "PERSON", names)]))
        assert people.skeleton == skeleton


def test_ids_of_no_category_are_refused(read):
    with pytest.raises(UserError, match=r"the annotations' 'category_id' \(0, 3\) are none of 'categories' \(1, 2\)"):
        read(content([person(1, category_id=0), person(2, category_id=3)], [category(1, "cat"), category(2, "dog")]))


def test_other_annotations_stay_where_a_file_is_written_anew(tmp_path):
    """What prepare_data checked leaves out is people."""
    data = content([person(1), {**BALL, "id": "b"}], [category(1, "person"), category(37, "ball", ())])
    files.write_json(tmp_path / "labels.json", data)
    keypoints = np.reshape(person(1)["keypoints"], [1, 17, 3]) * [1, 1, 0.4]
    PosePredictions([1], keypoints, [1.0], [[10, 20, 100, 80]]).write(tmp_path / "poses.json")
    label_check.write(tmp_path / "out", tmp_path / "labels.json", tmp_path, tmp_path / "poses.json")
    written = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert [annotation["id"] for annotation in written["annotations"]] == [1, "b"]


@pytest.mark.parametrize("area", [0, 0.0, None, ...])
def test_an_area_of_0_or_none_is_the_boxs(read, area):
    people = [person(1), person(2, area=area), person(3, area=area)]
    if area is ...:
        del people[1]["area"], people[2]["area"]
    found, warnings = read(content(people))
    assert found.areas.tolist() == [4000, 8000, 8000]
    assert warnings == ["2 people (first: annotation 2) have no 'area', or one of 0; the area of their box is taken"]
    one_off = PosePredictions([1, 1, 1], found.keypoints + [1, 0, 0], np.ones(3), found.boxes)
    assert protocols.evaluate(found, one_off, "coco")["AP"] == pytest.approx(1.0)


def test_who_has_no_area_in_crowdpose_is_as_ever(read):
    """Its files have none, and none of its protocols wants one."""
    people, warnings = read(content([person(1, 14, area=None)]), "crowdpose")
    assert (people.areas.tolist(), warnings) == ([8000], [])


@pytest.mark.parametrize("box", [None, ...])
def test_a_missing_box_is_that_around_the_labelled_joints(read, box):
    people = [person(1), person(2, bbox=box, area=None)]
    people[1]["keypoints"][:3] = [0, 0, 0]
    if box is ...:
        del people[1]["bbox"]
    found, warnings = read(content(people, [category(1, "person")]))
    assert found.boxes.tolist() == [[10, 20, 100, 80], [25, 33, 75, 45]]
    assert warnings == [
        "1 people (first: annotation 2) have no 'bbox'; the box around their labelled joints is taken",
        "1 people (first: annotation 2) have no 'area', or one of 0; the area of their box is taken",
    ]


@pytest.mark.parametrize(("flag", "is_crowd"), [(False, False), (True, True), (0, False), (1, True), (None, False)])
def test_a_crowd_may_be_true_or_false(read, flag, is_crowd):
    for flags in ([flag, flag], [flag, 0]):
        people, warnings = read(content([person(1, iscrowd=flags[0]), person(2, iscrowd=flags[1])]))
        assert people.is_crowd.tolist() == [is_crowd, bool(flags[1])] and warnings == []
    with pytest.raises(UserError, match="annotation 1: 'iscrowd' holds 'no', expected a number"):
        read(content([person(1, iscrowd="no"), person(2)]))


def test_a_message_repeats_no_more_than_the_beginning_of_a_value(read):
    with pytest.raises(UserError) as caught:
        read(content([person("x" * 5000)]))
    assert f": annotation {'x' * 100}...: 'id' holds '{'x' * 99}..., expected a number" in str(caught.value)


def test_mpii_joints_may_be_true_or_false(read):
    one = {
        "image": "1.jpg",
        "scale": 1,
        "center": [50, 50],
        "joints": [[9, 9]] * 16,
        "joints_vis": [True] + [False] * 15,
    }
    people, _ = read([one], "mpii")
    assert (people.keypoints[0, :, 2] > 0).tolist() == [True] + [False] * 15


def test_an_empty_list_of_joints_is_unlabelled(read):
    """As a track of CVAT has it where nobody placed the joints; the joint set is that of the others."""
    people, warnings = read(content([person(1, keypoints=[]), person(2)]))
    assert people.skeleton == COCO17 and people.num_keypoints.tolist() == [0, 17] and warnings == []
    assert people.is_scoreable.tolist() == [False, True]


def corners(boxes):
    return [[x, y, x + w, y + h] for x, y, w, h in boxes]


BOXES = [[10, 20, 100, 80], [100, 60, 90, 80], [120, 30, 70, 100], [60, 70, 80, 75]]


def test_boxes_that_can_only_be_corners_are_refused(read):
    people = [person(i, bbox=box) for i, box in enumerate(BOXES)]
    assert read(content(people))[0].boxes.tolist() == BOXES
    wrong = [{**one, "bbox": box} for one, box in zip(copy.deepcopy(people), corners(BOXES))]
    with pytest.raises(UserError) as caught:
        read(content(wrong))
    assert str(caught.value).endswith(
        "3 of 4 boxes leave their pictures as x, y, width, height and fit as left, top, right, bottom; write 'bbox' as "
        "x, y, width, height"
    )
    shares = [{**one, "bbox": [0.1, 0.2, 0.5, 0.6]} for one in people]
    with pytest.raises(UserError, match="all boxes lie between 0 and 1, as shares of their pictures"):
        read(content(shares))
    # Somebody who is boxed beyond the picture's border is no such file, nor are pictures of unknown size.
    people[1]["bbox"] = [100, 60, 190, 80]
    assert read(content(people))[0].num_people == 4
    unknown = content(wrong)
    del unknown["images"][0]["width"]
    assert read(unknown)[0].num_people == 4
