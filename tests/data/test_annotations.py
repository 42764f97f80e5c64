"""Readers: real files of every format, COCO and CrowdPose by hand, and exact round trips."""

import dataclasses
import json
import logging

import numpy as np
import pytest

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.data.annotations import loading
from opec_tf.poses import skeletons
from opec_tf.poses.pose_annotations import concatenate
from opec_tf.poses.skeletons import BODY12, COCO17, CROWDPOSE14, MPII16, OCCLUDED, UNLABELLED, VISIBLE


def _write(tmp_path, data, name="data.json"):
    path = tmp_path / name
    path.write_text(json.dumps(data))
    return path


def _crowdpose(num_people=2):
    """A CrowdPose file of one image; person p's joint k lies at (10 p + k, k + 0.25), v = 1, 2, 0, 1, ..."""
    people = [
        {
            "id": 100 + p,
            "image_id": 7,
            "category_id": 1,
            "iscrowd": 0,
            "bbox": [10.5 * p, 0, 20, 30.25],
            "keypoints": [n for k in range(14) for n in (10 * p + k, k + 0.25, (1, 2, 0)[k % 3])],
        }
        for p in range(num_people)
    ]
    image = {"id": 7, "file_name": "7.jpg", "width": 100, "height": 50, "crowdIndex": 0.76}
    return {"images": [image], "annotations": people, "categories": [{"id": 1, "name": "person"}]}


def _assert_equal(first, second):
    assert first.skeleton == second.skeleton
    for name, value in vars(first).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(second, name), err_msg=name)


@pytest.mark.parametrize(
    ("source", "skeleton", "images", "people"),
    [
        ("crowdpose:crowdpose/crowdpose_val.json:crowdpose", CROWDPOSE14, 2000, 8527),
        ("crowdpose:crowdpose/test_crowdpose.json:crowdpose", CROWDPOSE14, 2, 5),
        ("coco:crowdpose/crowdpose_val.json:crowdpose", CROWDPOSE14, 2000, 8527),
        ("coco:coco/test_coco.json:coco", COCO17, 4, 14),
        ("coco:coco_train_subset/person_keypoints_train2017_subset.json:coco_train_subset/images", COCO17, 119, 313),
        ("ochuman:ochuman/test_ochuman.json:ochuman", COCO17, 3, 5),
        ("mpii:mpii/test_mpii.json:mpii", MPII16, 5, 5),
    ],
)
def test_real_files_are_read_and_survive_a_round_trip(real_samples, tmp_path, source, skeleton, images, people):
    loaded = loading.load(source, real_samples)
    assert (loaded.skeleton, loaded.num_images, loaded.num_people) == (skeleton, images, people)
    assert loaded.has_usable_box.all()
    path = tmp_path / "copy.json"
    files.write_json(path, loaded.to_coco())
    _assert_equal(loading.read("coco", path, "elsewhere"), loaded)


def test_real_labels_lie_in_their_boxes(real_samples):
    """Wrong axes or joint strides would scatter them."""
    for source in ("mpii:mpii/test_mpii.json:mpii", "ochuman:ochuman/test_ochuman.json:ochuman"):
        people = loading.load(source, real_samples)
        low, extent = people.boxes[:, None, :2], people.boxes[:, None, 2:]
        inside = np.all((people.keypoints[..., :2] >= low) & (people.keypoints[..., :2] <= low + extent), axis=-1)
        labelled = people.keypoints[..., 2] != UNLABELLED
        assert inside[labelled].mean() > 0.95


def test_crowdpose_val_reads_as_its_file_says(real_samples):
    path = real_samples / "crowdpose" / "crowdpose_val.json"
    people = loading.read("crowdpose", path, "images")
    raw = json.loads(path.read_text())["annotations"]
    np.testing.assert_array_equal(people.num_keypoints, [person["num_keypoints"] for person in raw])
    np.testing.assert_array_equal(people.keypoints.reshape(-1, 42), [person["keypoints"] for person in raw])
    assert np.sum(people.is_crowd) == 106


def test_crowdpose_by_hand(tmp_path):
    people = loading.load(f"crowdpose:{_write(tmp_path, _crowdpose())}:images", "/data")
    assert people.image_paths.tolist() == ["/data/images/7.jpg"]
    assert people.image_sizes.tolist() == [[50, 100]]
    assert people.crowd_index.tolist() == [0.76]
    assert people.areas.tolist() == [20 * 30.25] * 2  # no area in the file: the box's
    assert people.keypoints[1, 4].tolist() == [14, 4.25, VISIBLE]
    # Labelled: joints 0, 1, 3, 4, 6, 7, 9, 10, and of head and neck (12, 13), not counted, both.
    assert people.num_keypoints.tolist() == [8, 8]


