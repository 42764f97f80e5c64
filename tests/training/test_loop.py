"""The training loop on the real network and data: it can learn, says what it does, and stops where it must."""

import dataclasses
import json

import numpy as np
import pytest
import stick_couples
import tensorflow as tf
import toy_training
from tensorflow.core.util import event_pb2

from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig
from opec_tf.data import pipeline
from opec_tf.data.synthetic import dataset
from opec_tf.inference import pose_model
from opec_tf.models import loading, workdir
from opec_tf.poses.predictions import PosePredictions
from opec_tf.study import report
from opec_tf.study.split import Split
from opec_tf.training import callbacks, loop, precision, run_data

pytestmark = pytest.mark.slow

TOY_TRAIN = TrainConfig(batch_size=4, base_epochs=3, opec_epochs=2, steps_per_epoch=2)


@pytest.fixture(scope="module")
def sticks(tmp_path_factory):
    folder = stick_couples.write(tmp_path_factory.mktemp("data") / "couples", num_images=3)
    return DataConfig(data_root=str(folder), train_data=(stick_couples.SOURCE,), val_data=(stick_couples.SOURCE,))


def _train_toy(root, data_config, patch, **changes):
    toy_training.install(patch.setattr)
    config = dataclasses.replace(TOY_TRAIN, **changes)
    loop.train(root, toy_training.MODEL, data_config, config, toy_training.INFERENCE)


@pytest.mark.slowest
def test_eight_images_are_learnt_by_heart(tmp_path):
    """The proof that every part passes its gradients on: what is trained on is known, hidden joints too."""
    dataset.write_dataset(tmp_path / "data", couples=11, seed=0, workers=1, progress=False)
    source = ("crowdpose:train/annotations.json:train/images",)
    data_config = DataConfig(
        data_root=str(tmp_path / "data"), train_data=source, val_data=source, flip_probability=0.0, box_jitter=0.0
    )
    model_config = ModelConfig(
        crop_height=64,
        crop_width=64,
        trunk="resnet10",
        trunk_width=16,
        decoder="deconv",
        deconv_channels=32,
        adaption_channels=(32, 32, 32),
        graph_channels=32,
        block_channels=32,
    )
    train_config = TrainConfig(
        batch_size=16,
        base_epochs=2,
        opec_epochs=2,
        steps_per_epoch=45,
        learning_rate=3e-3,
        warmup_steps=20,
        heatmap_sigma=1.0,
    )
    inference_config = InferenceConfig(inference_batch_size=16)
    loop.train(tmp_path / "run", model_config, data_config, train_config, inference_config)

    model = pose_model.load(tmp_path / "run")
    split = Split.read("train", data_config, inference_config.protocol, model)
    metrics = report.evaluate(model, split, split.annotated(), tmp_path / "scores", inference_config=inference_config)
    assert metrics["pose_3"]["inv90"] > 0.95
    assert metrics["pose_3"]["vis90"] > 0.95
    assert metrics["pose_3"]["AP"] > 0.95
    folder = workdir.stage_folder(tmp_path / "run", "opec")
    last_epoch = callbacks.read_log(folder.log)[-1]
    # L1 in normalised units: the mean error of a joint is below half a pixel in x and in y.
    assert float(last_epoch["pose_3_loss"]) < 2 * 0.5 / 32
    # Training scores as evaluation does, and TensorBoard is told the same.
    for score in ("AP", "inv75"):
        assert float(last_epoch[f"val_pose_3_{score}"]) == pytest.approx(metrics["pose_3"][score], abs=1e-5)
    assert _summaries(folder.tensorboard / "train") >= {"epoch_loss", "epoch_pose_3_loss", "epoch_learning_rate"}
    validation = {"epoch_pose_3_AP", "epoch_peak_inv75", "validation examples"}
    assert _summaries(folder.tensorboard / "validation") >= validation


def _summaries(folder):
    """Names of what was written for TensorBoard."""
    names = set()
    for path in folder.iterdir():
        for record in tf.data.TFRecordDataset(str(path)):
            names.update(value.tag for value in event_pb2.Event.FromString(record.numpy()).summary.value)
    return names


