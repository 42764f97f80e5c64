"""Two replicas, in one process or in two, end with the weights of one device that saw the same batches."""

import dataclasses
import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import stick_couples
import toy_training

from opec_tf.config import DataConfig, TrainConfig
from opec_tf.errors import UserError
from opec_tf.training import loop, strategy as strategies, workdir

TRAIN = TrainConfig(batch_size=2, base_epochs=2, opec_epochs=2, steps_per_epoch=3, warmup_steps=1, weight_decay=0.01)
# Trains in a process of its own: TensorFlow's devices and cluster are set before anything else is done with it.
_PROGRAM = """
import sys
import tensorflow as tf
import test_strategy
import toy_training
if sys.argv[3] == "mirrored":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
toy_training.install()
test_strategy.train(*sys.argv[1:])
"""


def train(root, data_root, strategy, batch_size, stage):
    data = DataConfig(data_root=data_root, train_data=(stick_couples.SOURCE,), val_data=(stick_couples.SOURCE,))
    config = dataclasses.replace(TRAIN, strategy=strategy, batch_size=int(batch_size), stages=(stage,))
    loop.train(root, toy_training.MODEL, data, config, toy_training.INFERENCE)


def _start(arguments, **environment):
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    return str(stick_couples.write(tmp_path_factory.mktemp("data") / "couples", num_images=2))


def _assert_same_as_on_one_device(root, data_root, stage, tmp_path, monkeypatch):
    """One device gets batches of 2: the very batch that each of the replicas sees."""
    toy_training.install(monkeypatch.setattr)
    train(tmp_path / "one", data_root, "one", 2, stage)
    weights = []
    for run in (root, tmp_path / "one"):
        folder = workdir.stage_folder(run, stage)
        assert json.loads(folder.metrics.read_text())["steps"] == 6
        assert not folder.backup.exists()
        model = workdir.BUILDERS[stage](toy_training.MODEL)
        workdir.load_weights(model, folder.final_weights)
        weights.append(model.get_weights())
    for ours, theirs in zip(*weights):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_mirrored(tmp_path, data_root, monkeypatch):
    process = _start([tmp_path / "run", data_root, "mirrored", 4, "opec"])
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    _assert_same_as_on_one_device(tmp_path / "run", data_root, "opec", tmp_path, monkeypatch)


def test_two_workers_of_which_the_chief_writes(tmp_path, data_root, monkeypatch):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    workers = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    processes = [
        _start(
            [tmp_path / "run", data_root, "multi_worker", 4, "base"],
            TF_CONFIG=json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}),
        )
        for index in range(2)
    ]
    for process in processes:
        output, _ = process.communicate(timeout=200)
        assert process.returncode == 0, output
    _assert_same_as_on_one_device(tmp_path / "run", data_root, "base", tmp_path, monkeypatch)


def test_what_cannot_be_distributed(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UserError, match="--strategy=multi_worker needs the environment variable TF_CONFIG"):
        strategies.make("multi_worker")
    monkeypatch.setenv("TF_CONFIG", "{not json")
    with pytest.raises(UserError, match="TF_CONFIG={not json is not a usable cluster description"):
        strategies.make("multi_worker")
    assert strategies.per_replica_batch_size(strategies.make("one"), 7) == 7
