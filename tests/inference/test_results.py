import contextlib
import functools
import json

import cv2
import numpy as np
import pytest
from painted_people import COLOR_OF_JOINT, CONFIG, color_model, paint

from opec_tf.common.errors import UserError
from opec_tf.config import InferenceConfig, TrackingConfig
from opec_tf.inference import frames, given_poses, partial_results, person_boxes, results
from opec_tf.inference.people import DetectedPeople, ListedPeople, WholeImage
from opec_tf.inference.pose_model import PoseModel
from opec_tf.poses import drawing, skeletons

BOX = np.array([40.0, 20.0, 120.0, 150.0])
SPOTS = np.array([[80.0, 60.0], [120.0, 100.0], [95.0, 140.0]])
SIZE = (220, 260)


pytestmark = pytest.mark.usefixtures("shared_estimators")
shared_model = functools.cache(color_model)
STYLE, COMPARE = results.DrawingStyle(), results.DrawingStyle(compare=True)


def predict(source, people, output_dir, network=None, batch_size=4, style=STYLE, tracking=None, **made_by):
    return results.write_predictions(
        PoseModel(network or shared_model(), CONFIG, "opec", 1.25),
        source,
        people,
        output_dir,
        inference_config=InferenceConfig(inference_batch_size=batch_size),
        tracking_config=tracking or TrackingConfig(),
        style=style,
        made_by={"weights": "a", **made_by},
    )


def written(output_dir):
    return json.loads((output_dir / "predictions.json").read_text())


@pytest.fixture
def folder(tmp_path):
    """Five pictures of one person, shifted by 10 pixels from one to the next."""
    (tmp_path / "images").mkdir()
    for i in range(5):
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), paint(*SIZE, [SPOTS + [10 * i, 0]])[..., ::-1])
    return tmp_path / "images"


def shifted_boxes(rows, scores=None, labels=None):
    rows = np.array(rows)
    boxes = BOX + 10.0 * rows[:, None] * [1, 0, 0, 0]
    return ListedPeople(person_boxes.PersonBoxes(rows, boxes, scores, labels), "boxes")


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_images_in_chunks_give_each_its_own_people(folder, tmp_path, batch_size):
    source = frames.open_source(str(folder), strict=False)
    rows = [0, 1, 1, 3, 4]
    count = predict(source, shifted_boxes(rows), tmp_path / "out", batch_size=batch_size)
    found = written(tmp_path / "out")
    assert count == len(found) == 5
    assert [(item["file_name"], item["image_id"]) for item in found] == [(f"{row}.png", row) for row in rows]
    for row, item in zip(rows, found):
        keypoints = np.array(item["keypoints"]).reshape(12, 3)
        np.testing.assert_allclose(keypoints[:, :2], (SPOTS + [10 * row, 0])[COLOR_OF_JOINT], atol=0.1)
        assert item["category_id"] == 1 and 0.8 < item["score"] < 1.0
        np.testing.assert_allclose(item["bbox"], BOX + [10 * row, 0, 0, 0])
    drawings = sorted((tmp_path / "out" / "drawings").iterdir())
    assert [path.name for path in drawings] == [f"{i}.jpg" for i in range(5)]
    changes = [
        np.abs(cv2.imread(str(d)).astype(int) - cv2.imread(str(folder / f"{i}.png"))).max()
        for i, d in enumerate(drawings)
    ]
    assert changes[2] < 30 and min(changes[i] for i in (0, 1, 3, 4)) > 100


class MortalDetector:
    """Finds a person in every picture, but for one at which it dies the first time."""

    def __init__(self, dies_at):
        self.dies_at, self.calls = dies_at, 0

    def __call__(self, image):
        self.calls += 1
        if self.calls == self.dies_at:
            raise KeyboardInterrupt
        return BOX[None], np.ones(1)


