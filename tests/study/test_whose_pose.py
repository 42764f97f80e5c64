"""Two people with each other's pose: right where poses are assigned to people, wrong in annotated boxes."""

import dataclasses

import numpy as np
import pytest
import stick_couples
import tiny_run

from opec_tf.common import files
from opec_tf.config import DataConfig, InferenceConfig
from opec_tf.inference import pose_model
from opec_tf.inference.pose_estimator import Estimates, PoseEstimator
from opec_tf.poses.predictions import PosePredictions
from opec_tf.study import report
from opec_tf.study.split import Split
from opec_tf.training import run_data, validation

pytestmark = pytest.mark.slow

INFERENCE = InferenceConfig(inference_batch_size=4)


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    """(a workdir, data of two images of two people each and a file of their boxes, the annotations)."""
    root = tmp_path_factory.mktemp("run")
    tiny_run.make(root, stages=("base",))
    folder = stick_couples.write(tmp_path_factory.mktemp("data") / "couples", num_images=2)
    sources = dict.fromkeys(("train_data", "val_data", "test_data"), (stick_couples.SOURCE,))
    data_config = DataConfig(data_root=str(folder), **sources)
    truth = run_data.load(tiny_run.MODEL, data_config, INFERENCE.protocol)[-1]
    _poses(truth).write(folder / "boxes.json")
    return root, data_config, truth


def _poses(truth):
    return PosePredictions(truth.image_ids[truth.image_index], truth.keypoints, np.ones(4), truth.boxes)


@pytest.fixture
def swapped(setting, monkeypatch):
    """A network that gives everybody the pose of the other one in the image."""
    *_, truth = setting
    poses = dataclasses.replace(_poses(truth), keypoints=truth.keypoints[[1, 0, 3, 2]])
    found = Estimates({"peak": poses}, {"peak": np.arange(4)}, [])
    monkeypatch.setattr(PoseEstimator, "estimate_files", lambda *args, **settings: found)


@pytest.mark.parametrize(("boxes", "found", "people_by"), [("gt", 0.0, "box"), ("boxes.json", 1.0, "assignment")])
def test_evaluation(setting, swapped, tmp_path, boxes, found, people_by):
    root, data_config, _ = setting
    boxes = boxes if boxes == "gt" else f"{data_config.data_root}/{boxes}"
    model = pose_model.load(root)
    split = Split.read("test", data_config, INFERENCE.protocol, model)
    people = split.annotated() if boxes == "gt" else split.in_boxes_file(boxes)
    metrics = report.evaluate(model, split, people, tmp_path, inference_config=INFERENCE)["peak"]
    assert (metrics["AP"], metrics["vis75"], metrics["inv75"]) == pytest.approx((1.0, found, found))
    assert metrics.get("swap") == (1.0 if boxes == "gt" else None)
    settings = files.read_json(tmp_path / "metrics.json")["settings"]
    assert settings["people_by"] == people_by


@pytest.mark.parametrize(("boxes", "found"), [("gt", 0.0), ("boxes.json", 1.0)])
def test_validation(setting, swapped, boxes, found):
    root, data_config, truth = setting
    model = pose_model.load(root)
    boxes = boxes if boxes == "gt" else f"{data_config.data_root}/{boxes}"
    validator = validation.Validator(
        model.network,
        truth,
        validation.people_of_split(boxes, truth, model.model_config),
        model_config=model.model_config,
        data_config=data_config,
        inference_config=INFERENCE,
    )
    scores, _ = validator.scores()
    measured = [scores[f"val_peak_{name}"] for name in ("AP", "vis75", "inv75")]
    assert measured == pytest.approx([1.0, found, found])
