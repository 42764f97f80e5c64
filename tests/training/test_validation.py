"""Validation on other systems' people: as evaluation scores them, and the same part of both sides."""

import dataclasses

import numpy as np
import pytest
import stick_couples
import tiny_run
import toy_training

from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig, TrainConfig
from opec_tf.inference import pose_model
from opec_tf.models import workdir
from opec_tf.poses.predictions import PosePredictions
from opec_tf.study import report
from opec_tf.study.split import Split
from opec_tf.training import loop, run_data, validation

pytestmark = pytest.mark.slow

INFERENCE = InferenceConfig(inference_batch_size=8)
GIVEN = dataclasses.replace(tiny_run.MODEL, initial_pose="given")


@pytest.fixture(scope="module")
def data_config(tmp_path_factory):
    folder = stick_couples.write(tmp_path_factory.mktemp("data") / "couples", num_images=6)
    sources = dict.fromkeys(("train_data", "val_data", "test_data"), (stick_couples.SOURCE,))
    return DataConfig(data_root=str(folder), **sources)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    tiny_run.make(root, stages=("opec",))
    return root


@pytest.fixture(scope="module")
def truth(data_config):
    return run_data.load(tiny_run.MODEL, data_config, INFERENCE.protocol)[-1]


@pytest.fixture(scope="module")
def poses(data_config, truth):
    """A file of the annotated poses in images 1 to 4, of poses far off in image 5 and of nobody in 6."""
    keypoints = truth.keypoints.copy()
    keypoints[..., 2] = 1.0
    keypoints[8:10, :, :2] += 40.0
    path = f"{data_config.data_root}/poses.json"
    image_ids = truth.image_ids[truth.image_index]
    found = PosePredictions(image_ids, keypoints, np.linspace(1.0, 0.5, 12), truth.boxes + [1.0, 2.0, 0.0, 0.0])
    found.select(image_ids != 6).write(path)
    return path


def validate(run, truth, data_config, initial_pose, boxes, **settings):
    """(the ``Validator``, its scores, its estimates) of the untrained network."""
    model_config = dataclasses.replace(tiny_run.MODEL, initial_pose=initial_pose)
    people = validation.people_of_split(boxes, truth, model_config)
    model = pose_model.load(run, "opec").starting_from_poses_of(people)
    assert model.model_config == model_config
    validator = validation.Validator(
        model.network,
        truth,
        people,
        model_config=model_config,
        data_config=data_config,
        inference_config=INFERENCE,
        **settings,
    )
    return validator, *validator.scores()


def scores_of_evaluation(run, data_config, folder, poses, refine):
    """What ``report.evaluate`` says of the same people, by the names of the logs."""
    model = pose_model.load(run)
    split = Split.read("test", data_config, INFERENCE.protocol, model)
    people = split.in_poses_file(poses) if refine else split.in_boxes_file(poses)
    metrics = report.evaluate(model, split, people, folder, inference_config=INFERENCE)
    return {f"val_{pose}_{name}": row[name] for pose, row in metrics.items() for name in validation.SCORES}


@pytest.mark.slowest
def test_given_poses_are_the_files(run, truth, poses, data_config, tmp_path, monkeypatch):
    """Two of twelve people are missed and two are far off; the errors of training have no part in it."""
    monkeypatch.setattr(validation.pose_errors, "of_annotations", None)
    _, scores, estimates = validate(run, truth, data_config, "given", boxes=poses)
    given = estimates.predictions["given"]
    np.testing.assert_allclose(given.keypoints[:8, :, :2], truth.keypoints[:8, :, :2], atol=1e-3)
    np.testing.assert_array_equal(given.scores, np.linspace(1.0, 0.5, 12)[:10])
    # The eight of highest scores, a recall of 0.66.
    assert scores["val_given_AP"] == pytest.approx(67 / 101, abs=1e-6)
    expected = scores_of_evaluation(run, data_config, tmp_path, poses, refine=True)
    assert scores == pytest.approx(expected, abs=1e-6)


@pytest.mark.slowest
def test_a_network_of_its_own_poses_gets_the_boxes(run, truth, poses, data_config, tmp_path):
    _, scores, estimates = validate(run, truth, data_config, "integral", boxes=poses)
    assert list(estimates.predictions)[1] == "initial"
    assert scores == pytest.approx(scores_of_evaluation(run, data_config, tmp_path, poses, refine=False), abs=1e-6)


def test_a_part_is_of_whole_images_on_both_sides(run, truth, poses, data_config):
    """Four people: images 1 and 6, in which the file has two poses and none."""
    crowd = dataclasses.replace(truth, is_crowd=np.arange(12) == 1)
    validator, scores, estimates = validate(run, crowd, data_config, "given", boxes=poses, max_people=4)
    assert np.unique(validator.annotations.image_index).tolist() == [0, 5]
    # The crowd region is kept, to be ignored and not counted against who lies in it.
    assert validator.annotations.num_people == 4 and validator.annotations.is_crowd.sum() == 1
    assert estimates.predictions["given"].image_ids.tolist() == [1, 1]
    assert scores["val_given_AP"] == pytest.approx(34 / 101, abs=1e-6)


def test_an_unusable_file_is_told_before_training(data_config, tmp_path):
    config = dataclasses.replace(data_config, val_boxes="absent.json")
    with pytest.raises(UserError, match="absent.json: cannot be read"):
        loop.train(tmp_path, GIVEN, config, TrainConfig(stages=("base",), batch_size=4), INFERENCE)
    assert not workdir.stage_folder(tmp_path, "base").log.exists()


def test_training_validates_on_the_file(data_config, poses, tmp_path, monkeypatch):
    asked = []
    toy_training.install(monkeypatch.setattr)
    monkeypatch.setattr(
        validation,
        "Validator",
        lambda model, truth, people, **kw: asked.append(people.name) or toy_training.Validator(model, **kw),
    )
    train_config = TrainConfig(stages=("base",), batch_size=4, base_epochs=1, steps_per_epoch=1)
    for val_boxes in ("gt", "poses.json"):
        config = dataclasses.replace(data_config, val_boxes=val_boxes)
        loop.train(tmp_path / val_boxes, toy_training.MODEL, config, train_config, toy_training.INFERENCE)
    assert asked == ["gt", poses]
