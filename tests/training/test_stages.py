"""Stages: what each learns from, what it starts from, and what stays as it is when the base is frozen."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import toy_training

from opec_tf.common.errors import UserError
from opec_tf.config import ModelConfig, TrainConfig
from opec_tf.models import workdir
from opec_tf.training import objectives, stages, strategy as strategies

pytestmark = pytest.mark.slow

MODEL = toy_training.MODEL
TRAIN = TrainConfig(batch_size=2, learning_rate=0.01)


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    toy_training.install(monkeypatch.setattr)


def _batches(batch_size, seed, shard):
    assert shard == (0, 1)
    generator = tf.random.Generator.from_seed(seed)
    crops = generator.uniform([batch_size, 64, 64, 3], 0, 255)
    joints = tf.concat([generator.uniform([batch_size, 14, 2], -0.8, 0.8), tf.ones([batch_size, 14, 1])], axis=-1)
    return tf.data.Dataset.from_tensors((crops, joints)).repeat()


def _fit(model, steps=2):
    data = stages.dataset(strategies.make("one"), _batches, list(model.loss), batch_size=2, seed=0, start_epoch=0)
    return model.fit(data, steps_per_epoch=steps, verbose=0).history


@pytest.fixture
def trained_base(tmp_path, toys):
    """Workdir with a finished stage base whose best and final weights differ, and the best weights."""
    root = tmp_path / "run"
    folder = workdir.stage_folder(root, "base")
    model = stages.build("base", root, MODEL, TRAIN, total_steps=10, jit_compile=False).model
    _fit(model)
    workdir.save_weights(model, folder.best_weights)
    best = model.get_layer("base").get_weights()
    _fit(model)
    workdir.save_weights(model, folder.final_weights)
    return root, best


def _base_weights(model):
    return model.get_layer("base").get_weights()


def _all_equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second))


def test_losses_are_eq_3_and_the_heatmaps():
    losses, weights = objectives.losses_and_weights("base", MODEL, TRAIN)
    assert list(losses) == ["base_heatmaps"] and weights == {"base_heatmaps": 1.0}
    assert losses["base_heatmaps"].sigma == TRAIN.heatmap_sigma
    config = dataclasses.replace(TRAIN, heatmap_loss_weight=0.7)
    _, weights = objectives.losses_and_weights("opec", MODEL, config)
    poses = {"initial_pose": 1.0, "pose_1": 0.3, "pose_2": 0.5, "pose_3": 1.0}
    assert weights == {**poses, "base_heatmaps": 0.7}
    for without_heatmaps in ({"heatmap_loss_weight": 0.0}, {"freeze_base": True}):
        losses, weights = objectives.losses_and_weights("opec", MODEL, dataclasses.replace(config, **without_heatmaps))
        assert weights == poses and set(losses) == set(poses)
    losses, weights = objectives.losses_and_weights(
        "opec",
        dataclasses.replace(MODEL, predict_visibility=True),
        dataclasses.replace(TRAIN, freeze_base=True),
    )
    assert weights == {**poses, "visibility": 1.0} and set(losses) == set(weights)
    control = dataclasses.replace(MODEL, refinement=False, predict_visibility=True)
    assert "visibility" not in objectives.losses_and_weights("opec", control, TRAIN)[0]
    no_graph = dataclasses.replace(MODEL, graph_convolution="none", predict_visibility=True)
    assert set(objectives.losses_and_weights("opec", no_graph, TRAIN)[0]) == {"initial_pose", "base_heatmaps"}
    assert stages.best_pose("opec", no_graph) == "initial" and stages.best_pose("opec", MODEL) == "pose_3"
    # The second look has the losses of the first, its heatmaps where they are integrated about their peaks.
    second = dataclasses.replace(MODEL, second_look=True, integral_radius=2)
    of_couple, weights = objectives.losses_and_weights("couple", second, TRAIN)
    assert set(of_couple) == {
        *(f"couple_pose_{block}" for block in (1, 2, 3)),
        *("second_initial_pose", "second_pose", "second_heatmaps"),
    }
    assert [weights[name] for name in ("second_initial_pose", "second_pose", "second_heatmaps")] == [1.0] * 3


def test_with_a_radius_the_adapted_heatmaps_have_a_loss():
    """What is integrated about the highest cell does not say which cell that should be."""
    near = dataclasses.replace(MODEL, integral_radius=4)
    for freeze_base, expected in ((False, {"base_heatmaps", "heatmaps"}), (True, {"heatmaps"})):
        config = dataclasses.replace(TRAIN, freeze_base=freeze_base)
        stage_losses, weights = objectives.losses_and_weights("opec", near, config)
        assert {name for name in stage_losses if "heatmaps" in name} == expected and weights["heatmaps"] == 1.0


def test_a_base_trained_along_keeps_its_losses():
    regressing = dataclasses.replace(MODEL, trunk="movenet_lightning")
    of_base = {"base_heatmaps", "regressed_pose"}
    assert set(objectives.losses_and_weights("base", regressing, TRAIN)[0]) == of_base
    assert set(objectives.losses_and_weights("opec", regressing, TRAIN)[0]) >= of_base
    frozen = dataclasses.replace(TRAIN, freeze_base=True)
    assert not of_base & set(objectives.losses_and_weights("opec", regressing, frozen)[0])
    assert "regressed_pose" not in objectives.losses_and_weights("opec", MODEL, TRAIN)[0]


def test_every_stage_learns_with_other_peoples_joints(trained_base):
    """The joint-candidate target of the heatmaps; the poses' losses look at the person alone."""
    config = dataclasses.replace(TRAIN, interference_weight=0.5)
    losses, _ = objectives.losses_and_weights("opec", MODEL, config)
    assert losses["base_heatmaps"].interference_weight == 0.5
    model = stages.build("opec", trained_base[0], MODEL, config, total_steps=10, jit_compile=False).model
    crops, joints = next(iter(_batches(2, seed=0, shard=(0, 1))))
    visitors = tf.concat([joints[..., ::-1][..., 1:], tf.ones([2, 14, 1])], axis=-1)
    labels = {name: tf.stack([joints, visitors], axis=1) for name in model.loss}
    found = model.test_on_batch(crops, labels, return_dict=True)
    outputs, plain = model(crops), objectives.losses_and_weights("opec", MODEL, TRAIN)[0]
    alone = {name: loss(joints, outputs[name]).numpy() for name, loss in plain.items()}
    assert found["pose_3_loss"] == pytest.approx(alone["pose_3"], rel=1e-5)
    assert abs(found["base_heatmaps_loss"] / alone["base_heatmaps"] - 1.0) > 0.01


