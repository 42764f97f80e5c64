"""The benchmark at a tiny size: what it reports and that the numbers hang together, never how fast anything is."""

import dataclasses
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_run

from opec_tf import config
from opec_tf.common.errors import UserError
from opec_tf.study import growth, speed, startup

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[1]
TINY = config.ModelConfig(
    crop_height=64,
    crop_width=64,
    trunk="resnet10",
    trunk_width=8,
    adaption_channels=(8, 8, 8),
    graph_channels=8,
    block_channels=8,
)


def check_times(result, repeats, own_memory=True):
    assert result["repeats"] == repeats
    assert 0 < result["median_s"] <= result["p90_s"] and result["mean_s"] > 0 and result["first_s"] > 0
    assert ("peak_memory_mb" in result) == own_memory
    assert not own_memory or 100 < result["peak_memory_mb"] < 100_000


@pytest.mark.slowest
@pytest.mark.parametrize("initial_pose", ["integral", "given"])
def test_training_step_is_measured(initial_pose):
    train_config = config.TrainConfig(batch_size=2)
    model_config = dataclasses.replace(TINY, initial_pose=initial_pose)
    result = speed.measure_training(model_config, train_config, jit_compile=False, repeats=4, seconds=60.0)
    check_times(result, 4)
    assert result["crops_per_second"] == pytest.approx(2 / result["median_s"])
    # Tracing and building the step take longer than a step.
    assert result["first_s"] > result["median_s"]


def test_inference_is_measured_and_the_time_limit_leaves_three_repeats():
    inference_config = config.InferenceConfig(inference_batch_size=3)
    result = speed.measure_inference(TINY, inference_config, box_margin=1.25, repeats=99, seconds=0.0)
    check_times(result, 3)
    assert result["people_per_second"] == pytest.approx(3 / result["median_s"])


@pytest.mark.slowest
def test_lite_files_are_measured():
    results = [speed.measure_lite(TINY, config.InferenceConfig(), 1.25, name, 3, 60.0) for name in ("float32", "int8")]
    for result in results:
        check_times(result, 3)
        assert result["people_per_second"] == pytest.approx(1 / result["median_s"])
    assert results[0]["megabytes"] > results[1]["megabytes"] > 0.01


@pytest.mark.slowest
def test_what_grows_is_measured():
    model = TINY, config.InferenceConfig(), 1.25
    results = [growth.measure_people(*model, 3, 3, 60.0), growth.measure_picture(*model, (200, 100), 3, 60.0)]
    results.append(growth.measure_annotations(5, 3, 60.0))
    for result, (name, amount), rate in zip(
        results,
        (("people", 3), ("megapixels", 0.02), ("images", 5)),
        (("people", 3), ("images", 1), ("images", 5)),
    ):
        check_times(result, 3)
        assert name in growth.AMOUNTS and result[name] == amount
        assert result[f"{rate[0]}_per_second"] == pytest.approx(rate[1] / result["median_s"])
    data = config.DataConfig()
    names = [name for name, *_ in growth.measurements(TINY, data, config.InferenceConfig())]
    assert names[0] == "1 person in a picture" and names[-1] == "100,000 annotated images"
    assert len(names) == len(growth.PEOPLE) + len(growth.PICTURES) + len(growth.IMAGES)


def test_a_process_is_measured_from_start_to_end_and_one_that_fails_is_said():
    result = startup.measure_process(("-c", "import time; time.sleep(0.2)"), 3, 60.0)
    check_times(result, 3, own_memory=False)
    assert result["median_s"] > 0.2 and result["starts_per_second"] == pytest.approx(1 / result["median_s"])
    with pytest.raises(UserError, match="-c .*: failed: .*ZeroDivisionError"):
        startup.measure_process(("-c", "1 / 0"), 3, 60.0)


@pytest.mark.slowest
def test_a_cold_prediction_is_measured_and_found_somebody():
    result = startup.measure_predict(1, 0.0)
    check_times(result, 3, own_memory=False)
    assert [name for name, *_ in startup.measurements()][-2:] == [startup.IMPORT, startup.PREDICT]


def test_the_annotations_that_are_read_are_whole(monkeypatch):
    read = []
    monkeypatch.setattr(speed, "timed", lambda step, *_: read.append(step()) or {"median_s": 1.0})
    growth.measure_annotations(3, 1, 0.0)
    assert (read[0].num_images, len(read[0].annotation_ids)) == (3, 12)
    assert read[0].image_index.tolist() == np.repeat([0, 1, 2], 4).tolist() and read[0].is_scoreable.all()