def test_the_best_epoch_is_kept_and_a_tie_goes_to_the_later(tmp_path, sticks, monkeypatch):
    scores = iter([0.25, 0.75, 0.5, 0.1, 0.1])
    names = ("val_peak_AP", "val_pose_3_AP")
    monkeypatch.setattr(toy_training.Validator, "scores", lambda self: (dict.fromkeys(names, next(scores)), None))
    _train_toy(tmp_path, sticks, monkeypatch)
    base, opec = (workdir.stage_folder(tmp_path, stage) for stage in ("base", "opec"))
    assert workdir.read_attributes(base.best_weights) == {"epoch": 1, "val_peak_AP": 0.75, "val_pose_3_AP": 0.75}
    assert json.loads(base.metrics.read_text()) == {
        "stage": "base",
        "steps": 6,
        "epoch": 1,
        "val_peak_AP": 0.75,
        "val_pose_3_AP": 0.75,
    }
    assert workdir.read_attributes(opec.best_weights)["epoch"] == 1
    rows = callbacks.read_log(base.log)
    assert [float(row["val_peak_AP"]) for row in rows] == [0.25, 0.75, 0.5]
    # The rate of each epoch's last step: cosine over 6 steps, at steps 1, 3 and 5.
    rates = [1e-3 * 0.5 * (1 + np.cos(np.pi * step / 6)) for step in (1, 3, 5)]
    np.testing.assert_allclose([float(row["learning_rate"]) for row in rows], rates, rtol=1e-4)


def test_a_finished_run_is_left_alone(tmp_path, sticks, monkeypatch, capsys):
    _train_toy(tmp_path, sticks, monkeypatch)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    capsys.readouterr()
    _train_toy(tmp_path, sticks, monkeypatch, base_epochs=5)
    assert [line.split(";")[0] for line in capsys.readouterr().out.splitlines()] == [
        "stage base: finished before",
        "stage opec: finished before",
    ]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == written


def test_without_validation_data_the_last_epoch_is_the_best(tmp_path, sticks, monkeypatch, capsys):
    _train_toy(tmp_path, dataclasses.replace(sticks, val_data=()), monkeypatch, stages=("base",))
    folder = workdir.stage_folder(tmp_path, "base")
    assert "stage base: without --val_data the last epoch counts as the best" in capsys.readouterr().out
    assert workdir.read_attributes(folder.best_weights) == {"epoch": 2}
    best, final = (loading.BUILDERS["base"](toy_training.MODEL) for _ in range(2))
    workdir.load_weights(best, folder.best_weights)
    workdir.load_weights(final, folder.final_weights)
    for first, second in zip(best.get_weights(), final.get_weights()):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "spoil", [lambda crops, joints: (crops * np.nan, joints), lambda crops, joints: (crops, joints * np.nan)]
)
def test_a_nan_stops_before_anything_is_spoilt(tmp_path, sticks, monkeypatch, spoil):
    healthy = toy_training.training_dataset

    def spoilt(*args, **kwargs):
        batches = healthy(*args, **kwargs)
        return batches.take(3).concatenate(batches.map(spoil))

    with monkeypatch.context() as patch:
        patch.setattr(toy_training, "training_dataset", spoilt)
        with pytest.raises(UserError, match="base: the loss or a weight became infinite or NaN in epoch 2") as error:
            _train_toy(tmp_path, sticks, patch)
    assert "\n" not in str(error.value)
    folder = workdir.stage_folder(tmp_path, "base")
    model = toy_training.base_network(toy_training.MODEL).model
    workdir.load_weights(model, folder.best_weights)
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    assert [row["epoch"] for row in callbacks.read_log(folder.log)] == ["0"]
    # Mended, the same command goes on from the epoch before.
    _train_toy(tmp_path, sticks, monkeypatch)
    assert json.loads(folder.metrics.read_text())["steps"] == 6


