"""The serving benchmark at a tiny size: what it writes and that its numbers hang together."""

import itertools
import json

import cv2
import numpy as np
import pytest
import serving_run
import tiny_run

from opec_tf.common.errors import UserError
from opec_tf.serving import speed

pytestmark = pytest.mark.slow


@pytest.mark.slowest
def test_table_json_and_plot(exported, tmp_path):
    parameters = tmp_path / "batching.txt"
    parameters.write_text("max_batch_size { value: 2 }\nbatch_timeout_micros { value: 1000 }\n")
    done = tiny_run.call(
        "benchmark_serving",
        f"--model_dir={exported[1]}",
        "--clients=1,2",
        "--seconds=0.5",
        "--people=2",
        f"--batching_parameters_file={parameters}",
        f"--output={tmp_path}/new/speed.json",
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "new" / "speed.json").read_text())
    assert list(results["measured"]) == ["in process", "gRPC", "gRPC, batched"] and results["people"] == 2
    for way in results["measured"].values():
        assert list(way) == ["1", "2"]
        for clients, result in way.items():
            assert 0 < result["p50_s"] <= result["p95_s"] <= result["p99_s"]
            assert result["requests"] >= int(clients)
            assert 0 < result["requests_per_second"] <= 1.05 * int(clients) / (0.2 * result["p50_s"])
    assert cv2.imread(str(tmp_path / "new" / "speed.png")).shape[1] > 500
    assert len([line for line in done.stdout.splitlines() if "gRPC" in line]) == 4


def test_bad_flags(exported, tmp_path):
    model = f"--model_dir={exported[1]}"
    cases = {
        "--clients=0 must be whole numbers": [model, "--clients=0"],
        "--clients= must be whole numbers": [model, "--clients="],
        "none.jpg: cannot be read": [model, f"--image={tmp_path}/none.jpg"],
        "holds no version; make one with opec_tf.export": [f"--model_dir={tmp_path}"],
    }
    for expected, message in zip(cases, tiny_run.messages("benchmark_serving", *cases.values())):
        assert message and expected in message, (expected, message)


def test_more_people_than_a_picture_may_have_are_refused(exported):
    done = tiny_run.call("benchmark_serving", f"--model_dir={exported[1]}", "--people=129")
    assert done.returncode == 2 and "flag --people=129: 129 is not an integer in the range [1, 128]" in done.stderr


@pytest.mark.parametrize("clients, failing", [(3, 5), (2, 1)])
def test_a_call_that_fails_is_no_measurement(clients, failing):
    calls = itertools.count()

    def call():
        if next(calls) >= failing:
            raise UserError("the server has gone")

    with pytest.raises(UserError, match="the server has gone"):
        speed._measure(call, clients, 0.1)


def test_a_version_that_cannot_be_loaded_or_does_not_answer_is_said(exported, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_text("no model")
    with pytest.raises(UserError, match="1: cannot be loaded .*; export the model again"):
        speed.measure_in_process(tmp_path / "1", serving_run.jpeg(), serving_run.BOXES, [1], 0.1)
    outside = np.array([[500.0, 0.0, 10.0, 10.0]])
    with pytest.raises(UserError, match="1: does not answer .*outside its picture"):
        speed.measure_in_process(exported[1] / "1", serving_run.jpeg(), outside, [1], 0.1)
