import functools
import json
import pathlib

import cv2
import numpy as np
import pytest
from painted_people import COLOR_OF_JOINT, CONFIG, color_model, paint

from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, DetectorConfig, InferenceConfig
from opec_tf.inference.detectors import named
from opec_tf.inference.estimates import Estimates
from opec_tf.inference.people import annotated as annotated_people
from opec_tf.inference.pose_model import PoseModel
from opec_tf.poses import skeletons
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.predictions import PosePredictions
from opec_tf.study import measures, report, report_text
from opec_tf.study.split import Split

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("shared_estimators")]

shared_model = functools.cache(color_model)
BOXES = np.array([[20.0, 20.0, 110.0, 150.0], [150.0, 30.0, 110.0, 150.0]])


@pytest.fixture
def data(tmp_path):
    """A data set of three images with two painted people each, and what a detector found in them."""
    random = np.random.default_rng(0)
    images, people, detections = [], [], []
    for i in range(3):
        spots = BOXES[:, None, :2] + BOXES[:, None, 2:] * random.uniform(0.25, 0.75, [2, 3, 2])
        cv2.imwrite(str(tmp_path / f"{i}.png"), paint(200, 280, spots)[..., ::-1])
        images.append({"id": 10 + i, "file_name": f"{i}.png", "height": 200, "width": 280, "crowdIndex": 0.5 * i})
        for box, centers in zip(BOXES.tolist(), spots):
            visibility = 1 + np.arange(12)[:, None] % 2
            head_and_neck = np.zeros([2, 3])
            keypoints = np.concatenate([np.concatenate([centers[COLOR_OF_JOINT], visibility], axis=1), head_and_neck])
            people.append(
                {
                    "id": len(people) + 1,
                    "image_id": 10 + i,
                    "bbox": box,
                    "iscrowd": 0,
                    "keypoints": keypoints.ravel().tolist(),
                }
            )
            detections.append({"image_id": 10 + i, "bbox": box, "score": 0.8})
    (tmp_path / "annotations.json").write_text(json.dumps({"images": images, "annotations": people}))
    # The detector sees the first person twice, and one person in an image of some other data set.
    again = [{**detections[0], "score": 0.6}, {"image_id": 99, "bbox": [0, 0, 9, 9], "score": 1.0}]
    (tmp_path / "boxes.json").write_text(json.dumps(detections + again))
    return tmp_path


def annotated(split):
    return split.annotated()


def in_file(path):
    return lambda split: split.in_boxes_file(path)


def by_nanodet(split):
    return split.detected(
        "nanodet", DetectorConfig(), pathlib.Path(split.data_config.data_root) / "out" / "detections.json"
    )


def evaluate(data, people=annotated, network=None, protocol="crowdpose12", **settings):
    config = {"data_root": str(data), "test_data": ("crowdpose:annotations.json:.",), **settings.pop("data_config", {})}
    model = PoseModel(network or shared_model(), CONFIG, "opec", box_margin=1.3, name="run")
    split = Split.read("test", DataConfig(**config), protocol, model)
    inference_config = InferenceConfig(inference_batch_size=4, protocol=protocol)
    return report.evaluate(model, split, people(split), data / "out", inference_config=inference_config, **settings)


@pytest.mark.parametrize("boxes", ["gt", "boxes.json"])
def test_exact_poses_score_one_in_every_row(data, boxes):
    metrics = evaluate(data, annotated if boxes == "gt" else in_file(str(data / boxes)))
    assert list(metrics) == ["peak", "initial", "pose_1", "pose_2", "pose_3"]
    for row in metrics.values():
        for key in ("AP", "AP50", "AP90", "AR", "AP_easy", "AP_medium", "AP_hard", "vis90", "inv90"):
            assert row[key] == 1.0, key
    written = json.loads((data / "out" / "metrics.json").read_text())
    assert written["AP"] == 1.0 and written["poses"] == metrics
    # Whose pose it is is known in annotated boxes alone; these people do not overlap, so that nobody can be swapped.
    assert (data / "out" / "occlusion_curves.png").exists() == (boxes == "gt") and "swap" not in written
    if boxes == "gt":
        levels = json.loads((data / "out" / "occlusion.json").read_text())
        assert list(levels) == list(metrics) and levels["pose_3"]["all"]["oks75"] == 1.0
    settings = written["settings"]
    assert settings["boxes"] == (boxes if boxes == "gt" else str(data / boxes)) and settings["box_margin"] == 1.3
    assert (settings["workdir"], settings["stage"], settings["initial_poses"]) == ("run", "opec", None)
    for name in metrics:
        poses = json.loads((data / "out" / f"predictions_{name}.json").read_text())
        assert len(poses) == 6 and len(poses[0]["keypoints"]) == 36
    sheet = cv2.imread(str(data / "out" / "contact_sheet.jpg"))
    assert sheet.shape[1] > 6 * 330 and sheet.shape[0] > 2 * 330


