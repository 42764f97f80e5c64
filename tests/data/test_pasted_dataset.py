"""Pasted pairs, from a file that the test makes to the written splits; and over real people where there are any."""

import json

import cv2
import masked_people
import numpy as np
import pytest

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.data import processes
from opec_tf.data.annotations import loading
from opec_tf.data.pasted import dataset, people
from opec_tf.poses.skeletons import CROWDPOSE14

SPLITS = {"train": 2.0, "val": 1.0}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pasted")
    annotations, images = masked_people.write(folder / "source", 18)
    summary = dataset.write_dataset(folder / "out", annotations, images, 15, 3, SPLITS, workers=2, progress=False)
    return annotations, images, folder / "out", summary


def _files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_files_follow_crowdpose_and_nobody_is_in_two_splits(written):
    _, _, folder, summary = written
    seen, ids = {}, []
    for split, size in {"train": 10, "val": 5}.items():
        content = json.loads((folder / split / "annotations.json").read_text())
        assert len(content["images"]) == size and len(content["annotations"]) == 2 * size
        assert content["categories"][0]["keypoints"] == list(CROWDPOSE14.joints)
        assert all(0 <= image["crowdIndex"] for image in content["images"])
        seen[split] = {number for image in content["images"] for number in image["source"].values()}
        ids += [person["id"] for person in content["annotations"]] + [-image["id"] for image in content["images"]]
        assert summary[split]["images"] == size and summary[split]["iou30"] > 0.5
        sheet = cv2.imread(str(folder / split / "contact_sheet.jpg"))
        assert sheet.shape[0] > 360 and sheet.shape[1] > 4 * 360
    assert not seen["train"] & seen["val"]
    assert len(seen["train"]) > 8 and len(set(ids)) == len(ids)


def test_labels_are_where_the_pixels_are(written):
    """Of every pair: who is in front wears one colour at the own joints; the covered joints of the other are hidden."""
    annotations, _, folder, _ = written
    source = {person["id"]: person for person in json.loads(annotations.read_text())["annotations"]}
    people_of = loading.load("crowdpose:train/annotations.json:train/images", str(folder))
    content = json.loads((folder / "train" / "annotations.json").read_text())
    counts = []
    for image, (behind, in_front) in zip(content["images"], people_of.rows_by_image()):
        original = np.array(source[image["source"]["behind"]]["keypoints"]).reshape(14, 3)
        np.testing.assert_array_equal(people_of.keypoints[behind, :, :2], original[:, :2])
        np.testing.assert_array_equal(people_of.boxes[behind], source[image["source"]["behind"]]["bbox"])
        # The cut-out is its box: the edge is soft by a pixel.
        x, y, width, height = people_of.boxes[in_front]
        depth = np.min(
            [original[:, 0] + 0.5 - x, x + width - original[:, 0] - 0.5, original[:, 1] + 0.5 - y]
            + [y + height - original[:, 1] - 0.5],
            axis=0,
        )
        hidden = people_of.keypoints[behind, :, 2] == 1
        assert hidden[depth > 2].all() and not hidden[depth < -1].any()
        np.testing.assert_array_equal(people_of.visibility[behind] == 1, hidden)  # head and neck too
        np.testing.assert_array_equal(people_of.hidden_by[behind] == 2, hidden)
        counts.append(hidden.sum())
        picture = cv2.imread(str(people_of.image_paths[people_of.image_index[in_front]]))
        joints = people_of.keypoints[in_front]
        colours = picture[tuple(joints[joints[:, 2] > 0, 1::-1].round().astype(int).T)].astype(float)
        assert np.abs(colours - np.median(colours, axis=0)).max(axis=1).mean() < 12
    # Blocks as wide as these hide more than real people, where the boxes are to overlap by three quarters.
    assert min(counts) >= 2 and np.median(counts) <= 8


def test_left_stays_left_and_joints_outside_are_dropped(written):
    """Everybody faces the camera in the source, left joints on the right; a mirrored one must too."""
    _, _, folder, _ = written
    for split in SPLITS:
        people_of = loading.load(f"crowdpose:{split}/annotations.json:{split}/images", str(folder))
        joints = people_of.keypoints[1::2]
        for left, right in ((0, 1), (6, 7), (10, 11)):
            both = (joints[:, [left, right], 2] > 0).all(axis=1)
            assert both.any() and (joints[both, left, 0] > joints[both, right, 0]).all()
        sizes = people_of.image_sizes[people_of.image_index[1::2], None, ::-1]
        inside = ((joints[..., :2] >= -0.5) & (joints[..., :2] <= sizes - 0.5)).all(axis=-1)
        assert inside[joints[..., 2] > 0].all()
        assert (joints[joints[..., 2] == 0] == 0).all()
        assert (people_of.visibility[1::2][joints[..., 2] == 0] == 2).all()


def test_the_same_whatever_the_number_of_workers(written, tmp_path):
    annotations, images, folder, summary = written
    assert dataset.write_dataset(tmp_path, annotations, images, 15, 3, SPLITS, workers=1, progress=False) == summary
    assert _files(tmp_path) == _files(folder)


