"""Who is in a frame, by each of the ways to know it."""

import json

import numpy as np
import pytest

from opec_tf.common.errors import UserError
from opec_tf.config import DetectorConfig
from opec_tf.inference import people
from opec_tf.inference.detectors.nanodet import NanodetDetector
from opec_tf.inference.person_boxes import PersonBoxes
from opec_tf.poses import skeletons
from opec_tf.poses.pose_annotations import PoseAnnotations

FRAME = np.zeros([40, 60, 3], np.uint8)
IDS, NAMES = [10, 20], ["a.jpg", "b.jpg"]


def test_the_whole_image_is_one_person():
    found = people.WholeImage().in_frame(3, FRAME)
    assert found.image_index.tolist() == [3] and found.boxes.tolist() == [[0, 0, 60, 40]] and found.scores is None
    assert people.WholeImage().expected(5) == 5 and not people.WholeImage().have_poses


def test_a_detectors_people_have_its_scores_and_nobody_is_news(caplog):
    seen = []

    def detector(image):
        seen.append(image)
        return np.array([[1.0, 2, 3, 4]]), np.array([0.5])

    detected = people.DetectedPeople(detector)
    found = detected.in_frame(1, FRAME)
    assert found.image_index.tolist() == [1] and found.scores.tolist() == [0.5] and seen[0] is FRAME
    assert detected.expected(5) == 20
    detected.warn_about_nobody([], 5)
    people.WholeImage().warn_about_nobody(["a.jpg"], 5)
    assert not caplog.records
    detected.warn_about_nobody(["a.jpg"], 5)
    assert "the detector found nobody in 1 of 5 images (first: a.jpg)" in caplog.text


def test_listed_people_are_those_of_the_frame():
    boxes = PersonBoxes([0, 2, 2], [[0, 0, 9, 9], [1, 1, 9, 9], [2, 2, 9, 9]], scores=[0.1, 0.2, 0.3])
    listed = people.ListedPeople(boxes, "boxes")
    assert [listed.in_frame(row, FRAME).boxes[:, 0].tolist() for row in range(4)] == [[0], [], [1, 2], []]
    assert listed.in_frame(2, FRAME).scores.tolist() == [0.2, 0.3]
    assert listed.expected(100) == 3 and not listed.have_poses


def test_files_are_named(tmp_path):
    path = tmp_path / "people.json"
    path.write_text(json.dumps([{"image_id": 20, "bbox": [1, 2, 30, 40], "score": 1, "keypoints": [5, 5, 1] * 12}]))
    for read, have_poses in ((people.in_boxes_file, False), (people.in_poses_file, True)):
        found = read(path, IDS, NAMES, skeletons.BODY12)
        assert (found.name, found.have_poses) == (str(path), have_poses)
        assert found.boxes.image_index.tolist() == [1]


def test_annotated_people_know_who_they_are():
    """By image, without the one who has no labels."""
    keypoints = np.full([4, 12, 3], 2.0)
    keypoints[:, :, 0] = np.arange(4)[:, None]
    keypoints[1] = 0.0
    truth = PoseAnnotations(
        skeleton=skeletons.BODY12,
        image_ids=IDS,
        image_paths=NAMES,
        image_sizes=np.full([2, 2], 99),
        crowd_index=[np.nan] * 2,
        annotation_ids=range(4),
        image_index=[1, 0, 0, 1],
        boxes=[[0, 0, 10, 10]] * 4,
        areas=np.ones(4),
        keypoints=keypoints,
        is_crowd=[False] * 4,
    )
    found = people.annotated(truth, skeletons.BODY12)
    assert (found.name, found.annotation_rows.tolist()) == ("gt", [2, 0, 3])
    assert found.boxes.image_index.tolist() == [0, 1, 1] and found.boxes.labels[:, 0, 0].tolist() == [2, 0, 3]


def test_names_of_detectors():
    config = DetectorConfig()
    assert isinstance(people.by_detector("none", config), people.WholeImage)
    assert isinstance(people.by_detector("nanodet", config).detector, NanodetDetector)
    with pytest.raises(UserError, match="model.pt: is no detector"):
        people.by_detector("model.pt", config)