def test_other_settings_are_named_when_a_stage_resumes(tmp_path, sticks, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(callbacks.EpochLine, "on_epoch_begin", _interrupt_second_epoch)
        with pytest.raises(KeyboardInterrupt):
            _train_toy(tmp_path, sticks, patch)
    capsys.readouterr()
    _train_toy(tmp_path, sticks, monkeypatch, learning_rate=0.5)
    assert "resuming with other settings: learning_rate: 0.001 -> 0.5" in capsys.readouterr().out


def _interrupt_second_epoch(self, epoch, logs=None):
    if epoch == 1:
        raise KeyboardInterrupt


def test_two_processes_do_not_share_a_workdir(tmp_path, sticks, monkeypatch):
    _train_toy(tmp_path, sticks, monkeypatch, stages=("base",))
    partial = tmp_path / "opec" / ".partial-of-the-other"
    partial.parent.mkdir()
    partial.touch()
    with workdir.lock(tmp_path), pytest.raises(UserError, match=f"^{tmp_path}: another process trains here"):
        _train_toy(tmp_path, sticks, monkeypatch)
    assert partial.exists()
    _train_toy(tmp_path, sticks, monkeypatch)
    assert not partial.exists()


def test_a_workdir_that_is_a_pattern_to_tensorflow_is_refused_at_the_start(tmp_path):
    root = tmp_path / "lr=[1e-3],b=[8]"
    with pytest.raises(UserError, match="would be a pattern to TensorFlow, .*; choose a name without"):
        loop.train(root, ModelConfig(), DataConfig(), TrainConfig(), InferenceConfig())
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_cannot_be_trained_is_not_settled(tmp_path, sticks, monkeypatch):
    toy_training.install(monkeypatch.setattr)
    without_graph = dataclasses.replace(toy_training.MODEL, refinement=False)
    config = dataclasses.replace(TOY_TRAIN, stages=("base", "opec", "couple"))
    with pytest.raises(UserError, match="--norefinement and --graph_convolution=none leave out OPEC-Net's graph"):
        loop.train(tmp_path, without_graph, sticks, config, toy_training.INFERENCE)
    _train_toy(tmp_path, sticks, monkeypatch, stages=("base",))


def test_couples_choose_among_peaks_found_as_when_the_run_began(tmp_path, sticks, monkeypatch):
    toy_training.install(monkeypatch.setattr)
    config = dataclasses.replace(TOY_TRAIN, stages=("base",), base_epochs=1)
    for smoothing, stages in ((0.5, ("base",)), (1.0, ("base", "opec"))):
        inference = dataclasses.replace(toy_training.INFERENCE, peak_smoothing=smoothing)
        config = dataclasses.replace(config, stages=stages)
        loop.train(tmp_path, toy_training.MODEL, sticks, config, inference)
        assert json.loads((tmp_path / "config.json").read_text())["couple_smoothing"] == 0.5
    # A run that began before this was kept has what its network had.
    settings = json.loads((tmp_path / "config.json").read_text())
    del settings["couple_smoothing"]
    (tmp_path / "config.json").write_text(json.dumps(settings))
    config = dataclasses.replace(config, opec_epochs=3)
    loop.train(tmp_path, toy_training.MODEL, sticks, config, inference)
    assert workdir.read_model_config(tmp_path).couple_smoothing == 2.0


def test_the_precision_that_was_chosen_is_said_once(tmp_path, sticks, monkeypatch, capsys):
    monkeypatch.setattr(precision, "resolve", lambda setting: ("mixed_bfloat16", "it is a test"))
    _train_toy(tmp_path, sticks, monkeypatch, precision="auto", base_epochs=1, opec_epochs=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("precision")] == ["precision: mixed_bfloat16, since it is a test"]
    assert tf.keras.mixed_precision.global_policy().name == "float32"


def test_a_full_disk_is_told_before_training(tmp_path, sticks, monkeypatch):
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr(loop.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match="0 MB free, 0 MB needed; free some space"):
        _train_toy(tmp_path, sticks, monkeypatch)


def test_out_of_memory_is_one_line(tmp_path, sticks, monkeypatch):
    def exhausted(*args, **kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor\nmore")

    monkeypatch.setattr(tf.keras.Model, "fit", exhausted)
    message = "stage base: out of memory or disk space .OOM when allocating tensor.; lower --batch_size"
    with pytest.raises(UserError, match=message) as error:
        _train_toy(tmp_path, sticks, monkeypatch)
    assert "\n" not in str(error.value)
    assert tf.keras.mixed_precision.global_policy().name == "float32"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"train_data": ()}, "no data set is given"),
        ({"min_labelled_joints": 15}, "--train_data: nobody in it can be trained on; check its labels and --min_"),
        ({"train_data": (stick_couples.SOURCE,) * 2, "train_boxes": "p.json"}, "--train_boxes=p.json knows the images"),
        ({"train_boxes": "p.json"}, "p.json: cannot be read"),
        ({"val_data": (stick_couples.SOURCE,) * 2, "val_boxes": "p.json"}, "--val_data names several; name one, or"),
        ({"val_data": (), "val_boxes": "p.json"}, "--val_boxes=p.json knows the images .* and --val_data names none"),
    ],
)
def test_unusable_data(tmp_path, sticks, monkeypatch, changes, message):
    with pytest.raises(UserError, match=message):
        _train_toy(tmp_path, dataclasses.replace(sticks, **changes), monkeypatch)


