"""Merging: 500 simulated files with known answers, pictures and files that are odd, splits that stay, the command."""

import json
import logging
import subprocess
import sys

import numpy as np
import pytest
import simulated_annotators as simulated

from opec_tf.annotation import merging, records, splits
from opec_tf.common.errors import UserError
from opec_tf.data.annotations import coco
from opec_tf.evaluation import occlusion
from opec_tf.poses.skeletons import BODY12, COCO17

_VIDEOS = 27


def _touch(images, picture):
    (images / picture).parent.mkdir(parents=True, exist_ok=True)
    (images / picture).touch()


@pytest.fixture(scope="module")
def merged(tmp_path_factory):
    """(folder, cases by picture, what ``merge`` returned) of 500 files of 230 pictures."""
    folder = tmp_path_factory.mktemp("merged")
    rng = np.random.default_rng(23)
    kinds = rng.permutation([kind for kind, count in simulated.KINDS.items() for _ in range(count)])
    cases = {}
    for number, kind in enumerate(kinds):
        picture = f"tanz {number % _VIDEOS:02d}/{number:04d}.jpg"
        cases[picture] = simulated.make(kind, rng)
        simulated.write(folder / "annotated", picture, cases[picture].people)
        _touch(folder / "images", picture)
    assert sum(len(case.people) for case in cases.values()) == 500
    done = merging.merge(folder / "annotated", folder / "images", folder / "out", max_deviation=0.15, progress=False)
    return folder, cases, done


def _read(folder):
    """Picture -> [N, 12, 3], of all splits; and split -> pictures."""
    people, pictures = {}, {}
    for split in splits.SHARES:
        of_split = coco.read(folder / "out" / f"{split}.json", "")
        pictures[split] = of_split.image_paths.tolist()
        for path, rows in zip(pictures[split], of_split.rows_by_image()):
            people[path] = of_split.keypoints[rows]
    return people, pictures


def test_the_pictures_that_must_be_queued_are(merged):
    folder, cases, done = merged
    queue = {queued.picture: queued for queued in records.read_queue(folder / "annotated")}
    assert set(queue) == {picture for picture, case in cases.items() if case.expected is None}
    for picture, queued in queue.items():
        assert cases[picture].reason in queued.reason, (cases[picture].kind, queued.reason)
        assert queued.annotators == tuple(cases[picture].people)
        assert queued.reason.count("; ") == 0, "what was put in is all that is found"
    assert done.pictures == {"merged": 147, "queued": 83, "waiting": 0, "without people": 0}


def test_how_far_a_joint_differs_is_said(merged):
    folder, cases, _ = merged
    for queued in records.read_queue(folder / "annotated"):
        if cases[queued.picture].kind == "wrong joint":
            share = float(queued.reason.split("differs by ")[1].split()[0])
            # 0.31 of the height, by 0.9 to 1.1 of it as the size, and the noise of both.
            assert 0.25 < share < 0.38


def test_the_others_are_the_mean_with_visibility_by_agreement(merged):
    folder, cases, _ = merged
    people, _ = _read(folder)
    expected = {picture: case.expected for picture, case in cases.items() if case.expected is not None}
    assert set(people) == set(expected)
    for picture, keypoints in expected.items():
        nearest = np.linalg.norm(keypoints[:, None, :, :2] - people[picture][None, ..., :2], axis=-1).sum(-1).argmin(1)
        assert sorted(nearest.tolist()) == [0, 1], cases[picture].kind
        found = people[picture][nearest]
        # Files keep hundredths of a pixel.
        np.testing.assert_allclose(found, keypoints, atol=0.011, err_msg=cases[picture].kind)


def test_no_video_is_in_two_splits_and_the_shares_are_the_papers(merged):
    folder, _, done = merged
    _, pictures = _read(folder)
    videos = {split: {picture.split("/")[0] for picture in paths} for split, paths in pictures.items()}
    assert sum(len(of) for of in videos.values()) == len(set().union(*videos.values())) == _VIDEOS
    assert {split: len(paths) for split, paths in pictures.items()} == done.splits
    for split, share in splits.SHARES.items():
        assert abs(done.splits[split] - share / 9 * 147) <= 6  # a video has 5 or 6 pictures


def test_ids_are_unique_and_crowd_index_and_boxes_fit(merged):
    folder, _, _ = merged
    ids, people_ids = [], []
    for split in splits.SHARES:
        people = coco.read(folder / "out" / f"{split}.json", "")
        ids += people.image_ids.tolist()
        people_ids += people.annotation_ids.tolist()
        np.testing.assert_allclose(people.crowd_index, occlusion.crowd_indices(people))
        low, high = people.boxes[:, None, :2] - 0.5, (people.boxes[:, :2] + people.boxes[:, 2:])[:, None] - 0.5
        inside = ((people.keypoints[..., :2] >= low) & (people.keypoints[..., :2] <= high)).all(-1)
        assert inside[people.keypoints[..., 2] > 0].all()
        assert (people.image_sizes == simulated.SIZE[::-1]).all()
    assert len(set(ids)) == len(ids) == 147 and len(set(people_ids)) == len(people_ids) == 294


