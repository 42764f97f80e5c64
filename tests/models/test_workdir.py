"""What a run keeps is read back as it was; a folder of another model and unusable files are refused in one line."""

import dataclasses
import errno
import json
import os
import signal
import time

import h5py
import numpy as np
import pytest
import toy_training
import warm_process

from opec_tf.common.errors import UserError
from opec_tf.config import ModelConfig, TrainConfig
from opec_tf.models import loading, workdir

MODEL = toy_training.MODEL


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    toy_training.install(monkeypatch.setattr)


def _finish(root, stage, model_config=MODEL):
    """A finished stage with recognisable weights; returns its model."""
    model = loading.BUILDERS[stage](model_config)
    model.set_weights([np.full(w.shape, 0.25 * i) for i, w in enumerate(model.get_weights())])
    folder = workdir.stage_folder(root, stage)
    workdir.save_weights(model, folder.best_weights, {"epoch": 3, "val_peak_AP": 0.5, "note": "x"})
    workdir.save_weights(model, folder.final_weights)
    return model


def test_a_compiled_models_weights_are_kept_without_its_optimizer(tmp_path):
    model = loading.BUILDERS["base"](MODEL)
    model.compile(optimizer="adam", loss="mse")
    model.optimizer.build(model.trainable_variables)
    workdir.save_weights(model, tmp_path / "compiled.weights.h5")
    with h5py.File(tmp_path / "compiled.weights.h5") as file:
        kept = []
        file.visititems(lambda name, item: kept.append(name) if isinstance(item, h5py.Dataset) else None)
    assert len(kept) == len(model.weights) > 0 and not any("optimizer" in name for name in kept)
    other = loading.BUILDERS["base"](MODEL)
    workdir.load_weights(other, tmp_path / "compiled.weights.h5")
    for read, written in zip(other.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(read, written)


def test_attributes_stay_with_the_weights(tmp_path):
    _finish(tmp_path, "base")
    path = workdir.stage_folder(tmp_path, "base").best_weights
    assert workdir.read_attributes(path) == {"epoch": 3, "val_peak_AP": 0.5, "note": "x"}
    assert workdir.read_attributes(path.with_name("other.weights.h5")) == {}


def test_a_workdir_begun_with_another_model_is_refused(tmp_path):
    workdir.start(tmp_path, MODEL)
    workdir.start(tmp_path, MODEL)
    other = dataclasses.replace(MODEL, crop_height=96, trunk="resnet18")
    message = r"config.json: begun with another model: crop_height=64 \(now 96\), trunk=resnet101 \(now resnet18\);"
    with pytest.raises(UserError, match=message):
        workdir.start(tmp_path, other)
    assert workdir.read_model_config(tmp_path) == MODEL


def _hold(root, held):
    with workdir.lock(root):
        held.set()
        time.sleep(100)


@pytest.mark.slow
def test_a_lock_holds_until_its_process_ends(tmp_path):
    held = warm_process.FORKS.Event()
    process = warm_process.FORKS.Process(target=_hold, args=(tmp_path, held))
    process.start()
    assert held.wait(100)
    message = f"^{tmp_path}: another process trains here; wait for its end or choose another folder$"
    with pytest.raises(UserError, match=message):
        with workdir.lock(tmp_path):
            pass
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    for _ in range(2):
        with workdir.lock(tmp_path):
            pass


def test_without_locks_a_file_system_is_trained_on_all_the_same(tmp_path, monkeypatch):
    def unsupported(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(workdir.fcntl, "flock", unsupported)
    with workdir.lock(tmp_path), workdir.lock(tmp_path):
        pass


def test_stage_settings_are_kept_with_the_revision_and_compared(tmp_path):
    folder = workdir.stage_folder(tmp_path, "base")
    assert workdir.write_stage_config(folder, MODEL, TrainConfig()) == []
    changes = workdir.write_stage_config(folder, MODEL, TrainConfig(learning_rate=0.5))
    assert changes == ["learning_rate: 0.001 -> 0.5"]
    written = json.loads(folder.config.read_text())
    assert written["learning_rate"] == 0.5 and written["crop_height"] == 64 and "git_revision" in written


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "config.json: does not exist; .* is not the --workdir of a training run"),
        (b"[1]", "config.json: is not a JSON object"),
        (b'{"trunk": "vgg"}', "config.json: --trunk=vgg"),
    ],
)
def test_folders_of_no_run(tmp_path, content, message):
    if content:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        workdir.read_model_config(tmp_path)
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


def test_unusable_weights(tmp_path):
    base = _finish(tmp_path, "base")
    path = workdir.stage_folder(tmp_path, "base").best_weights
    whole = path.read_bytes()
    with pytest.raises(UserError, match="opec_net.*use weights of the same stage and settings"):
        workdir.load_weights(loading.BUILDERS["opec"](MODEL), path)
    with pytest.raises(UserError, match="does not fit model 'base_net'"):
        other = ModelConfig(skeleton="coco17", crop_height=64, crop_width=64)
        workdir.load_weights(loading.BUILDERS["base"](other), path)
    path.write_bytes(whole[:3000])
    with pytest.raises(UserError, match="best.weights.h5: cannot be read .*check that the file is whole"):
        workdir.load_weights(base, path)
    with pytest.raises(UserError, match="best.weights.h5: cannot be read"):
        workdir.read_attributes(path)
    with pytest.raises(UserError, match="nowhere.weights.h5: does not exist"):
        workdir.load_weights(base, tmp_path / "nowhere.weights.h5")
    with pytest.raises(UserError, match=r"weights.pth: is not a weights file; its name must end in .weights.h5"):
        workdir.load_weights(base, tmp_path / "weights.pth")


def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    user = os.geteuid()
    if user == 0:  # root may write anywhere; nobody may not
        os.seteuid(65534)
    try:
        with pytest.raises(UserError, match=r"cannot be written \(Permission denied\)"):
            workdir.start(tmp_path / "run", MODEL)
    finally:
        os.seteuid(user)


def test_a_workdir_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written .*choose a folder you can write to"):
        workdir.start(tmp_path / "file" / "run", MODEL)