def test_a_finished_folder_is_left_alone_and_a_broken_one_redone(written, tmp_path, monkeypatch):
    annotations, images, _, _ = written
    arguments = (annotations, images, 3)

    def write(seed):
        dataset.write_dataset(tmp_path, *arguments, seed, {"val": 1.0}, workers=1, progress=False)
        return _files(tmp_path)

    first = write(1)
    with monkeypatch.context() as patch:
        patch.setattr(processes, "run", None)
        assert write(1) == first
    next((tmp_path / "val" / "images").iterdir()).unlink()
    assert write(1) == first
    assert write(2) != first


def test_a_source_that_lacks_something_is_one_line(written, tmp_path):
    annotations, images, _, _ = written
    content = json.loads(annotations.read_text())

    def fails(match, changes=None, images=images, couples=4, splits=None):
        files.write_json(tmp_path / "f.json", {**content, **(changes or {})})
        with pytest.raises(UserError, match=match):
            dataset.write_dataset(tmp_path, tmp_path / "f.json", images, couples, 0, splits or {"a": 1.0}, 1, False)

    without = [{name: value for name, value in a.items() if name != "segmentation"} for a in content["annotations"]]
    fails("no annotation has a 'segmentation'; give a file with masks", {"annotations": without})
    without = [{name: value for name, value in a.items() if name != "keypoints"} for a in content["annotations"]]
    fails("no annotation has 'keypoints'; give a file with joints and masks", {"annotations": without})
    sizeless = {"images": [{"id": 1, "file_name": "1.png"}, *content["images"][1:]]}
    fails("image 1: has no 'height' and 'width'", sizeless)
    fails("nowhere/.*png: is missing, as are .* check --images", images="nowhere")
    fails("there are 1 people who can be cut out and 0 who", {"annotations": content["annotations"][:1]})
    fails("--couples=1 are too few for the splits a, b", couples=1, splits={"a": 0.5, "b": 0.5})


def test_a_picture_that_is_damaged_or_of_another_size_is_one_line(written, tmp_path):
    annotations, _, _, _ = written
    masked_people.write(tmp_path, 18)
    for number in range(1, 19):
        (tmp_path / "images" / f"{number}.png").write_bytes(b"\x89PNG")
    arguments = (annotations, tmp_path / "images", 2, 0, {"all": 1.0}, 1, False)
    with pytest.raises(UserError, match=r"png: cannot be decoded; replace it"):
        dataset.write_dataset(tmp_path / "out", *arguments)
    for number in range(1, 19):
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), np.zeros([9, 7, 3], np.uint8))
    with pytest.raises(UserError, match=r"png: is 7 x 9 pixels, its annotations say 1.. x 1..; correct either"):
        dataset.write_dataset(tmp_path / "out", *arguments)


def test_splits_are_named_with_their_shares():
    assert dataset.parse_splits(["train:0.7", "val:0.3"]) == {"train": 0.7, "val": 0.3}
    assert dataset.parse_splits(["val"]) == {"val": 1.0}
    assert dataset.split_sizes(11, {"train": 0.7, "val": 0.1, "test": 0.2}) == {"train": 8, "val": 1, "test": 2}
    for texts, message in (
        (["train", "val"], "'train' is no NAME:SHARE"),
        (["train:x"], "'train:x' is no NAME:SHARE"),
        (["train:0"], "'train:0' is no"),
        (["../x:1"], "is no NAME:SHARE"),
        (["a:1", "a:2"], "must name one split or more, each once"),
        ([], "must name one split"),
    ):
        with pytest.raises(UserError, match=message):
            dataset.parse_splits(texts)


def test_body_heights_are_those_of_the_limbs():
    standing = np.concatenate([masked_people.STANDING, np.full([14, 1], 2.0)], axis=1)
    folded = standing.copy()
    folded[[2, 3, 4, 5, 8, 9], 2] = 0  # two limbs are left
    heights = people.body_heights(np.stack([standing, 2 * standing, folded]), CROWDPOSE14)
    # Shoulder to hip, 32.06 of 0.29 twice, and elbow to shoulder, 16.12 of 0.186 twice, hip to knee 24 / 0.245 twice.
    np.testing.assert_allclose(heights[:2], [24 / 0.245, 2 * 24 / 0.245], rtol=0.03)
    assert np.isnan(heights[2])


def test_real_people(real_people, tmp_path):
    arguments = (real_people / "val.json", real_people / "images", 24, 1, {"val": 1.0})
    summary = dataset.write_dataset(tmp_path, *arguments, workers=2, progress=False)["val"]
    assert summary["people"] == 48
    assert 0.75 < summary["iou30"] <= 1.0 and 0.6 < summary["iou50"] < 0.95 and 0.05 < summary["iou75"] < 0.5
    pairs = loading.load("crowdpose:val/annotations.json:val/images", str(tmp_path))
    hidden = np.sum(pairs.keypoints[0::2, :, 2] == 1, axis=1)
    assert np.mean((hidden >= 2) & (hidden <= 8)) > 0.9
    heights = people.body_heights(pairs.keypoints, pairs.skeleton).reshape(-1, 2)
    assert 0.75 < np.nanmedian(heights[:, 1] / heights[:, 0]) < 1.33
