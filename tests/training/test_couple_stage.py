"""Stage couple on the real, tiny network: what it starts from, what it trains, and that evaluation finds its poses."""

import dataclasses
import json

import numpy as np
import pytest
import stick_couples
import tiny_run

from opec_tf.config import DataConfig, InferenceConfig, TrainConfig
from opec_tf.inference import people, pose_model
from opec_tf.models import output_names, workdir
from opec_tf.study import report
from opec_tf.study.split import Split
from opec_tf.training import callbacks, loop, objectives, run_data, stages, validation

pytestmark = pytest.mark.slowest

ALL = ("base", "opec", "couple")
TRAIN = TrainConfig(
    stages=ALL, batch_size=8, couple_epochs=3, steps_per_epoch=10, learning_rate=3e-2, validation_people=6
)
INFERENCE = InferenceConfig(inference_batch_size=5)


@pytest.fixture(scope="module")
def data_config(tmp_path_factory):
    folder = stick_couples.write(tmp_path_factory.mktemp("data") / "couples", num_images=8)
    sources = dict.fromkeys(("train_data", "val_data", "test_data"), (stick_couples.SOURCE,))
    return DataConfig(data_root=str(folder), flip_probability=0.5, **sources)


@pytest.fixture(scope="module")
def run(tmp_path_factory, data_config):
    """A workdir whose base and OPEC-Net are untrained and whose CoupleGraph has learnt for 30 steps."""
    root = tmp_path_factory.mktemp("run")
    tiny_run.make(root)
    loop.train(root, tiny_run.MODEL, data_config, TRAIN, INFERENCE)
    return root


@pytest.fixture(scope="module")
def models(run):
    """Stage -> its ``PoseModel`` of the run; tests only call them."""
    return {stage: pose_model.load(run, stage) for stage in ("opec", "couple")}


def test_the_loss_falls_and_the_best_epoch_is_the_couples(run):
    folder = workdir.stage_folder(run, "couple")
    log = callbacks.read_log(folder.log)
    assert float(log[-1]["loss"]) < 0.9 * float(log[0]["loss"])
    weights = dict(zip(output_names.COUPLE_OUTPUTS, TRAIN.pose_loss_weights))
    total = sum(weight * float(log[-1][f"{name}_loss"]) for name, weight in weights.items())
    assert float(log[-1]["loss"]) == pytest.approx(total, rel=1e-4)
    assert not any(name.startswith("pose_") and name.endswith("_loss") for name in log[-1])
    best = json.loads(folder.metrics.read_text())
    assert best["val_couple_3_AP"] == pytest.approx(max(float(row["val_couple_3_AP"]) for row in log), abs=1e-6)


def test_opec_net_stays_as_it_is(run, models):
    assert workdir.last_stage(run) == "couple"
    couple, opec = models["couple"].network, models["opec"].network
    for layer in opec.layers:
        for first, second in zip(layer.get_weights(), couple.get_layer("opec_net").get_layer(layer.name).get_weights()):
            np.testing.assert_array_equal(first, second)
    # The couple's own weights did learn.
    assert np.abs(couple.get_layer("couple_displacement_3").get_weights()[1]).max() > 1e-3


def test_evaluation_scores_the_couples_poses(models, data_config, tmp_path):
    settings = dataclasses.replace(INFERENCE, flip_test=True)
    metrics, opec = (
        report.evaluate(model, split, split.annotated(), folder, inference_config=settings)
        for folder, model in ((tmp_path, models["couple"]), (tmp_path / "opec", models["opec"]))
        for split in [Split.read("test", data_config, settings.protocol, model)]
    )
    assert list(metrics) == [*opec, "couple_1", "couple_2", "couple_3"]
    for name, row in opec.items():
        assert metrics[name]["AP"] == pytest.approx(row["AP"], abs=1e-6)
    assert (tmp_path / "predictions_couple_3.json").exists()
    assert json.loads((tmp_path / "metrics.json").read_text())["settings"]["stage"] == "couple"


def test_validation_keeps_couples_together(models, data_config):
    """Six people of eight couples: three whole couples for the CoupleGraph, six people anywhere for OPEC-Net."""
    *_, val_data = run_data.load(tiny_run.MODEL, data_config, INFERENCE.protocol)
    for stage, images in (("couple", 3), ("opec", 6)):
        model = models[stage]
        split = validation.Validator(
            model.network,
            val_data,
            people.annotated(val_data, model.skeleton),
            model_config=model.model_config,
            data_config=data_config,
            inference_config=INFERENCE,
            max_people=6,
        ).annotations
        assert split.num_people == 6 and len(np.unique(split.image_index)) == images


def test_losses_of_a_network_trained_along():
    frozen, weights = objectives.losses_and_weights("couple", tiny_run.MODEL, TRAIN)
    assert weights == {"couple_pose_1": 0.3, "couple_pose_2": 0.5, "couple_pose_3": 1.0} and set(frozen) == set(weights)
    along, weights = objectives.losses_and_weights(
        "couple", tiny_run.MODEL, dataclasses.replace(TRAIN, freeze_opec=False)
    )
    opec = objectives.losses_and_weights("opec", tiny_run.MODEL, TRAIN)[1]
    assert weights == {**opec, "couple_pose_1": 0.3, "couple_pose_2": 0.5, "couple_pose_3": 1.0}
    assert set(along) == set(weights)


@pytest.mark.parametrize("freeze_opec, freeze_base", [(True, False), (False, True), (False, False)])
def test_what_is_trained(run, freeze_opec, freeze_base):
    config = dataclasses.replace(TRAIN, freeze_opec=freeze_opec, freeze_base=freeze_base)
    model = stages.build("couple", run, tiny_run.MODEL, config, total_steps=10, jit_compile=False).model
    opec = model.get_layer("opec_net")
    assert bool(opec.trainable_variables) == (not freeze_opec)
    assert bool(opec.get_layer("base").trainable_variables) == (not freeze_opec and not freeze_base)
    own = [layer for layer in model.layers if layer.name.startswith("couple_") and layer.weights]
    assert own and all(len(layer.trainable_variables) == len(layer.weights) for layer in own)