def test_with_skeleton_maps_by_name_and_leaves_the_rest_unlabelled(tmp_path):
    people = loading.read("crowdpose", _write(tmp_path, _crowdpose()), "")
    coco = people.with_skeleton(COCO17)
    np.testing.assert_array_equal(coco.keypoints[:, 5:], people.keypoints[:, :12])
    assert not coco.keypoints[:, :5].any()
    np.testing.assert_array_equal(coco.with_skeleton(BODY12).keypoints, people.with_skeleton(BODY12).keypoints)
    mpii = people.with_skeleton(MPII16)
    assert mpii.keypoints[0, MPII16.joints.index("head")].tolist() == [12, 12.25, OCCLUDED]
    assert mpii.keypoints[0, MPII16.joints.index("pelvis")].tolist() == [0, 0, UNLABELLED]


def test_select_keeps_all_images_and_select_images_renumbers_rows(tmp_path):
    data = _crowdpose(3)
    data["images"] += [{"id": 8, "file_name": "8.jpg"}, {"id": 9, "file_name": "9.jpg"}]
    data["annotations"][1]["image_id"] = 9
    people = loading.read("crowdpose", _write(tmp_path, data), "")
    assert [rows.tolist() for rows in people.rows_by_image()] == [[0, 2], [], [1]]
    assert people.select(people.annotation_ids == 101).num_images == 3
    part = people.select_images([2])
    assert (part.image_ids.tolist(), part.annotation_ids.tolist(), part.image_index.tolist()) == ([9], [101], [0])
    assert part.with_new_ids().image_ids.tolist() == [1]


def test_several_sets_are_joined_with_unique_ids(tmp_path):
    path = _write(tmp_path, _crowdpose())
    one = loading.load_all([f"crowdpose:{path}:a"], "/r", BODY12)
    assert (one.image_ids.tolist(), one.annotation_ids.tolist()) == ([7], [100, 101])
    two = loading.load_all([f"crowdpose:{path}:a", f"coco:{path}:b"], "/r", BODY12)
    assert (two.image_ids.tolist(), two.annotation_ids.tolist()) == ([1, 2], [1, 2, 3, 4])
    assert two.image_index.tolist() == [0, 0, 1, 1]
    assert two.image_paths.tolist() == ["/r/a/7.jpg", "/r/b/7.jpg"]
    assert two.keypoints.shape == (4, 12, 3)


def test_real_coco_and_crowdpose_join_to_twelve_joints(real_samples):
    sources = ["coco:coco/test_coco.json:coco", "crowdpose:crowdpose/test_crowdpose.json:crowdpose"]
    people = loading.load_all(sources, real_samples, BODY12)
    assert (people.num_images, people.num_people) == (6, 19)
    coco = loading.load(sources[0], real_samples)
    np.testing.assert_array_equal(people.keypoints[:14], coco.keypoints[:, 5:])


def test_unusable_boxes_stay_and_are_counted_once(tmp_path, caplog):
    data = _crowdpose(4)
    data["annotations"][1]["bbox"] = [5, 5, 0, 10]
    data["annotations"][2]["bbox"] = [100, 0, 10, 10]  # the image is 100 wide
    data["annotations"][3]["bbox"] = [-9, -9, 10, 10]
    with caplog.at_level(logging.WARNING):
        people = loading.read("crowdpose", _write(tmp_path, data), "")
    assert people.num_people == 4
    assert people.has_usable_box.tolist() == [True, False, False, True]
    assert len(caplog.records) == 1
    assert "2 people (first: annotation 101) have a 'bbox' without area or outside their image" in caplog.text


def test_a_num_keypoints_that_contradicts_the_joints_is_counted(tmp_path, caplog):
    data = _crowdpose()
    data["annotations"][1]["num_keypoints"] = 0
    people = loading.read("crowdpose", _write(tmp_path, data), "")
    assert people.num_keypoints.tolist() == [8, 8]
    assert "1 people (first: annotation 101) have a 'num_keypoints'" in caplog.text


def test_ocpose_in_coco_form(tmp_path, real_samples):
    people = loading.load("crowdpose:crowdpose/test_crowdpose.json:x", real_samples, BODY12)
    _assert_equal(loading.read("ocpose", _write(tmp_path, people.to_coco()), ""), people)


def test_category_names_decide_the_joint_set(tmp_path):
    data = _crowdpose()
    names = ["top_head" if joint == "head" else joint for joint in CROWDPOSE14.joints]
    data["categories"][0]["keypoints"] = names
    assert loading.read("coco", _write(tmp_path, data), "").skeleton == CROWDPOSE14
    data["categories"][0]["keypoints"] = names[::-1]
    with pytest.raises(UserError, match="are none of the known joint sets body12, crowdpose14, coco17, mpii16"):
        loading.read("coco", _write(tmp_path, data), "")


