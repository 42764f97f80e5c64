"""Pictures of one set in another: what is done to them, what is not the same, the report and its page."""

import json
import logging
import os

import cv2
import measure_leaks
import numpy as np
import pytest

from opec_tf.common.errors import UserError
from opec_tf.data.leaks import hashed_pictures, report, search
from opec_tf.data.synthetic import dataset


@pytest.fixture(scope="module")
def couples(tmp_path_factory):
    """Paths of 40 pictures of generated couples."""
    folder = tmp_path_factory.mktemp("couples")
    dataset.write_dataset(folder, 34, seed=8, image_size=128, progress=False)
    return report.pictures_of([str(folder)], "", "couples")[:40]


@pytest.fixture
def sets(couples, tmp_path):
    """Folders of a training set, of 12 pictures, and an empty test set."""
    train, test = tmp_path / "train", tmp_path / "test"
    train.mkdir()
    test.mkdir()
    for number, path in enumerate(couples[:12]):
        (train / f"{number}.jpg").write_bytes(open(path, "rb").read())
    return train, test


def _search(train, test, tmp_path):
    sets = [hashed_pictures.read(paths, tmp_path / "hashes.npz", "", False) for paths in (train, test)]
    return search.find(*sets)


@pytest.mark.parametrize("change", [name for name in measure_leaks.CHANGES if name != "cropped by 10 %"])
def test_what_was_changed_is_found_and_nothing_else(couples, tmp_path, change):
    """Changed pictures of the training set are found with their own original; others, changed too, with none."""
    changed = measure_leaks.write_changed(couples[:12] + couples[20:], tmp_path, change)
    found, is_in_test = _search(couples[:20], changed, tmp_path)
    pairs = {(leak.test, leak.train): leak for leak in found}
    originals = set(zip(changed[:12], couples[:12]))
    assert set(pairs) <= originals
    # Of what is cropped by 5 % not all are found; docs/data.md says how many of larger pictures.
    assert len(pairs) >= 9 if change == "cropped by 5 %" else set(pairs) == originals
    assert {leak.how for leak in found} == {search.MIRRORED if "mirrored" in change else search.SAME_PICTURE}
    assert is_in_test.sum() == len(pairs) and not is_in_test[12:].any()


def test_the_report_has_all_and_the_page_shows_it(sets, tmp_path):
    train, test = sets
    for number, name in enumerate(["same.jpg", "<b>&'.jpg", "größe.jpg"]):
        (test / name).write_bytes((train / f"{number}.jpg").read_bytes())
    picture = cv2.imread(str(train / "3.jpg"))
    cv2.imwrite(str(test / "turned.png"), picture[:, ::-1])
    figures = report.write(tmp_path / "out", ["train"], [str(test)], tmp_path, progress=False)
    expected = {"train": 12, "test": 4, "train_leaked": 4, "test_leaked": 4}
    assert figures == {**expected, "same bytes": 3, "same picture": 0, "mirrored": 1}
    content = json.loads((tmp_path / "out" / "leaks.json").read_text())
    assert content["train_pictures"] == [str(train / f"{number}.jpg") for number in range(4)]
    assert [(leak["how"], os.path.basename(leak["train"])) for leak in content["leaks"]] == [
        *(("same bytes", f"{number}.jpg") for number in (1, 2, 0)),  # in the order of the test's names: < g s
        ("mirrored", "3.jpg"),
    ]
    page = (tmp_path / "out" / "leaks.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 8 and "<b>" not in page
    assert "&lt;b&gt;&amp;" in page and "größe.jpg" in page


def test_a_picture_in_many_copies_lists_five(sets, tmp_path):
    train, test = sets
    for number in range(1, 9):
        (train / f"{number}.jpg").write_bytes((train / "0.jpg").read_bytes())
    (test / "a.jpg").write_bytes((train / "0.jpg").read_bytes())
    figures = report.write(tmp_path / "out", [str(train)], [str(test)], ".", progress=False)
    assert (figures["test_leaked"], figures["train_leaked"]) == (1, 9)
    content = json.loads((tmp_path / "out" / "leaks.json").read_text())
    assert len(content["leaks"]) == 5 and len(content["train_pictures"]) == 9


def test_plain_and_damaged_pictures_are_compared_by_their_bytes(sets, tmp_path, caplog):
    train, test = sets
    for folder, name, level in ((train, "a", 0), (test, "b", 0), (test, "c", 1)):
        cv2.imwrite(str(folder / f"{name}.png"), np.full((40, 40, 3), level, np.uint8))
    for folder in sets:
        (folder / "empty.jpg").touch()
        (folder / "text.jpg").write_text("no picture")
    with caplog.at_level(logging.WARNING):
        figures = report.write(tmp_path / "out", [str(train)], [str(test)], ".", progress=False)
    assert figures["same bytes"] == figures["test_leaked"] == 3
    assert "4 of 4 pictures are plain or cannot be decoded" in caplog.text
    assert "<i>no picture</i>" in (tmp_path / "out" / "leaks.html").read_text()


def test_pictures_of_a_data_set_that_are_missing_are_counted(sets, tmp_path, caplog):
    train, test = sets
    joints = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "keypoints": [1, 1, 2] * 12}
    images = [{"id": 1, "file_name": "4.jpg"}, {"id": 2, "file_name": "gone.jpg"}]
    (tmp_path / "a.json").write_text(json.dumps({"images": images, "annotations": [joints]}))
    with caplog.at_level(logging.WARNING):
        figures = report.write(tmp_path / "out", ["train"], ["coco:a.json:train"], tmp_path, progress=False)
    assert (figures["test"], figures["same bytes"]) == (1, 1)
    assert "1 of 2 pictures cannot be read (first: " in caplog.text


def test_what_is_known_is_not_read_again(sets, tmp_path, monkeypatch):
    train, test = sets
    (test / "0.jpg").write_bytes((train / "0.jpg").read_bytes())
    first = report.write(tmp_path / "out", [str(train)], [str(test)], ".", progress=False)
    read, hash_file = [], hashed_pictures.hash_file
    monkeypatch.setattr(hashed_pictures, "hash_file", lambda path: read.append(path) or hash_file(path))
    assert report.write(tmp_path / "out", [str(train)], [str(test)], ".", progress=False) == first
    assert read == []
    (test / "0.jpg").write_bytes((train / "11.jpg").read_bytes() + b"longer")
    assert report.write(tmp_path / "out", [str(train)], [str(test)], ".", progress=False)["same picture"] == 1
    assert read == [str(test / "0.jpg")]
    (tmp_path / "out" / "hashes.npz").write_bytes(b"damaged")
    report.write(tmp_path / "out", [str(train)], [str(test)], ".", progress=False)
    assert len(read) == 14


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("test", "--test=test: has no pictures"),
        ("nowhere", "nowhere is no folder; name a folder of pictures or FORMAT:ANNOTATIONS:IMAGES"),
        ("coco:none.json:test", "none.json: cannot be read"),
    ],
)
def test_what_is_no_set_of_pictures_is_one_line(sets, tmp_path, test, message):
    with pytest.raises(UserError, match=message):
        report.write(tmp_path / "out", ["train"], [test], tmp_path, progress=False)
    assert not (tmp_path / "out").exists()