def mortal(dies_at):
    return DetectedPeople(MortalDetector(dies_at))


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_what_is_predicted_is_kept_when_the_work_is_broken_off(folder, tmp_path, monkeypatch, caplog, seconds):
    """A detector that dies at the fourth of five readable pictures, after a chunk of two."""
    monkeypatch.setattr(partial_results, "_KEEP_SECONDS", seconds)
    (folder / "00.png").write_bytes(b"no picture")
    partial, seen = tmp_path / "out" / "predictions.partial.json", []
    detects = MortalDetector(4)

    def detector(image):
        seen.append(partial.exists())
        return detects(image)

    with pytest.raises(KeyboardInterrupt):
        predict(frames.open_source(str(folder), strict=False), DetectedPeople(detector), tmp_path / "out", batch_size=1)
    assert seen == [False, False, not seconds, not seconds]
    kept = json.loads(partial.read_text())
    assert [item["file_name"] for item in kept["predictions"]] == ["0.png", "1.png"]
    assert kept["frames"] == 3 and kept["skipped"] == [str(folder / "00.png")]
    assert "has the 2 people found so far; the same command goes on from there" in caplog.text
    assert not (tmp_path / "out" / "predictions.json").exists()

    source = frames.open_source(str(folder), strict=False)
    assert predict(source, DetectedPeople(detector), tmp_path / "out", batch_size=1) == 5
    assert "going on behind the first 3 frames" in caplog.text and detects.calls == 4 + 3
    assert not partial.exists() and source.skipped == [str(folder / "00.png")]
    assert len(list((tmp_path / "out" / "drawings").iterdir())) == 5
    predict(frames.open_source(str(folder), strict=False), DetectedPeople(detector), tmp_path / "at_once", batch_size=1)
    assert written(tmp_path / "out") == written(tmp_path / "at_once")


def test_going_on_with_other_settings_is_refused_and_loses_nothing(folder, tmp_path):
    source, partial = frames.open_source(str(folder), strict=False), tmp_path / "predictions.partial.json"
    with pytest.raises(KeyboardInterrupt):
        predict(source, mortal(4), tmp_path, batch_size=1)
    before = partial.read_bytes()
    with pytest.raises(UserError, match=r"begun with weights=a \(now b\), flip=None \(now 1\); remove"):
        predict(source, mortal(0), tmp_path, weights="b", flip="1")
    assert partial.read_bytes() == before
    for content in ("[]", "{}", '{"frames": null}', '{"frames": 1, "skipped": [], "predictions": [], "made_by": 1}'):
        partial.write_text(content)
        with pytest.raises(UserError, match="does not hold predictions that were broken off; remove it"):
            predict(source, mortal(0), tmp_path)


def test_all_frames_done_but_not_written(folder, tmp_path):
    """As after a disk that was full at the very end: nothing is estimated again."""
    with in_the_way(tmp_path / "predictions.json"), pytest.raises(UserError, match="cannot be written"):
        predict(frames.open_source(str(folder), strict=False), mortal(0), tmp_path)
    asked = MortalDetector(0)
    assert predict(frames.open_source(str(folder), strict=False), DetectedPeople(asked), tmp_path) == 5
    assert asked.calls == 0 and len(written(tmp_path)) == 5


@contextlib.contextmanager
def in_the_way(path):
    """A folder where a file should be written."""
    path.mkdir()
    (path / "file").touch()
    yield
    (path / "file").unlink()
    path.rmdir()


@pytest.mark.parametrize("draw", [True, False])
def test_only_a_video_that_is_not_drawn_goes_on(tmp_path, caplog, draw):
    path = tmp_path / "walk.mp4"
    with frames.VideoWriter(path, 20) as writer:
        for i in range(5):
            writer.write(paint(*SIZE, [SPOTS + [10 * i, 0]]))
    detector, style = MortalDetector(4), STYLE if draw else None
    with pytest.raises(KeyboardInterrupt):
        predict(frames.Video(str(path)), DetectedPeople(detector), tmp_path, batch_size=1, style=style)
    assert ("goes on from there" in caplog.text) == (not draw)
    assert predict(frames.Video(str(path)), DetectedPeople(detector), tmp_path, batch_size=1, style=style) == 5
    assert detector.calls == 4 + (5 if draw else 3)
    assert [item["image_id"] for item in written(tmp_path)] == [0, 1, 2, 3, 4]
    assert not draw or len(frames.Video(str(tmp_path / "drawings" / "walk.mp4"))) == 5