def test_made_up_pictures_are_like_photographs():
    picture = speed.made_up_picture(3)
    assert picture.shape == (480, 640, 3) and picture.dtype == tf.uint8
    assert 100_000 < len(tf.io.encode_jpeg(picture, quality=95).numpy()) < 180_000
    assert 30 < np.std(picture) < 90
    boxes = speed.made_up_boxes(50, seed=0)
    assert (boxes[:, :2] >= 0).all() and (boxes[:, :2] + boxes[:, 2:] <= [640, 480]).all()


def run_tool(*arguments):
    # As loud as the tool itself makes TensorFlow, whatever whoever runs the tests has set.
    env = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-m", "opec_tf.benchmark", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)


@pytest.mark.slowest
def test_tool_writes_a_table_and_json(tmp_path):
    output = tmp_path / "new" / "bench.json"
    done = run_tool(
        "--sections=pipeline",
        "--crop_height=64",
        "--crop_width=64",
        "--batch_size=4",
        "--repeats=3",
        "--rotation_degrees=20",
        f"--output={output}",
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(output.read_text())
    assert set(results) == {"machine", "flags", "pipeline", "ratios"}
    assert results["machine"]["cpus"] >= 1 and results["machine"]["tensorflow"] == tf.__version__
    assert results["flags"]["rotation_degrees"] == 20 and results["flags"]["batch_size"] == 4
    assert list(results["pipeline"]) == ["1 thread", "2 threads"]
    for result in results["pipeline"].values():
        check_times(result, 3)
        assert result["crops_per_second"] == pytest.approx(4 / result["mean_s"])
        assert result["images_per_second"] == pytest.approx(result["crops_per_second"] / 4)
    assert "pipeline, 1 thread" in done.stdout and "pipeline, 2 threads" in done.stdout
    assert done.stderr.splitlines() == [
        "2 measurements, each of 3 repeats or as many as 60 seconds allow: up to 3 minutes, more where one step takes "
        "longer than a third of these",
        "[1/2] pipeline, 1 thread",
        "[2/2] pipeline, 2 threads",
    ]


HAS_TORCH = importlib.util.find_spec("torch") is not None


@pytest.mark.skipif(HAS_TORCH, reason="PyTorch is installed")
def test_without_the_peer_it_says_what_to_install(tmp_path):
    done = run_tool("--against=torch", f"--output={tmp_path}/bench.json")
    assert done.returncode == 1 and not list(tmp_path.iterdir())
    assert done.stderr == "error: --against=torch: PyTorch is not installed; pip install opec_tf[torch]\n"


@pytest.mark.skipif(not HAS_TORCH, reason="needs PyTorch: pip install -e .[torch]")
def test_side_by_side_it_writes_json_a_table_and_a_plot(tmp_path):
    tiny = [f"--{name}={getattr(TINY, name)}" for name in ("crop_height", "crop_width", "trunk", "trunk_width")]
    done = run_tool(
        "--against=torch",
        "--networks=flags",
        "--sections=training,pipeline",
        "--batch_size=2",
        "--threads=1",
        "--pairs=2",
        "--turn_seconds=0",
        *tiny,
        f"--output={tmp_path}/new/bench.json",
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "new/bench.json").read_text())
    assert set(results) == {"machine", "settings", "training", "pipeline"} and "torch" in results["machine"]
    assert results["settings"] == {"threads": 1, "pairs": 2, "turn_seconds": 0.0}
    (result,) = results["training"].values()
    assert result["step_size"] == 2 and [pair[1::2] for pair in result["rounds"]] == [[1, 1], [1, 1]]
    ratios = [ours / theirs for ours, _, theirs, _ in result["rounds"]]
    assert result["ratio"] == pytest.approx(np.median(ratios))
    lines = (tmp_path / "new/bench.md").read_text().splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| training: resnet10 of width 8, 64 x 64, batch 2",
        "| pipeline: 64 x 64, 1 core",
    ]
    assert (tmp_path / "new/bench.png").stat().st_size > 1000


def test_unknown_section_is_one_line(tmp_path):
    done = tiny_run.call("benchmark", "--sections=pipeline,speed", f"--output={tmp_path}/bench.json")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: --sections=speed is not known; choose from pipeline, training, inference, tflite, startup, growth"
    )
    assert not list(tmp_path.iterdir())