def test_the_loss_of_stage_opec_is_the_weighted_sum(trained_base):
    model = stages.build("opec", trained_base[0], MODEL, TRAIN, total_steps=10, jit_compile=False).model
    history = {name: values[0] for name, values in _fit(model, steps=1).items()}
    weights = {"initial_pose": 1.0, "pose_1": 0.3, "pose_2": 0.5, "pose_3": 1.0, "base_heatmaps": 1.0}
    assert history["loss"] == pytest.approx(sum(w * history[f"{name}_loss"] for name, w in weights.items()), rel=1e-5)


def test_opec_starts_from_the_best_base_and_trains_it(trained_base):
    root, best = trained_base
    model = stages.build("opec", root, MODEL, TRAIN, total_steps=10, jit_compile=False).model
    assert _all_equal(_base_weights(model), best)
    _fit(model)
    assert not _all_equal(_base_weights(model), best)
    # Tracing is what the first step waits for.
    assert model.train_function.experimental_get_tracing_count() == 1


def test_a_frozen_base_stays_as_it_is_to_the_last_statistic(trained_base):
    root, best = trained_base
    model = stages.build("opec", root, MODEL, dataclasses.replace(TRAIN, freeze_base=True), 10, jit_compile=False).model
    before = model.get_weights()
    _fit(model)
    assert _all_equal(_base_weights(model), best)
    assert not _all_equal(model.get_weights(), before)


def test_a_frozen_base_of_the_real_network_runs_as_in_inference(tmp_path, monkeypatch):
    monkeypatch.undo()
    config = ModelConfig(crop_height=64, crop_width=64, trunk="resnet10", trunk_width=8)
    crops = tf.random.uniform([2, 64, 64, 3], 0, 255, seed=1)
    for frozen in (True, False):
        train_config = dataclasses.replace(TRAIN, freeze_base=frozen)
        model = stages.build("opec", tmp_path, config, train_config, total_steps=10, jit_compile=False).model
        # BatchNorm that trains uses the batch's statistics: then the heatmaps differ from inference's.
        training, inference = (model(crops, training=training)["base_heatmaps"].numpy() for training in (True, False))
        assert np.allclose(training, inference, atol=1e-6) == frozen
        assert (len(model.get_layer("base").trainable_variables) == 0) == frozen


def test_the_base_trains_at_its_own_rate(trained_base):
    root, _ = trained_base
    moved = {}
    for factor in (1.0, 0.1):
        config = dataclasses.replace(TRAIN, base_rate_factor=factor)
        model = stages.build("opec", root, MODEL, config, total_steps=10, jit_compile=False).model
        kernel = model.get_layer("base").trainable_variables[0]
        before = kernel.numpy()
        _fit(model, steps=1)
        moved[factor] = np.abs(kernel.numpy() - before).max()
    assert moved[0.1] == pytest.approx(0.1 * moved[1.0], rel=0.02)


def test_base_weights_of_another_run_are_taken_where_there_is_no_stage_base(trained_base, tmp_path):
    root, best = trained_base
    path = str(workdir.stage_folder(root, "base").best_weights)
    config = dataclasses.replace(TRAIN, base_weights=path)
    for stage in ("base", "opec"):
        model = stages.build(stage, tmp_path, MODEL, config, 10, jit_compile=False).model
        assert _all_equal(_base_weights(model), best)
    with pytest.raises(UserError, match="gone.weights.h5: does not exist"):
        config = dataclasses.replace(TRAIN, base_weights=str(tmp_path / "gone.weights.h5"))
        stages.build("opec", tmp_path, MODEL, config, 10, jit_compile=False)


def test_a_resumed_run_draws_other_crops_and_the_same_seed_the_same():
    def first(seed, start_epoch):
        data = stages.dataset(strategies.make("one"), _batches, ["pose_3"], 2, seed, start_epoch)
        crops, joints = next(iter(data))
        assert list(joints) == ["pose_3"]
        return crops.numpy()

    np.testing.assert_array_equal(first(0, 0), first(0, 0))
    assert not np.array_equal(first(0, 0), first(0, 1))
    assert not np.array_equal(first(0, 1), first(1, 0))


def test_an_epoch_is_once_through_the_people():
    assert stages.steps_per_epoch(TrainConfig(batch_size=10), 95) == 10
    assert stages.steps_per_epoch(TrainConfig(batch_size=10, steps_per_epoch=3), 95) == 3