def test_whole_frame_without_boxes(folder, tmp_path):
    predict(frames.open_source(f"{folder}/0.png", strict=False), WholeImage(), tmp_path / "out")
    (item,) = written(tmp_path / "out")
    assert item["bbox"] == [0, 0, SIZE[1], SIZE[0]]
    np.testing.assert_allclose(np.array(item["keypoints"]).reshape(12, 3)[:, :2], SPOTS[COLOR_OF_JOINT], atol=0.2)


def test_a_detector_is_asked_once_for_every_frame(folder, tmp_path, caplog):
    asked = []

    def detector(image):
        row = len(asked)
        asked.append(image)
        boxes = shifted_boxes([] if row == 1 else [row, row]).boxes.boxes
        return boxes, np.array([0.5, 0.25])[: len(boxes)]

    source = frames.open_source(str(folder), strict=False)
    # The two boxes of a frame are one person, of whom the better remains.
    assert predict(source, DetectedPeople(detector), tmp_path / "out", batch_size=2) == 4
    assert len(asked) == 5 and asked[0].shape == (*SIZE, 3)
    for row, item in zip([0, 2, 3, 4], written(tmp_path / "out")):
        keypoints = np.array(item["keypoints"]).reshape(12, 3)
        np.testing.assert_allclose(keypoints[:, :2], (SPOTS + [10 * row, 0])[COLOR_OF_JOINT], atol=0.1)
        assert item["file_name"] == f"{row}.png" and 0.4 < item["score"] < 0.5
    assert "the detector found nobody in 1 of 5 images (first: 1.png)" in caplog.text
    nobody = tmp_path / "nobody"
    assert predict(source, DetectedPeople(lambda image: (np.zeros([0, 4]), np.zeros(0))), nobody) == 0
    assert written(nobody) == [] and len(list((nobody / "drawings").iterdir())) == 5


def test_exif_rotation_applies_to_keypoints_and_drawings_alike(folder, tmp_path):
    """The picture is stored lying on its side with the note that it must be turned; all else is as if it stood."""
    upright = paint(*SIZE, [SPOTS])[..., ::-1]
    quality = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, encoded = cv2.imencode(".jpg", np.ascontiguousarray(np.rot90(upright)), quality)
    # One Exif entry, big-endian: tag 0x0112 (orientation), type SHORT, one value, 6: turn clockwise to stand.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    data = encoded.tobytes()
    path = folder.parent / "turned.jpg"
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])
    predict(frames.open_source(str(path), strict=False), shifted_boxes([0]), tmp_path / "out")
    (item,) = written(tmp_path / "out")
    np.testing.assert_allclose(np.array(item["keypoints"]).reshape(12, 3)[:, :2], SPOTS[COLOR_OF_JOINT], atol=0.2)
    drawing = cv2.imread(str(tmp_path / "out" / "drawings" / "turned.jpg"))
    assert drawing.shape == upright.shape
    assert np.abs(drawing[150:].astype(int) - upright[150:]).mean() < 3


def test_compare_puts_two_drawings_side_by_side(folder, tmp_path):
    source = frames.open_source(f"{folder}/0.png", strict=False)
    predict(source, shifted_boxes([0]), tmp_path / "out", style=COMPARE)
    assert cv2.imread(str(tmp_path / "out" / "drawings" / "0.jpg")).shape[1] > 2 * SIZE[1]
    with pytest.raises(UserError, match="--compare needs a refined pose"):
        predict(source, shifted_boxes([0]), tmp_path / "out", network=color_model(base_only=True), style=COMPARE)


def test_video_in_gives_video_and_frame_numbers_out(tmp_path):
    path = tmp_path / "walk.mp4"
    with frames.VideoWriter(path, 20) as writer:
        for i in range(9):
            writer.write(paint(*SIZE, [SPOTS + [10 * i, 0]]))
    rows = [0, 2, 3, 4, 5, 6, 7, 8]
    source = frames.open_source(str(path), strict=False)
    predict(source, shifted_boxes(rows, scores=np.full(8, 0.5)), tmp_path / "out", batch_size=2, style=COMPARE)
    found = written(tmp_path / "out")
    assert [item["image_id"] for item in found] == rows and found[0]["file_name"] == "walk.mp4"
    for row, item in zip(rows, found):
        keypoints = np.array(item["keypoints"]).reshape(12, 3)
        np.testing.assert_allclose(keypoints[:, :2], (SPOTS + [10 * row, 0])[COLOR_OF_JOINT], atol=0.5)
        assert 0.35 < item["score"] < 0.5
    drawn = frames.Video(str(tmp_path / "out" / "drawings" / "walk.mp4"))
    assert len(drawn) == 9 and drawn.rate == 20
    assert all(image.shape[1] > 2 * SIZE[1] for _, image in drawn.start_at(0))