def test_a_detectors_boxes_are_kept_and_can_be_given_again(data, monkeypatch):
    """The detector finds the two people of every image but the second, whose two count as missed."""

    def detector(image):
        found = BOXES if np.any(image != second) else BOXES[:0]
        return found, np.full(len(found), 0.75)

    second = cv2.imread(str(data / "1.png"))[..., ::-1]
    monkeypatch.setattr(named, "make", lambda name, config: detector)
    metrics = evaluate(data, by_nanodet)
    assert metrics["pose_3"]["AR"] == pytest.approx(2 / 3)
    kept = json.loads((data / "out" / "detections.json").read_text())
    assert [(item["image_id"], item["bbox"], item["score"]) for item in kept] == [
        (image_id, box, 0.75) for image_id in (10, 12) for box in BOXES.tolist()
    ]
    assert evaluate(data, in_file(data / "out" / "detections.json")) == metrics
    monkeypatch.setattr(named, "make", lambda name, config: lambda image: (BOXES[:0], np.zeros(0)))
    with pytest.raises(UserError, match="the detector found nobody in 3 images; lower --detector_score"):
        evaluate(data, by_nanodet)


def test_poses_meet_their_people_whatever_the_order_of_the_annotations():
    keypoints = np.zeros([5, 12, 3])
    keypoints[..., 0] = np.arange(12) + 100.0 * np.arange(5)[:, None]
    keypoints[..., 2] = 2
    keypoints[3] = 0  # nobody to crop
    truth = PoseAnnotations(
        skeletons.BODY12,
        [7, 8],
        ["7.png", "8.png"],
        np.full([2, 2], 200),
        [np.nan] * 2,
        range(1, 6),
        [1, 0, 1, 0, 0],
        [[0, 0, 10, 10]] * 5,
        np.ones(5),
        keypoints,
        [False] * 5,
    )
    people = annotated_people(truth, skeletons.BODY12)
    boxes = people.boxes
    assert people.annotation_rows.tolist() == [1, 4, 0, 2]
    assert boxes.labels[:, 0, 0].tolist() == [100, 400, 0, 200]
    # In the second image the two have each other's pose; the first person of the first one has none.
    rows = np.array([1, 2, 3])
    poses = PosePredictions([7, 8, 8], boxes.labels[[1, 3, 2]], np.ones(3), boxes.boxes[rows])
    split = Split("test", DataConfig(), "ocpose", truth, skeletons.BODY12)
    levels = measures.score_by_occlusion(Estimates({"pose_3": poses}, {"pose_3": rows}, []), split, people)
    found = levels["pose_3"]["all"]
    quarter = dict.fromkeys(("oks", "oks75", "vis75"), 1 / 4)
    assert found == pytest.approx({"people": 4, **quarter, "swap": 2 / 3}, abs=1e-6)


