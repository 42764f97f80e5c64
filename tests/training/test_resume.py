"""A run killed at any moment goes on where it was and ends as one that was never interrupted."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
import stick_couples
import tensorflow as tf
import toy_training
import warm_process

from opec_tf.config import DataConfig, TrainConfig
from opec_tf.models import loading, workdir
from opec_tf.training import callbacks, loop

pytestmark = pytest.mark.slow

EPOCHS, STEPS = 2, 3
TRAIN = TrainConfig(batch_size=4, base_epochs=EPOCHS, opec_epochs=EPOCHS, steps_per_epoch=STEPS, warmup_steps=1)


@pytest.fixture(scope="module")
def data_config(tmp_path_factory):
    folder = stick_couples.write(tmp_path_factory.mktemp("data") / "couples", num_images=2)
    return DataConfig(data_root=str(folder), train_data=(stick_couples.SOURCE,), val_data=(stick_couples.SOURCE,))


def _train(root, data_config, train_config=TRAIN):
    loop.train(root, toy_training.MODEL, data_config, train_config, toy_training.INFERENCE)


def _train_and_die(root, data_config, kill_at):
    """Trains in a process that kills itself before or after its ``kill_at``-th file operation."""
    toy_training.install()
    count = 0

    def step():
        nonlocal count
        count += 1
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(function):
        def call(*args, **kwargs):
            step()
            result = function(*args, **kwargs)
            step()
            return result

        return call

    os.replace = watched(os.replace)
    shutil.rmtree = watched(shutil.rmtree)
    tf.train.CheckpointManager.save = watched(tf.train.CheckpointManager.save)
    tf.keras.Model.save_weights = watched(tf.keras.Model.save_weights)
    _train(root, data_config)


@pytest.mark.slowest
def test_killed_around_each_file_operation(tmp_path, data_config):
    root, output = tmp_path / "run", tmp_path / "output.txt"
    kills = 0
    # An odd stride: before one operation, after the next.
    for kill_at in range(1, 200, 3):
        process = warm_process.start(_train_and_die, str(root), data_config, kill_at, stdout=output, stderr=output)
        process.join(120)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL, output.read_text()
        kills += 1
    assert kills >= 6
    for stage in ("base", "opec"):
        folder = workdir.stage_folder(root, stage)
        assert [row["epoch"] for row in callbacks.read_log(folder.log)] == ["0", "1"]
        assert json.loads(folder.metrics.read_text())["steps"] == EPOCHS * STEPS
        assert workdir.read_attributes(folder.final_weights) == {"epoch": EPOCHS - 1, "steps": EPOCHS * STEPS}
        left = {path.name for path in folder.path.iterdir()}
        assert left == {"config.json", "best.weights.h5", "final.weights.h5", "log.csv", "metrics.json", "tensorboard"}


@pytest.mark.slowest
def test_resumed_run_equals_an_uninterrupted_one(tmp_path, data_config, monkeypatch):
    toy_training.install(monkeypatch.setattr)
    _train(tmp_path / "whole", data_config)
    interrupted = []

    def interrupt_once(callback, epoch, logs=None):
        # In each stage's second epoch, after its log and best weights are written and before its backup.
        if epoch == 1 and callback.stage not in interrupted:
            interrupted.append(callback.stage)
            raise KeyboardInterrupt

    monkeypatch.setattr(callbacks.EpochLine, "on_epoch_end", interrupt_once)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            _train(tmp_path / "broken", data_config)
    _train(tmp_path / "broken", data_config)
    assert interrupted == ["base", "opec"]
    for stage in interrupted:
        weights = []
        for name in ("whole", "broken"):
            model = loading.BUILDERS[stage](toy_training.MODEL)
            workdir.load_weights(model, workdir.stage_folder(tmp_path / name, stage).final_weights)
            weights.append(model.get_weights())
        for whole, broken in zip(*weights):
            np.testing.assert_allclose(broken, whole, rtol=1e-4, atol=1e-5)