def test_predictions_of_a_video_are_read_as_its_boxes_and_its_poses(tmp_path):
    path = tmp_path / "walk.mp4"
    with frames.VideoWriter(path, 20) as writer:
        for i in range(4):
            writer.write(paint(*SIZE, [SPOTS + [10 * i, 0]]))
    source, rows = frames.open_source(str(path), strict=False), [0, 2, 2, 3]
    predict(source, shifted_boxes(rows), tmp_path / "out")
    file, found = str(tmp_path / "out" / "predictions.json"), written(tmp_path / "out")
    boxes = person_boxes.read(file, source.ids, source.names, skeletons.BODY12)
    poses = given_poses.read(file, source.ids, source.names, skeletons.BODY12)
    for people in (boxes, poses):
        np.testing.assert_array_equal(people.image_index, rows)
        np.testing.assert_array_equal(people.boxes, shifted_boxes(rows).boxes.boxes)
    np.testing.assert_array_equal(poses.poses, np.reshape([item["keypoints"] for item in found], [4, 12, 3]))


def test_boxes_outside_their_image_are_left_out(folder, tmp_path, caplog):
    boxes = shifted_boxes([0, 0, 1])
    boxes.boxes.boxes[1] = [300, 20, 50, 50]
    assert predict(frames.open_source(str(folder), strict=False), boxes, tmp_path / "out") == 2
    assert [record.getMessage() for record in caplog.records] == ["left out 1 boxes that lie outside their image"]


def test_images_of_one_name_and_two_suffixes_keep_both_drawings(folder, tmp_path):
    (folder / "0.jpg").write_bytes((folder / "0.png").read_bytes())
    predict(frames.open_source(f"{folder}/0.*", strict=False), WholeImage(), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "drawings").iterdir()) == ["0.jpg.jpg", "0.png.jpg"]


def test_bad_images_are_skipped_and_only_bad_ones_are_an_error(folder, tmp_path):
    (folder / "1.png").write_bytes(b"")
    source = frames.open_source(str(folder), strict=False)
    assert predict(source, shifted_boxes(range(5)), tmp_path / "out") == 4
    assert source.skipped == [str(folder / "1.png")]
    with pytest.raises(UserError, match=r"1\.png: cannot be read, nor can any other of the 1 images"):
        predict(frames.open_source(f"{folder}/1.png", strict=False), WholeImage(), tmp_path / "again")
    assert not (tmp_path / "again" / "predictions.json").exists()


def test_unwritable_output_folder(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/out: cannot be written"):
        predict(frames.open_source(str(folder), strict=False), WholeImage(), tmp_path / "file" / "out")


@pytest.mark.slow
def test_visibility_is_written_and_decides_what_is_drawn(folder, tmp_path):
    """Left joints are occluded, right ones outside the picture."""
    source = frames.open_source(f"{folder}/0.png", strict=False)
    left = np.arange(12) % 2 == 0
    logits = np.log(np.where(left[:, None], [0.25, 0.5, 0.25], [0.125, 0.125, 0.75])).astype(np.float32)
    predict(source, shifted_boxes([0]), tmp_path / "told", color_model(visibility=logits))
    predict(source, shifted_boxes([0]), tmp_path / "untold")
    (told,), (untold,) = written(tmp_path / "told"), written(tmp_path / "untold")
    assert told.pop("visibility") == [[0.25, 0.5, 0.25], [0.125, 0.125, 0.75]] * 6 and told == untold
    keypoints = np.array(told["keypoints"]).reshape(1, 12, 3)
    keypoints[..., 2] = left
    expected = drawing.draw_people(paint(*SIZE, [SPOTS]), keypoints, skeletons.BODY12, left[None])
    found = cv2.imread(str(tmp_path / "told" / "drawings" / "0.jpg"))[..., ::-1]
    assert np.abs(found.astype(int) - expected).mean() < 2
