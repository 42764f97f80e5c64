"""Who is cut out and who stands behind, and who is laid over whom."""

import json

import masked_people
import numpy as np
import pytest

from opec_tf.data.pasted import couples, people


def _source(folder, count=8, change=None):
    path, images = masked_people.write(folder, count)
    content = json.loads(path.read_text())
    if change:
        change(content)
        path.write_text(json.dumps(content))
    return people.read(path, images)


def test_whoever_is_whole_can_do_both(tmp_path):
    source = _source(tmp_path)
    assert source.can_stand_behind.all() and all(source.can_be_cut_out(row) for row in range(8))
    np.testing.assert_allclose(source.heights, 24 / 0.245, rtol=0.03)
    assert source.mask(3).sum() == 40 * 108


def test_who_cannot(tmp_path):
    def change(content):
        person = content["annotations"]
        person[0]["segmentation"] = None  # stands behind only
        person[1]["bbox"][2:] = [30.0, 70.0]  # small
        for joint in (8, 9):
            person[2]["keypoints"][3 * joint : 3 * joint + 3] = [0, 0, 0]  # no knees: stands behind only
        person[3]["keypoints"][: 3 * 7] = [0] * 21  # 7 joints are left
        size = (content["images"][4]["height"], content["images"][4]["width"])
        person[4]["segmentation"] = masked_people.segmentation(np.ones(size, np.uint8), "runs")  # cut by every border
        crowd = {**person[5], "id": 99, "iscrowd": 1, "keypoints": [0] * 42}
        content["annotations"].append(crowd)  # the fifth's picture has a crowd: can be cut out of it only

    source = _source(tmp_path, change=change)
    assert source.can_stand_behind.tolist() == [True, False, True, False, True, False, True, True, False]
    assert [source.can_be_cut_out(row) for row in range(9)] == [False] * 5 + [True] * 3 + [False]


def test_boxes_that_are_to_overlap_follow_table_1(tmp_path):
    source = _source(tmp_path)
    chosen = couples.choose(source, np.arange(8), 2000, "train", np.random.default_rng(0))
    wanted = np.array([couple.iou for couple in chosen])
    for level, share in ((0.3, 0.90), (0.5, 0.76), (0.75, 0.27)):
        assert np.mean(wanted > level) == pytest.approx(share, abs=0.03)
    assert wanted.min() > 0.1 and wanted.max() < 0.85


def test_everybody_stands_behind_in_turn_and_over_nobody_of_the_own_picture(tmp_path):
    source = _source(tmp_path)
    images = np.array([0, 2, 3, 7])
    chosen = couples.choose(source, images, 12, "train", np.random.default_rng(0))
    assert sorted(couple.behind for couple in chosen) == sorted([0, 2, 3, 7] * 3)
    assert all(couple.behind not in couple.in_front for couple in chosen)
    assert {row for couple in chosen for row in couple.in_front} == {0, 2, 3, 7}


def test_the_likelier_have_boxes_that_can_overlap_so_and_pixels_enough(tmp_path):
    def change(content):
        content["annotations"][1]["bbox"][2] = 20.0  # half as wide as the others: an IoU of 0.5 at most
        joints = np.array(content["annotations"][2]["keypoints"]).reshape(14, 3)
        joints[:, :2] = joints[:, :2].mean(axis=0) + 0.6 * (joints[:, :2] - joints[:, :2].mean(axis=0))
        content["annotations"][2]["keypoints"] = joints.ravel().tolist()  # would have to be enlarged

    source = _source(tmp_path, count=4, change=change)
    chosen = couples.choose(source, np.arange(4), 200, "train", np.random.default_rng(0))
    first = {couple.in_front[0] for couple in chosen if couple.iou > 0.6 and couple.behind == 0}
    assert first == {3}


def test_pictures_are_parted_by_shares(tmp_path):
    parts = couples.split_images(_source(tmp_path), {"train": 3, "val": 1}, 0)
    assert [len(part) for part in parts.values()] == [6, 2]
    assert sorted(np.concatenate(list(parts.values()))) == list(range(8))
    others = couples.split_images(_source(tmp_path / "again"), {"train": 3, "val": 1}, 1)
    assert set(others["val"]) != set(parts["val"])
