"""Ids and smoothing through the whole of a prediction: in the JSON, in the drawings, and after a break."""

import functools
import json

import cv2
import numpy as np
import pytest
from painted_people import COLOR_OF_JOINT, CONFIG, color_model, paint

from opec_tf.common.errors import UserError
from opec_tf.config import InferenceConfig, TrackingConfig
from opec_tf.inference import frames, results
from opec_tf.inference.people import DetectedPeople, ListedPeople
from opec_tf.inference.person_boxes import PersonBoxes
from opec_tf.inference.pose_model import PoseModel
from opec_tf.inference.smoothing import OneEuroFilter
from opec_tf.poses import drawing, skeletons

pytestmark = pytest.mark.usefixtures("shared_estimators")
shared_model = functools.cache(color_model)
SIZE, FRAMES = (220, 420), 6
SPOTS = np.array([[80.0, 60.0], [120.0, 100.0], [95.0, 140.0]])
# One goes to the right, one to the left.
STARTS, STEPS = np.array([[0.0, 0.0], [220.0, 20.0]]), np.array([[9.0, 0.0], [-9.0, 0.0]])
BOX = np.array([40.0, 20.0, 120.0, 150.0])
ROWS = np.repeat(np.arange(FRAMES), 2)
WHO = np.array([0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1])  # in the order of the boxes, which is any


def spots(frame, person):
    return SPOTS + STARTS[person] + frame * STEPS[person]


def boxes_of(rows, who):
    return np.array([[*(BOX[:2] + STARTS[p] + t * STEPS[p]), *BOX[2:]] for t, p in zip(rows, who)]).reshape(-1, 4)


def pictures():
    return [paint(*SIZE, [spots(t, 0), spots(t, 1)]) for t in range(FRAMES)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for t, picture in enumerate(pictures()):
        cv2.imwrite(str(folder / f"{t}.png"), picture[..., ::-1])
    return folder


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "walk.mp4"
    with frames.VideoWriter(path, 20) as writer:
        for picture in pictures():
            writer.write(picture)
    return path


def predict(path, output_dir, people=None, style=None, **tracking):
    results.write_predictions(
        PoseModel(shared_model(), CONFIG, "opec", 1.25),
        frames.open_source(str(path), strict=False),
        people or ListedPeople(PersonBoxes(ROWS, boxes_of(ROWS, WHO)), "boxes"),
        output_dir,
        inference_config=InferenceConfig(inference_batch_size=4),
        tracking_config=TrackingConfig(**tracking),
        style=style,
        made_by={},
    )
    return json.loads((output_dir / "predictions.json").read_text())


def test_ids_go_with_the_people_of_a_video_and_of_a_folder_that_is_one(video, folder, tmp_path):
    for path, tracking in ((video, {}), (folder, {"track": "on"})):
        found = predict(path, tmp_path, **tracking)
        assert [person["image_id"] for person in found] == ROWS.tolist()
        assert [person["track_id"] for person in found] == (WHO + 1).tolist()
    for path, tracking in ((video, {"track": "off"}), (folder, {})):
        assert not any("track_id" in person for person in predict(path, tmp_path, **tracking))


def test_colours_follow_the_ids(folder, tmp_path):
    found = predict(folder, tmp_path, style=results.DrawingStyle(), track="on")
    assert WHO[2:4].tolist() == [1, 0]  # in picture 1 the second person is the first in the list
    keypoints = np.reshape([person["keypoints"] for person in found[2:4]], [2, 12, 3])
    drawn = cv2.imread(str(tmp_path / "drawings" / "1.jpg"))[..., ::-1].astype(int)
    as_tracked = drawing.draw_people(pictures()[1], keypoints, skeletons.BODY12, colors=np.array([1, 0]))
    as_listed = drawing.draw_people(pictures()[1], keypoints, skeletons.BODY12)
    assert np.abs(drawn - as_tracked).mean() < 0.5 * np.abs(drawn - as_listed).mean()


def test_smoothed_poses_are_the_filtered_ones(video, tmp_path):
    found, smoothed = predict(video, tmp_path / "raw"), predict(video, tmp_path / "smooth", smooth="one_euro")
    tested = OneEuroFilter()
    for t in range(FRAMES):
        rows = np.flatnonzero(ROWS == t)
        points = np.reshape([found[row]["keypoints"] for row in rows], [2, 12, 3])[..., :2]
        expected = tested.update(WHO[rows] + 1, points, np.full(2, np.sqrt(120 * 150.0)), t / 20)
        after = np.reshape([smoothed[row]["keypoints"] for row in rows], [2, 12, 3])[..., :2]
        np.testing.assert_allclose(after, expected, atol=2e-3)
    assert [{**person, "keypoints": 0} for person in found] == [{**person, "keypoints": 0} for person in smoothed]
    np.testing.assert_allclose(points, [spots(t, person)[COLOR_OF_JOINT] for person in WHO[rows]], atol=0.5)
    assert np.abs(after - points).max() > 1.0


class Detector:
    """Finds the people of a frame; dies at one frame the first time."""

    def __init__(self, dies_at=None):
        self.dies_at, self.frame = dies_at, 0

    def __call__(self, image):
        if self.frame == self.dies_at:
            self.dies_at = None
            raise KeyboardInterrupt
        boxes = boxes_of([self.frame] * 2, WHO[ROWS == self.frame])
        self.frame += 1
        return boxes, np.ones(2)


@pytest.mark.parametrize("smooth", ["none", "one_euro"])
def test_what_was_broken_off_goes_on_with_the_same_ids(video, tmp_path, smooth):
    """Batches of four people, so that two chunks of four frames end before the last."""
    whole = predict(video, tmp_path / "whole", DetectedPeople(Detector()), smooth=smooth)
    mortal = Detector(dies_at=5)
    with pytest.raises(KeyboardInterrupt):
        predict(video, tmp_path / "parts", DetectedPeople(mortal), smooth=smooth)
    kept = json.loads((tmp_path / "parts" / "predictions.partial.json").read_text())
    assert kept["frames"] == 4 and len(kept["predictions"]) == 8
    mortal.frame = 4 if smooth == "none" else 0  # smoothed ones start anew
    assert predict(video, tmp_path / "parts", DetectedPeople(mortal), smooth=smooth) == whole
    assert mortal.frame == FRAMES


def test_smoothing_needs_tracks(folder, video, tmp_path):
    for path, tracking in ((folder, {}), (video, {"track": "off"})):
        with pytest.raises(UserError, match="--smooth=one_euro smooths tracked people, who are not tracked here"):
            predict(path, tmp_path, smooth="one_euro", **tracking)
