"""What a run cannot do is said in one line before its first stage trains and before its settings are written."""

import dataclasses
import json
import types

import pytest
import stick_couples
import toy_training

from opec_tf.common.errors import UserError
from opec_tf.config import STAGES, DataConfig, TrainConfig
from opec_tf.models import workdir
from opec_tf.training import callbacks, loop, stages, strategy as strategies

TRAIN = TrainConfig(batch_size=4, base_epochs=3, opec_epochs=2, steps_per_epoch=2)


@pytest.fixture(scope="module")
def data_config(tmp_path_factory):
    folder = stick_couples.write(tmp_path_factory.mktemp("data") / "couples", num_images=2)
    return DataConfig(data_root=str(folder), train_data=(stick_couples.SOURCE,), val_data=(stick_couples.SOURCE,))


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    toy_training.install(monkeypatch.setattr)


def _train(root, data_config, model_config=toy_training.MODEL, **changes):
    loop.train(root, model_config, data_config, dataclasses.replace(TRAIN, **changes), toy_training.INFERENCE)


def _refused(message, root, *args, **changes):
    with pytest.raises(UserError, match=message) as error:
        _train(root, *args, **changes)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_a_warm_up_as_long_as_a_later_stage(tmp_path, data_config):
    _refused("--warmup_steps=4 must be below the 4 steps of stage opec", tmp_path, data_config, warmup_steps=4)
    assert not (tmp_path / "base").exists()
    _train(tmp_path, data_config, warmup_steps=3)


def test_stage_couple_without_what_it_needs(tmp_path, data_config, monkeypatch):
    alone = "stage couple starts from OPEC-Net, and stage opec is not finished; train it first"
    _refused(alone, tmp_path / "alone", data_config, stages=("base", "couple"))
    _refused(alone, tmp_path / "alone", data_config, stages=("base", "couple"), start_from="package")
    model_config = dataclasses.replace(toy_training.MODEL, refinement=False)
    _refused(
        "--norefinement and --graph_convolution=none leave out",
        tmp_path / "graph",
        data_config,
        model_config,
        stages=STAGES,
    )
    two = types.SimpleNamespace(
        num_replicas_in_sync=2, extended=types.SimpleNamespace(should_checkpoint=True, _in_multi_worker_mode=False)
    )
    monkeypatch.setattr(strategies, "make", lambda name: two)
    message = "--batch_size=6: stage couple trains on pairs, so a device's 3 crops must be even"
    _refused(message, tmp_path / "odd", data_config, stages=STAGES, batch_size=6)
    assert not list(tmp_path.glob("*/base"))


@pytest.mark.parametrize("steps_per_epoch", [0, 2])
def test_nobody_has_a_partner(tmp_path, steps_per_epoch):
    folder = stick_couples.write(tmp_path / "singles", num_images=2)
    content = json.loads((folder / "annotations.json").read_text())
    content["annotations"] = content["annotations"][::2]
    (folder / "annotations.json").write_text(json.dumps(content))
    data_config = DataConfig(data_root=str(folder), train_data=(stick_couples.SOURCE,))
    message = "--train_data: no two people's boxes overlap, so stage couple has nothing to learn from"
    _refused(message, tmp_path / "run", data_config, stages=STAGES, steps_per_epoch=steps_per_epoch)
    assert not (tmp_path / "run" / "base").exists()


def _break_off(root, data_config, monkeypatch, stage):
    """Trains until the second epoch of a stage; returns its folder."""

    def interrupt(callback, epoch, logs=None):
        if (callback.stage, epoch) == (stage, 1):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.EpochLine, "on_epoch_begin", interrupt)
        with pytest.raises(KeyboardInterrupt):
            _train(root, data_config)
    return workdir.stage_folder(root, stage)


@pytest.mark.slow
def test_a_stage_does_not_end_before_its_learning_rate_does(tmp_path, data_config, monkeypatch):
    folder = _break_off(tmp_path, data_config, monkeypatch, "base")
    settings = folder.config.read_text()
    _refused(
        f"--base_epochs=1: {folder.path} has done 1 of 3 epochs; set 2 or more, or delete the folder",
        tmp_path,
        data_config,
        base_epochs=1,
    )
    assert folder.config.read_text() == settings
    _train(tmp_path, data_config, base_epochs=2)
    assert json.loads(folder.metrics.read_text())["steps"] == 4


def test_an_epoch_that_was_not_backed_up_is_not_done(tmp_path, data_config, monkeypatch):
    folder = _break_off(tmp_path, data_config, monkeypatch, "base")
    folder.log.write_text(folder.log.read_text() + folder.log.read_text().splitlines()[1].replace("0,", "1,", 1) + "\n")
    assert len(callbacks.read_log(folder.log)) == 2
    _train(tmp_path, data_config, base_epochs=2, stages=("base",))
    assert json.loads(folder.metrics.read_text())["steps"] == 4


def test_a_stage_that_was_run_to_its_end_only_has_to_be_finished(tmp_path, data_config, monkeypatch):
    def die(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_finish", die)
        with pytest.raises(KeyboardInterrupt):
            _train(tmp_path, data_config, stages=("base",))
    folder = workdir.stage_folder(tmp_path, "base")
    message = f"--base_epochs=2: {folder.path} has done 3 of 3 epochs; set 3 or more"
    _refused(message, tmp_path, data_config, stages=("base",), base_epochs=2)
    _train(tmp_path, data_config, stages=("base",))
    assert json.loads(folder.metrics.read_text())["steps"] == 6


@pytest.mark.slowest
def test_what_is_frozen_cannot_change_on_the_way(tmp_path, data_config, monkeypatch):
    folder = _break_off(tmp_path, data_config, monkeypatch, "opec")
    settings = folder.config.read_text()
    message = f"{folder.path}: begun with --freeze_base=False and --freeze_opec=True, which must stay; resume with them"
    _refused(message, tmp_path, data_config, freeze_base=True)
    assert folder.config.read_text() == settings
    # Of no meaning to stage opec.
    _train(tmp_path, data_config, freeze_opec=False)
    assert json.loads(folder.metrics.read_text())["steps"] == 4


def test_what_each_stage_leaves_as_it_is():
    frozen = {
        (stage, freeze_base, freeze_opec): stages.frozen_part(stage, freeze_base=freeze_base, freeze_opec=freeze_opec)
        for stage in STAGES
        for freeze_base in (False, True)
        for freeze_opec in (False, True)
    }
    assert {case for case, part in frozen.items() if part == "opec_net"} == {
        ("couple", False, True),
        ("couple", True, True),
    }
    assert {case for case, part in frozen.items() if part == "base"} == {
        ("opec", True, False),
        ("opec", True, True),
        ("couple", True, False),
    }
