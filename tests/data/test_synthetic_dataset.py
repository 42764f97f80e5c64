import json

import cv2
import numpy as np
import pytest

from opec_tf.common.errors import UserError
from opec_tf.data import processes
from opec_tf.data.annotations import loading
from opec_tf.data.synthetic import background, clothing, couple, dataset, interactions, shading, worker
from opec_tf.poses import skeletons


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("couples")
    return folder, dataset.write_dataset(folder, couples=20, seed=4, image_size=96, workers=2, progress=False)


def _files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_files_follow_crowdpose(written):
    folder, _ = written
    ids = set()
    held_out = {"new_kinds": 4, "new_clothes": 4, "new_both": 4}
    for split, size in {"train": 14, "val": 2, "test": 4, **held_out}.items():
        content = json.loads((folder / split / "annotations.json").read_text())
        assert len(content["images"]) == size and len(list((folder / split / "images").iterdir())) == size
        assert content["categories"][0]["keypoints"] == list(skeletons.CROWDPOSE14.joints)
        kinds = interactions.NEW_KINDS if split in ("new_kinds", "new_both") else interactions.SEEN_KINDS
        for image in content["images"]:
            assert set(image) == {"file_name", "id", "height", "width", "crowdIndex", "interaction", "family"}
            assert interactions.FAMILY_OF[image["interaction"]] == image["family"]
            assert cv2.imread(str(folder / split / "images" / image["file_name"])).shape == (96, 96, 3)
            assert image["interaction"] in kinds and image["crowdIndex"] >= 0
            assert image["id"] not in ids
            ids.add(image["id"])
        assert len({annotation["id"] for annotation in content["annotations"]}) == len(content["annotations"])
        for annotation in content["annotations"]:
            fields = {"num_keypoints", "iscrowd", "keypoints", "hidden_by", "image_id", "bbox", "category_id", "id"}
            assert set(annotation) == fields
            points = np.array(annotation["keypoints"]).reshape(14, 3)
            assert set(points[:, 2]) <= {0, 1, 2}
            assert (points[points[:, 2] == 0] == 0).all()
            assert len(annotation["hidden_by"]) == 14 and set(annotation["hidden_by"]) <= {0, 1, 2, 3}
            assert ((np.array(annotation["hidden_by"]) > 0) == (points[:, 2] == 1)).all()
            assert (points[:, :2] >= -0.5).all() and (points[:, :2] <= 95.5).all()
            assert annotation["num_keypoints"] == (points[:12, 2] > 0).sum()
            x, y, w, h = annotation["bbox"]
            assert 0 <= x <= x + w <= 96.01 and 0 <= y <= y + h <= 96.01 and w > 4 and h > 4


def test_held_out_kinds_alone(tmp_path):
    settings = {"couples": 10, "seed": 0, "image_size": 64, "workers": 1, "progress": False}
    assert list(dataset.write_dataset(tmp_path, held_out=True, **settings)) == ["train", "val", "test"]
    contents = {path.parent.name: json.loads(path.read_text()) for path in tmp_path.glob("*/annotations.json")}
    assert {split: len(content["images"]) for split, content in contents.items()} == dataset.split_sizes(10, True)
    assert all(image["interaction"] in interactions.NEW_KINDS for c in contents.values() for image in c["images"])
    # Not taken for the couples of the other kinds.
    train = (tmp_path / "train/annotations.json").read_text()
    dataset.write_dataset(tmp_path, **settings)
    assert (tmp_path / "train/annotations.json").read_text() != train


def test_clothes_are_new_where_the_split_says_so(tmp_path, monkeypatch):
    """What each picture is asked to show: the two by two of kinds and clothes."""
    asked = []

    def jobs(module, task, pictures, **rest):
        asked.extend(pictures)
        raise KeyboardInterrupt

    monkeypatch.setattr(processes, "run", jobs)
    with pytest.raises(KeyboardInterrupt):
        dataset.write_dataset(tmp_path, couples=10, seed=0)
    shown = {picture["split"]: (picture["new_kinds"], picture["new_clothes"]) for picture in asked}
    assert list(shown.values()) == [(False, False)] * 3 + [(True, False), (False, True), (True, True)]
    tiles = {}
    for new in (False, True):
        outfits = [clothing.sample_outfit(np.random.default_rng(i), 0.5, new) for i in range(40)]
        tiles[new] = {outfit.top.tile for outfit in outfits}
    assert not tiles[False] & tiles[True] - {0}