@pytest.mark.parametrize(
    ("text", "annotations", "images"),
    [
        ("coco:a.json:b", "a.json", "b"),
        ('coco:"C:/a,b.json":"with, comma"', "C:/a,b.json", "with, comma"),
        ('"coco:a.json":b', None, None),
        ('coco:5" screens.json:b', '5" screens.json', "b"),
    ],
)
def test_paths_with_a_colon_or_comma_are_quoted(text, annotations, images):
    if annotations is None:
        with pytest.raises(UserError, match="and a path with a colon or comma in double quotes"):
            loading.DatasetSource.parse(text)
        return
    source = loading.DatasetSource.parse(text)
    assert (source.format, source.annotations, source.images) == ("coco", annotations, images)


@pytest.mark.parametrize("text", ["crowdpose:val.json", "crowdpose::images", "voc:val.json:images", ""])
def test_bad_data_set_names(text):
    with pytest.raises(UserError, match="data set"):
        loading.DatasetSource.parse(text)


def test_no_data_set_is_an_error():
    with pytest.raises(UserError, match="no data set is given"):
        loading.load_all((), "", skeletons.BODY12)


def test_visibility_is_what_the_labels_tell(tmp_path):
    """v = 1, 2, 0 in turn; the image is 100 x 50. Head and neck say nothing in CrowdPose, all in generated ones."""
    data = _crowdpose()
    data["annotations"][1]["keypoints"][3:5] = [100, 20]
    people = loading.read("crowdpose", _write(tmp_path, data), "")
    assert people.visibility[0].tolist() == [1, 0, -1] * 4 + [-1, -1]
    assert people.visibility[1].tolist() == [1, 2, -1] + [1, 0, -1] * 3 + [-1, -1]
    data["info"] = {"generator": "opec_tf synthetic couples", "version": 1}
    generated = loading.read("crowdpose", _write(tmp_path, data), "")
    assert generated.visibility[0].tolist() == [1, 0, 2] * 4 + [1, 0]
    assert generated.with_skeleton(COCO17).visibility[0].tolist() == [-1] * 5 + [1, 0, 2] * 4
    assert generated.select([0]).visibility.tolist() == generated.visibility[:1].tolist()
    both = concatenate([generated, people])
    assert both.visibility[:, 2].tolist() == [2, 2, -1, -1]


def test_what_labels_do_not_tell_of_visibility_survives_a_round_trip(tmp_path):
    """As MPII, of which nothing is known, and of one person all; who is as labelled gets no field."""
    labelled = loading.read("crowdpose", _write(tmp_path, _crowdpose(num_people=3)), "")
    visibility = labelled.visibility.copy()
    visibility[0], visibility[2] = -1, [0, 1, 2, -1] * 3 + [0, 2]
    people = dataclasses.replace(labelled, visibility=visibility)
    data = people.to_coco()
    told = [person.get("joint_visibility") for person in data["annotations"]]
    assert told[:2] == [[None] * 14, None] and told[2][:4] == ["visible", "occluded", "outside", None]
    _assert_equal(loading.read("coco", _write(tmp_path, data), ""), people)
    for wrong in ([None] * 13, "visible", [*[None] * 13, "hidden"], [[]] * 14):
        data["annotations"][2]["joint_visibility"] = wrong
        message = "annotation 102: 'joint_visibility' is not a list of 14 of visible, occluded, outside or null"
        with pytest.raises(UserError, match=message):
            loading.read("coco", _write(tmp_path, data), "")


def test_who_hides_a_joint_survives_mapping_joining_and_a_round_trip(tmp_path):
    """Only the first person's file says it."""
    data = _crowdpose()
    codes = [0, 1, 2, 3, -1, 0, 0, 0, 0, 0, 0, 0, 1, 2]
    data["annotations"][0]["hidden_by"] = codes
    people = loading.read("crowdpose", _write(tmp_path, data), "")
    assert people.hidden_by.tolist() == [codes, [-1] * 14]
    assert people.with_skeleton(COCO17).hidden_by[0].tolist() == [-1] * 5 + codes[:12]
    assert people.select([1, 0]).hidden_by[1].tolist() == codes
    assert concatenate([people.select([1]), people]).hidden_by[1].tolist() == codes
    written = people.to_coco()
    assert [person.get("hidden_by") for person in written["annotations"]] == [codes, None]
    _assert_equal(loading.read("crowdpose", _write(tmp_path, written), ""), people)
    for wrong in (codes[:13], 2, [*codes[:13], 4], [*codes[:13], "self"], [*codes[:13], True], [[]] * 14):
        data["annotations"][0]["hidden_by"] = wrong
        message = (
            "annotation 100: 'hidden_by' is not a list of 14 of -1 unknown, 0 nobody, 1 self, 2 partner, 3 thing; "
        )
        with pytest.raises(UserError, match=message):
            loading.read("crowdpose", _write(tmp_path, data), "")
