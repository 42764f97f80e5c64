"""Two replicas, in one process or in two, end with the weights of one device that saw the same crops."""

import dataclasses
import functools
import json
import os
import signal
import socket
import sys

import numpy as np
import pytest
import stick_couples
import tensorflow as tf
import toy_training
import warm_process

from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, TrainConfig
from opec_tf.models import loading, workdir
from opec_tf.training import callbacks, loop, optimizer, strategy as strategies

pytestmark = pytest.mark.slow

TRAIN = TrainConfig(batch_size=2, base_epochs=2, opec_epochs=2, steps_per_epoch=3, warmup_steps=1, weight_decay=0.01)


def train(root, data_root, strategy, batch_size, stage, **changes):
    data = DataConfig(data_root=data_root, train_data=(stick_couples.SOURCE,), val_data=(stick_couples.SOURCE,))
    config = dataclasses.replace(TRAIN, strategy=strategy, batch_size=int(batch_size), stages=(stage,), **changes)
    loop.train(root, toy_training.MODEL, data, config, toy_training.INFERENCE)


def train_step_by_step(*args):
    """Six epochs of one step each, whose losses the log has."""
    train(*args, base_epochs=6, steps_per_epoch=1)


def train_as_a_command(*args):
    """Trains as the command does, which says a ``UserError`` in one line."""
    try:
        train(*args)
    except UserError as error:
        sys.exit(f"error: {error}")


def train_and_be_killed_in_the_second_epoch(*args):
    callbacks.StopOnNaN.on_epoch_begin = lambda self, epoch, logs: epoch and os.kill(os.getpid(), signal.SIGKILL)
    train(*args)


def train_and_die_before_the_end(*args):
    """Trains in two runs, of which the second finds all epochs done."""
    finish = loop._finish

    def die(*args, **kwargs):
        loop._finish = finish
        raise KeyboardInterrupt

    loop._finish = die
    with pytest.raises(KeyboardInterrupt):
        train(*args)
    train(*args)


def train_on_unequal_halves(*args, patch=setattr):
    """Trains on four crops in turn, of which the first two have few labels, by steps as large as the gradients.

    BatchNorm, which every replica computes for itself, is frozen with the base. Adam's steps are those of SGD where
    epsilon outweighs its second moments.
    """
    patch(toy_training.run_data.pipeline, "training_dataset", _unequal_halves)
    patch(optimizer, "AdamWithFactors", functools.partial(optimizer.AdamWithFactors, epsilon=1e3))
    train(*args, freeze_base=True, learning_rate=100.0, weight_decay=0.0)


def _unequal_halves(annotations, *, crop_size, batch_size, **unused):
    generator = tf.random.Generator.from_seed(2)
    joints = annotations.skeleton.num_joints
    labelled = tf.cast(tf.sequence_mask([2, 0, joints - 3, joints], joints), tf.float32)
    positions = generator.uniform([4, joints, 2], -0.8, 0.8)
    crops = generator.uniform([4, *crop_size, 3], 0, 255)
    labels = tf.concat([positions, labelled[..., None]], axis=-1)
    return tf.data.Dataset.from_tensor_slices((crops, labels)).batch(batch_size).repeat()


def _in_own_process(environment, function, root, data_root, strategy, *arguments):
    """Trains where TensorFlow's devices and cluster are set before anything else is done with it."""
    os.environ.update(environment)
    if strategy == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    toy_training.install()
    function(root, data_root, strategy, *arguments)


def _run(functions, root, data_root, strategy, *arguments, environments=({},)):
    """Trains in as many processes as there are environments, all at once; their exit statuses, and what they said."""
    output = root.with_name("output.txt")
    processes = [
        warm_process.start(
            _in_own_process,
            *(environment, function, root, data_root, strategy, *arguments),
            stdout=output,
            stderr=output,
        )
        for function, environment in zip(functions, environments)
    ]
    for process in processes:
        process.join(200)
    return [process.exitcode for process in processes], output.read_text()


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    return str(stick_couples.write(tmp_path_factory.mktemp("data") / "couples", num_images=2))