def test_who_hides_a_joint_is_read_again(written):
    folder, _ = written
    people = loading.load("crowdpose:train/annotations.json:train/images", str(folder))
    hidden = people.keypoints[..., 2] == skeletons.OCCLUDED
    assert ((people.hidden_by > 0) == hidden).all()
    assert {1, 2} <= set(people.hidden_by[hidden].tolist())


def test_the_reader_takes_it(written):
    folder, summary = written
    people = loading.load("crowdpose:test/annotations.json:test/images", str(folder))
    assert (people.num_images, people.num_people) == (4, summary["test"]["people"])
    assert not np.isnan(people.crowd_index).any()


def test_the_same_whatever_the_number_of_workers(written, tmp_path):
    folder, summary = written
    assert dataset.write_dataset(tmp_path, couples=20, seed=4, image_size=96, workers=1, progress=False) == summary
    assert _files(tmp_path) == _files(folder)


def test_a_finished_folder_is_left_alone_and_a_broken_one_redone(written, tmp_path, monkeypatch):
    settings = {"couples": 10, "image_size": 64, "workers": 1, "progress": False}
    dataset.write_dataset(tmp_path, seed=0, **settings)
    first = _files(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(processes, "_start", None)
        dataset.write_dataset(tmp_path, seed=0, **settings)
    (tmp_path / "val" / "annotations.json").unlink()
    next((tmp_path / "test" / "images").iterdir()).unlink()
    dataset.write_dataset(tmp_path, seed=0, **settings)
    assert _files(tmp_path) == first
    dataset.write_dataset(tmp_path, seed=1, **settings)
    second = _files(tmp_path)
    assert set(second) == set(first) and all(second[name] != first[name] for name in first)


def test_wrong_settings_are_one_line(tmp_path):
    with pytest.raises(UserError, match="--couples=3 must be at least 10"):
        dataset.write_dataset(tmp_path, couples=3, seed=0)
    with pytest.raises(UserError, match="--image_size=8 must be from 64"):
        dataset.write_dataset(tmp_path, couples=10, seed=0, image_size=8)


def test_a_folder_that_vanishes_is_one_line(tmp_path, monkeypatch):
    # The worker's target is a folder, so that opening it for writing fails, for root too.
    monkeypatch.setattr(dataset, "Picture", lambda path, *rest: worker.Picture(str(tmp_path), *rest))
    with pytest.raises(UserError, match="cannot be written"):
        dataset.write_dataset(tmp_path, couples=10, seed=0, image_size=64, workers=1, progress=False)


def test_a_full_disk_is_told_with_the_file():
    pictures = [worker.Picture("/dev/full", 0, 0, False, False)._asdict()]
    with pytest.raises(UserError, match=r"^/dev/full: cannot be written \(No space left on device\); free some space"):
        list(worker.render({"seed": 0, "image_size": 64, "jobs": pictures}))


@pytest.mark.slowest
def test_overlap_is_that_of_ocpose(monkeypatch):
    """Table 1's statistic and the share of hidden joints, over geometry alone: nothing is shaded."""
    monkeypatch.setattr(shading, "shade", lambda *_: (None, None))
    monkeypatch.setattr(background, "paint", lambda *_: 0.0)
    monkeypatch.setattr(couple, "_develop", lambda *_: None)
    pictures = [couple.make_couple(np.random.default_rng([3, index]), 128) for index in range(400)]
    flags = np.stack([picture.keypoints[..., 2] for picture in pictures])
    overlap = np.array([couple.iou(p.boxes[:1], p.boxes[1:])[0, 0] for p in pictures])
    assert 0.44 < overlap.mean() < 0.52
    assert 0.85 < (overlap > 0.3).mean() < 0.96
    assert 0.25 < (flags == 1).sum() / (flags > 0).sum() < 0.42
    assert (flags == 0).mean() < 0.05
    assert {picture.interaction for picture in pictures} == set(interactions.SEEN_KINDS)