def test_damage_within_a_file_is_named_under_strict(tmp_path, monkeypatch):
    folder = stick_couples.write(tmp_path / "couples", num_images=3)
    damaged = folder / "images" / "2.png"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.write_bytes(content)
    data_config = DataConfig(data_root=str(folder), train_data=(stick_couples.SOURCE,), strict=True)
    from_files = pipeline.training_dataset
    toy_training.install(monkeypatch.setattr)
    monkeypatch.setattr(pipeline, "training_dataset", from_files)
    with pytest.raises(UserError, match=f"{damaged}: is truncated or damaged; replace the file"):
        loop.train(tmp_path / "run", toy_training.MODEL, data_config, TOY_TRAIN, toy_training.INFERENCE)


def test_training_proposals_take_the_place_of_annotated_boxes(sticks, tmp_path):
    annotated, *_ = run_data.load(toy_training.MODEL, sticks, "crowdpose")
    scores = np.ones(annotated.num_people)
    # Everybody is detected with the box moved by 3 pixels, except for the first, whose pose is far off.
    boxes = annotated.boxes + [3.0, 0.0, 0.0, 0.0]
    poses = annotated.keypoints.copy()
    poses[0, :, :2] += 500.0
    detected = PosePredictions(annotated.image_ids[annotated.image_index], poses, scores, boxes)
    detected.write(tmp_path / "proposals.json")
    config = dataclasses.replace(sticks, train_boxes=str(tmp_path / "proposals.json"))
    proposed, everybody, _ = run_data.load(toy_training.MODEL, config, "crowdpose")
    np.testing.assert_array_equal(everybody.annotation_ids, annotated.annotation_ids)
    np.testing.assert_array_equal(proposed.annotation_ids, annotated.annotation_ids[1:])
    np.testing.assert_allclose(proposed.boxes, boxes[1:])
    np.testing.assert_allclose(proposed.keypoints, annotated.keypoints[1:])


def test_a_training_proposal_may_lack_joints(sticks, tmp_path):
    annotated, *_ = run_data.load(toy_training.MODEL, sticks, "crowdpose")
    poses = np.where(annotated.keypoints == 2, 1.5, annotated.keypoints)
    poses[:, 3] = np.nan
    items = [
        {"image_id": int(image_id), "keypoints": pose.ravel().tolist(), "score": 1.0}
        for image_id, pose in zip(annotated.image_ids[annotated.image_index], poses)
    ]
    (tmp_path / "proposals.json").write_text(json.dumps(items))
    config = dataclasses.replace(sticks, train_boxes=str(tmp_path / "proposals.json"))
    proposed, *_ = run_data.load(toy_training.MODEL, config, "crowdpose")
    assert proposed.num_people == annotated.num_people
    assert not proposed.given_poses[:, 3].any() and proposed.given_poses[..., 2].max() == 1.0
    np.testing.assert_allclose(proposed.boxes[:, :2], np.delete(poses, 3, axis=1)[..., :2].min(axis=1))


def test_a_protocol_that_does_not_fit_is_told_before_training(tmp_path, sticks):
    model_config = ModelConfig(crop_height=64, crop_width=64, trunk="resnet10", trunk_width=8)
    train_config = TrainConfig(batch_size=2, stages=("base",))
    with pytest.raises(UserError, match="--val_data with --skeleton=body12"):
        loop.train(tmp_path, model_config, sticks, train_config, InferenceConfig(protocol="crowdpose"))
    assert not workdir.stage_folder(tmp_path, "base").log.exists()


@pytest.mark.parametrize("precision", [pytest.param("mixed_float16", marks=pytest.mark.slowest), "mixed_bfloat16"])
def test_mixed_precision_and_xla(tmp_path, sticks, monkeypatch, precision):
    _train_toy(tmp_path, sticks, monkeypatch, precision=precision, jit_compile="on", stages=("base",))
    losses = [float(row["loss"]) for row in callbacks.read_log(workdir.stage_folder(tmp_path, "base").log)]
    assert losses[2] < losses[1] < losses[0]
    model = toy_training.base_network(toy_training.MODEL).model
    workdir.load_weights(model, workdir.stage_folder(tmp_path, "base").final_weights)
    assert all(weights.dtype == np.float32 for weights in model.get_weights())