def test_unreadable_images_count_as_missed(data, caplog):
    (data / "2.png").write_bytes(b"")
    metrics = evaluate(data)
    assert metrics["pose_3"]["vis50"] == pytest.approx(2 / 3) and metrics["pose_3"]["AR"] == pytest.approx(2 / 3)
    assert "1 of 3 images cannot be read" in caplog.text and "2.png" in caplog.text
    for i in range(2):
        (data / f"{i}.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"0\.png: cannot be read, nor can any other image"):
        evaluate(data)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data_config": {"test_data": ()}}, "no data set is given"),
        ({"data_config": {"test_data": ("crowdpose:none.json:.",)}}, r"none\.json: cannot be read"),
        ({"data_config": {"data_root": "/nowhere"}}, r"/nowhere/annotations\.json: cannot be read"),
        ({"data_config": {"strict": True}}, r"2\.png: is empty"),
        ({"people": in_file("nowhere.json")}, r"nowhere\.json: cannot be read"),
        (
            {"people": in_file("b.json"), "data_config": {"test_data": ("crowdpose:annotations.json:.",) * 2}},
            r"--boxes=b\.json knows the images of one data set by their ids, and --test_data names several; name one",
        ),
    ],
)
def test_bad_input(data, settings, message):
    (data / "2.png").write_bytes(b"")
    with pytest.raises(UserError, match=message):
        evaluate(data, **settings)


def test_protocol_with_joints_that_the_model_lacks(data):
    text = (data / "annotations.json").read_text()
    (data / "annotations.json").write_text(text.replace("0.0, 0.0, 0.0, 0.0, 0.0, 0.0]", "5.0, 5.0, 1, 6.0, 6.0, 1]"))
    with pytest.raises(UserError, match="poses have 12 joints, but protocol crowdpose also needs head, neck"):
        evaluate(data, protocol="crowdpose")


def test_visibility_is_scored_on_annotated_boxes(data):
    """The model calls left joints visible, right ones occluded, as their labels do, but for the last three."""
    probabilities = np.where(np.arange(12)[:, None] % 2 == 0, [0.25, 0.5, 0.25], [0.75, 0.25, 0.0])
    probabilities[9:] = [0.125, 0.125, 0.75]
    logits = np.log(np.maximum(probabilities, 1e-30)).astype(np.float32)
    network = color_model(visibility=logits)
    metrics = evaluate(data, network=network, hidden_score=0.5)
    row = {name: value for name, value in metrics["pose_3"].items() if name.startswith("visibility")}
    assert row == pytest.approx(
        {
            "visibility_accuracy": 9 / 12,
            "visibility_balanced_accuracy": (4 / 6 + 5 / 6) / 2,
            "visibility_recall_visible": 4 / 6,
            "visibility_recall_occluded": 5 / 6,
            # Five joints at 0.5 that came true, four at 0.75 that did and three that did not: one bin for these seven.
            "visibility_ece": (5 * 0.5 + 7 * abs(0.75 - 4 / 7)) / 12,
            "visibility_by_peak_accuracy": 1 / 2,
            "visibility_by_peak_balanced_accuracy": 1 / 2,
            "visibility_by_peak_recall_visible": 1.0,
            "visibility_by_peak_recall_occluded": 0.0,
            # The joints of a pair have one height, so that no threshold is better than the first.
            "visibility_best_hidden_score": 0.0,
        },
        abs=1e-6,
    )
    assert not any(name.startswith("visibility") for name in metrics["pose_2"])
    written = json.loads((data / "out" / "metrics.json").read_text())
    assert written["visibility_ece"] == row["visibility_ece"]
    assert sum(part["joints"] for part in json.loads((data / "out" / "reliability.json").read_text())["visible"]) == 72
    line = report_text.visibility_line(metrics)
    assert "accuracy 75.0, balanced accuracy 75.0, recall visible 66.7, recall occluded 83.3, calibration" in line
    detected = evaluate(data, in_file(data / "boxes.json"), network)
    assert "visibility_ece" not in detected["pose_3"] and report_text.visibility_line(detected) == ""
    # Nothing of the first evaluation, on annotated boxes, is left beside the second one's metrics.
    assert sorted(path.name for path in (data / "out").iterdir()) == [
        "contact_sheet.jpg",
        "metrics.json",
        *(f"predictions_{name}.json" for name in sorted(detected)),
    ]


def test_a_file_that_is_refined_in_its_own_folder_stays(data):
    evaluate(data)
    given = data / "out" / "predictions_best.json"
    given.write_text((data / "out" / "predictions_peak.json").read_text())
    evaluate(data, in_file(given))
    assert given.exists() and not (data / "out" / "occlusion.json").exists()
