"""A set of pictures predicted group by group: the same results as in one go, and why a picture cannot be read."""

import json
import types

import cv2
import numpy as np
import pytest

from opec_tf.config import DetectorConfig, InferenceConfig, TrackingConfig
from opec_tf.data import image_files
from opec_tf.inference import chunks, picture_groups, pose_model, results
from opec_tf.inference.frames import ImageFiles
from opec_tf.inference.people import WholeImage

COUNT = 70  # more than a group


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of noise, among them a truncated one, the last of its group, and an empty one."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(COUNT):
        cv2.imwrite(str(folder / f"p{i:02}.jpg"), rng.integers(0, 256, [40 + i % 3, 30, 3], np.uint8))
    whole = (folder / "p63.jpg").read_bytes()
    (folder / "p63.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "p10.jpg").write_bytes(b"")
    return folder


def _groups(folder):
    paths = sorted(map(str, folder.iterdir()))
    return list(picture_groups.split(paths, str(folder)))


def _read(group):
    contents = []
    for path in group.paths:
        with open(path, "rb") as file:
            contents.append(file.read())
    return group.with_contents(contents)


@pytest.mark.slowest
def test_groups_in_any_order_are_what_one_run_gives(run, folder, tmp_path):
    config = InferenceConfig(inference_batch_size=16)
    source = ImageFiles(sorted(map(str, folder.iterdir())), str(folder), strict=False)
    rules = {"tracking_config": TrackingConfig(), "style": None, "made_by": {}}
    model = pose_model.load(run)
    count = results.write_predictions(model, source, WholeImage(), tmp_path, inference_config=config, **rules)
    predictor = picture_groups.GroupPredictor(str(run), None, "none", DetectorConfig(), config)
    last, first = (predictor.predict(_read(group)) for group in reversed(_groups(folder)))
    people = json.loads(json.dumps(first.people + last.people))
    assert count == COUNT - 2 and people == json.loads((tmp_path / "predictions.json").read_text())
    assert [(picture["file_name"], picture["reason"]) for picture in first.unreadable + last.unreadable] == [
        ("p10.jpg", "is empty"),
        ("p63.jpg", "is truncated or damaged"),
    ]
    assert source.skipped == [str(folder / "p10.jpg"), str(folder / "p63.jpg")]


def test_a_set_is_split_with_its_names_and_numbers(folder):
    first, last = _groups(folder)
    assert (len(first), len(last), first.set_size, last.set_size) == (64, COUNT - 64, COUNT, COUNT)
    assert last.names == tuple(f"p{i}.jpg" for i in range(64, COUNT)) and last.ids == tuple(range(65, COUNT + 1))
    assert last.paths[0] == str(folder / "p64.jpg")
    numbered = list(picture_groups.split(["s://b/x/7.jpg", "s://b/x/y/12.jpg"], "s://b/x"))
    assert [(group.names, group.ids) for group in numbered] == [(("7.jpg", "y/12.jpg"), (7, 12))]


class _Frames:
    """130 frames, of which those at the border of the first group cannot be read."""

    names, ids, skipped = ["x"] * 130, np.arange(130), []

    def __len__(self):
        return len(self.names)

    def start_at(self, first):
        return ((row, np.zeros([4, 4, 3], np.uint8)) for row in range(first, len(self)) if row not in (62, 63, 64))


def test_no_chunk_goes_beyond_its_group():
    estimator = types.SimpleNamespace(batch_size=25, estimate_frames=lambda *_: None)
    found = [chunk.rows.tolist() for chunk, _ in chunks.estimated(estimator, _Frames(), WholeImage())]
    expected = [range(50), range(50, 62), range(65, 115), range(115, 128), range(128, 130)]
    assert found == [list(part) for part in expected]
    assert [chunk.rows.tolist() for chunk, _ in chunks.estimated(estimator, _Frames(), WholeImage(), 65)] == found[2:]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_content_has_the_fault_of_its_file(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, [50, 40, 3], np.uint8))
    whole = path.read_bytes()
    contents = [whole, whole[: len(whole) // 2], b"", b"no picture", whole[:20]]
    found = []
    for content in contents:
        path.write_bytes(content)
        found.append(image_files.find_fault(path, quick=False, with_opencv=True))
        assert image_files.find_fault_of_content(content) == found[-1]
    assert found[0] is None and found[1] == found[4] == "is truncated or damaged" and found[2] == "is empty"
    assert found[3].startswith("is not a JPEG")


def test_a_file_that_was_not_read_is_named_with_the_reason(run, folder):
    (group,) = picture_groups.split([str(folder / "p00.jpg"), "gone.jpg"], str(folder))
    predictor = picture_groups.GroupPredictor(str(run), None, "none", DetectorConfig(), InferenceConfig())
    found = predictor.predict(group.with_contents([(folder / "p00.jpg").read_bytes(), "cannot be read (gone)"]))
    assert [person["file_name"] for person in found.people] == ["p00.jpg"]
    assert [(picture["path"], picture["reason"]) for picture in found.unreadable] == [
        ("gone.jpg", "cannot be read (gone)")
    ]