def test_the_report_finds_who_did_what(merged):
    folder, _, done = merged
    report = json.loads((folder / "out" / "report.json").read_text())
    carl = report["annotators"]["carl"]
    # The swapped person of 10 pictures, both people, by 12 joints, against both others.
    assert carl["swapped"] == 10 * 2 * 12 * 2
    assert report["annotators"]["ben"]["swapped"] == 15 * 12 + 15 * 2 + 10 * 2 * 12
    assert carl["missed"] == 10 and report["annotators"]["anna"]["missed"] == 0
    assert report["annotators"]["ben"]["missed"] == 15
    assert report["annotators"]["ben"]["outvoted"] == 12
    assert carl["outvoted"] == 10 * 2 * 12
    assert report["hidden_by_some"] == 20
    assert report["joints"]["left_wrist"]["visibility_differs"] == 20
    assert report["joints"]["left_ankle"]["labelled_once"] == 15
    assert report["joints"]["left_hip"]["median_deviation"] < 0.02
    # Of pictures of two annotators 190 x 2 people less the missing 15, of three 30 x 6 and 10 x 4.
    hip = report["joints"]["left_hip"]
    assert (hip["compared"], hip["swapped"]) == (365 + 220, 15 + 10 * 2 * 2)
    assert hip["agree"] == pytest.approx(1 - 55 / 585)
    text = (folder / "out" / "report.txt").read_text()
    assert text == done.text and "147 pictures merged, 83 queued, 0 wait for a second annotator" in text
    assert (folder / "out" / "agreement.png").stat().st_size > 5000


def test_each_joints_deviation_is_written(merged):
    folder, cases, _ = merged
    written = json.loads((folder / "out" / "deviations.json").read_text())
    assert set(written) == set(cases)
    for picture, case in cases.items():
        pairs = written[picture]
        if case.kind == "noise":
            assert [pair["annotators"] for pair in pairs] == [["anna", "ben"]] * 2
            far = np.linalg.norm(case.people["anna"] - case.people["ben"][::-1], axis=-1)
            assert sorted(max(pair["deviations"]) for pair in pairs) == pytest.approx(
                sorted(far.max(axis=1) / simulated.HEIGHT), rel=0.15
            )
            assert all(0 <= value < 0.2 for pair in pairs for value in pair["dissimilarities"])
        if case.kind == "labelled once":
            assert sorted(pair["deviations"].count(None) for pair in pairs) == [0, 1]


def _few(tmp_path, count=6):
    """``count`` pictures, in as many folders, that anna and ben agree on."""
    rng = np.random.default_rng(1)
    for number in range(count):
        picture = f"v{number}/a.jpg"
        simulated.write(tmp_path / "annotated", picture, simulated.make("noise", rng).people)
        _touch(tmp_path / "images", picture)


def _merge(tmp_path, **settings):
    settings = {"max_deviation": 0.15, "progress": False, **settings}
    return merging.merge(tmp_path / "annotated", tmp_path / "images", tmp_path / "out", **settings)


def test_videos_keep_their_split_when_pictures_are_added(tmp_path):
    _few(tmp_path)
    _merge(tmp_path)
    before = json.loads((tmp_path / "out" / "splits.json").read_text())["videos"]
    rng = np.random.default_rng(2)
    for number in range(8):
        picture = f"v{number // 4}/b{number}.jpg"  # more of two videos
        simulated.write(tmp_path / "annotated", picture, simulated.make("noise", rng).people)
        _touch(tmp_path / "images", picture)
    simulated.write(tmp_path / "annotated", "new/1.jpg", simulated.make("noise", rng).people)
    _touch(tmp_path / "images", "new/1.jpg")
    _merge(tmp_path)
    after = json.loads((tmp_path / "out" / "splits.json").read_text())["videos"]
    assert {video: after[video] for video in before} == before and set(after) - set(before) == {"new"}
    with pytest.raises(UserError, match="splits.json: the videos were dealt as .* give the same --splits"):
        _merge(tmp_path, shares={"train": 1.0, "test": 1.0})
    with pytest.raises(UserError, match="no split can be called report"):
        _merge(tmp_path, shares={"report": 1.0})


def test_the_manifest_says_which_video(tmp_path):
    frames = [
        {"file_name": f"v{number}/a.jpg", "video": f"/videos/{number % 2}.mp4", "time": 0.0, "hash": "00" * 32}
        for number in range(6)
    ]
    _few(tmp_path)
    content = {"version": 1, "settings": {}, "videos": [], "frames": frames}
    (tmp_path / "images" / "frames.json").write_text(json.dumps(content))
    _merge(tmp_path, shares={"train": 1.0, "test": 1.0})
    dealt = json.loads((tmp_path / "out" / "splits.json").read_text())["videos"]
    assert dealt == {"/videos/0.mp4": "train", "/videos/1.mp4": "test"}


