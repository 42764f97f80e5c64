"""The train command: killed in the middle it still finishes, and its errors are one line."""

import json
import pathlib
import signal
import time

import pytest
import stick_couples
import warm_process

from opec_tf.config import ModelConfig
from opec_tf.inference import pose_model
from opec_tf.models import workdir

ROOT = pathlib.Path(__file__).parents[1]


def _arguments(root, data_root, *more):
    data = stick_couples.SOURCE
    return [
        "train",
        f"--flagfile={ROOT / 'configs' / 'smoke.flags'}",
        f"--workdir={root}",
        f"--data_root={data_root}",
        f"--train_data={data}",
        f"--val_data={data}",
        *more,
    ]


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    return stick_couples.write(tmp_path_factory.mktemp("data") / "couples", num_images=4)


@pytest.mark.slowest
def test_killed_it_ends_with_as_many_steps(tmp_path, data_root):
    root = tmp_path / "run"
    arguments = _arguments(root, data_root, "--base_epochs=3", "--opec_epochs=2", "--steps_per_epoch=4", "--val_data=")
    output = tmp_path / "output.txt"
    process = warm_process.start(warm_process.tool, *arguments, stdout=output, stderr=output)
    deadline = time.monotonic() + 120
    while not (root / "base/log.csv").exists() and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, output.read_text()
    result = warm_process.run(warm_process.tool, *arguments)
    assert result.returncode == 0, result.stderr
    for stage, epochs in (("base", 3), ("opec", 2)):
        folder = workdir.stage_folder(root, stage)
        assert json.loads(folder.metrics.read_text())["steps"] == 4 * epochs
        assert [line.split(",")[0] for line in folder.log.read_text().splitlines()[1:]] == list(map(str, range(epochs)))
        assert not folder.backup.exists()
    model = pose_model.load(root)
    assert model.stage == "opec" and model.model_config.trunk_width == 8


@pytest.mark.slow
def test_an_error_is_one_line(tmp_path, data_root):
    workdir.start(tmp_path, ModelConfig())
    result = warm_process.run(warm_process.tool, *_arguments(tmp_path, data_root))
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: {tmp_path}/config.json: begun with another model: crop_height=320 (now 64")
    assert result.stderr.count("\n") == 1