def _assert_same_as_on_one_device(root, data_root, stage, tmp_path, monkeypatch, function=train):
    """One device gets batches of 2: the very batch that each of the replicas sees."""
    toy_training.install(monkeypatch.setattr)
    function(tmp_path / "one", data_root, "one", 2, stage)
    _assert_same(root, tmp_path / "one", stage)


def _assert_same(root, other, stage):
    weights, losses = [], []
    for run in (root, other):
        folder = workdir.stage_folder(run, stage)
        assert json.loads(folder.metrics.read_text())["steps"] == 6
        assert not folder.backup.exists()
        model = loading.BUILDERS[stage](toy_training.MODEL)
        workdir.load_weights(model, folder.final_weights)
        weights.append(model.get_weights())
        losses.append([float(row["loss"]) for row in callbacks.read_log(folder.log)])
    for ours, theirs in zip(*weights):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(*losses, rtol=1e-4)


@pytest.mark.parametrize("function", [train, pytest.param(train_and_die_before_the_end, marks=pytest.mark.slowest)])
def test_mirrored(tmp_path, data_root, monkeypatch, function):
    statuses, output = _run([function], tmp_path / "run", data_root, "mirrored", 4, "opec")
    assert statuses == [0], output
    _assert_same_as_on_one_device(tmp_path / "run", data_root, "opec", tmp_path, monkeypatch)


@pytest.mark.slowest
def test_mirrored_replicas_of_unequal_gradients(tmp_path, data_root, monkeypatch):
    statuses, output = _run([train_on_unequal_halves], tmp_path / "run", data_root, "mirrored", 4, "opec")
    assert statuses == [0], output
    toy_training.install(monkeypatch.setattr)
    train_on_unequal_halves(tmp_path / "one", data_root, "one", 4, "opec", patch=monkeypatch.setattr)
    _assert_same(tmp_path / "run", tmp_path / "one", "opec")


def _run_two_workers(functions, root, data_root):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in functions]
    workers = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    tasks = [{"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}} for index in range(2)]
    environments = [{"TF_CONFIG": json.dumps(task)} for task in tasks]
    return _run(functions, root, data_root, "multi_worker", 4, "base", environments=environments)


def test_two_workers_of_which_the_chief_writes(tmp_path, data_root, monkeypatch):
    statuses, output = _run_two_workers([train_step_by_step] * 2, tmp_path / "run", data_root)
    assert statuses == [0, 0], output
    assert len(callbacks.read_log(workdir.stage_folder(tmp_path / "run", "base").log)) == 6
    _assert_same_as_on_one_device(
        tmp_path / "run", data_root, "base", tmp_path, monkeypatch, function=train_step_by_step
    )


@pytest.mark.slowest
def test_a_killed_workers_run_goes_on(tmp_path, data_root, monkeypatch):
    functions = [train_as_a_command, train_and_be_killed_in_the_second_epoch]
    statuses, output = _run_two_workers(functions, tmp_path / "run", data_root)
    assert statuses == [1, -signal.SIGKILL], output
    assert "\nerror: stage base: another worker is gone or out of reach" in output
    folder = workdir.stage_folder(tmp_path / "run", "base")
    assert [row["epoch"] for row in callbacks.read_log(folder.log)] == ["0"] and not folder.finished
    statuses, output = _run_two_workers([train, train], tmp_path / "run", data_root)
    assert statuses == [0, 0], output
    assert [row["epoch"] for row in callbacks.read_log(folder.log)] == ["0", "1"]
    _assert_same_as_on_one_device(tmp_path / "run", data_root, "base", tmp_path, monkeypatch)


def test_what_cannot_be_distributed(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UserError, match="--strategy=multi_worker needs the environment variable TF_CONFIG"):
        strategies.make("multi_worker")
    monkeypatch.setenv("TF_CONFIG", "{not json")
    with pytest.raises(UserError, match="TF_CONFIG={not json is not a usable cluster description"):
        strategies.make("multi_worker")
    assert strategies.per_replica_batch_size(strategies.make("one"), 7) == 7