def test_dealing_by_hand():
    videos = {**dict.fromkeys("abcdef", "large"), **dict.fromkeys("ghi", "middle"), "j": "small", "k": "last"}
    shares = {"train": 5.0, "val": 2.0, "test": 2.0}
    # Of 11 pictures train lacks 6.1, then val 2.4, then test.
    dealt = splits.deal(videos, shares, {})
    assert dealt == {"large": "train", "middle": "val", "last": "test", "small": "test"}
    assert splits.deal(videos, shares, {"large": "test"})["middle"] == "train"
    assert splits.videos_of(["a/1.jpg", "a/b/2.jpg", "3.jpg"], "nowhere") == {
        "a/1.jpg": "a",
        "a/b/2.jpg": "a/b",
        "3.jpg": "3.jpg",
    }


def test_what_cannot_be_merged_is_left_out_and_counted(tmp_path, caplog):
    _few(tmp_path)
    rng = np.random.default_rng(3)
    people = simulated.make("noise", rng).people
    simulated.write(tmp_path / "annotated", "gone.jpg", people)
    for picture in ("alone.jpg", "begun.jpg", "nobody.jpg"):
        _touch(tmp_path / "images", picture)
    simulated.write(tmp_path / "annotated", "alone.jpg", {"anna": people["anna"]})
    simulated.write(tmp_path / "annotated", "begun.jpg", {"anna": people["anna"]})
    simulated.write(tmp_path / "annotated", "begun.jpg", {"ben": people["ben"]}, done=False)
    simulated.write(tmp_path / "annotated", "nobody.jpg", dict.fromkeys(("anna", "ben"), np.zeros((0, 12, 3))))
    with caplog.at_level(logging.WARNING):
        done = _merge(tmp_path)
    assert done.pictures == {"merged": 6, "queued": 0, "waiting": 2, "without people": 1}
    said = [record.getMessage() for record in caplog.records]
    assert any("2 annotations are of pictures that are not in --images" in line for line in said)
    assert any("1 annotations are not done" in line for line in said)


def test_a_split_without_pictures_is_said(tmp_path, caplog):
    _few(tmp_path, 1)
    with caplog.at_level(logging.WARNING):
        _merge(tmp_path)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.json")) == [
        *("deviations.json", "report.json", "splits.json", "train.json"),
    ]
    assert "test.json: gets no picture" in caplog.text


def test_faults_are_one_line(tmp_path):
    with pytest.raises(UserError, match="images: is no folder"):
        _merge(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(UserError, match="annotated: is no folder"):
        _merge(tmp_path)
    rng = np.random.default_rng(4)
    people = simulated.make("noise", rng).people
    _touch(tmp_path / "images", "ä.jpg")
    simulated.write(tmp_path / "annotated", "ä.jpg", {"anna": people["anna"]})
    with pytest.raises(UserError, match="no picture has two annotations that are done"):
        _merge(tmp_path)
    other = np.zeros((1, 17, 3))
    simulated.write(tmp_path / "annotated", "ä.jpg", {"ben": other}, skeleton=COCO17)
    with pytest.raises(UserError, match="ben/ä.jpg.json: 'skeleton' is coco17, but in that of ä.jpg by anna body12"):
        _merge(tmp_path)
    path = records.path_of(tmp_path / "annotated", "ben", "ä.jpg")
    simulated.write(tmp_path / "annotated", "ä.jpg", {"ben": people["ben"]}, skeleton=BODY12)
    path.write_text(path.read_text().replace('"width": 400', '"width": 401'))
    with pytest.raises(UserError, match="ben/ä.jpg.json: says that the picture is 401x300"):
        _merge(tmp_path)
    path.write_text("{")
    with pytest.raises(UserError, match="ben/ä.jpg.json: is not valid JSON"):
        _merge(tmp_path)
    assert not (tmp_path / "annotated" / "queue.json").exists()


def test_the_command(tmp_path):
    _few(tmp_path)
    rng = np.random.default_rng(5)
    simulated.write(tmp_path / "annotated", "v0/b.jpg", simulated.make("wrong joint", rng).people)
    _touch(tmp_path / "images", "v0/b.jpg")
    command = [sys.executable, "-m", "opec_tf.prepare_data", "merge_annotations"]
    paths = [f"--{name}={tmp_path / folder}" for name, folder in (("annotations", "annotated"), ("images", "images"))]
    for extra, merged, queued in ((), 6, 1), (("--max_deviation=0.4", "--splits=all"), 7, 0):
        out = f"--output_dir={tmp_path / str(queued)}"
        done = subprocess.run([*command, *paths, out, *extra], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"{merged} pictures merged, {queued} queued, 0 wait")
        assert len(records.read_queue(tmp_path / "annotated")) == queued
    assert coco.read(tmp_path / "0" / "all.json", "").num_images == 7
