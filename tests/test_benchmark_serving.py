"""The serving benchmark at a tiny size: what it writes and that its numbers hang together."""

import json

import cv2
import tiny_run


def test_table_json_and_plot(exported, tmp_path):
    parameters = tmp_path / "batching.txt"
    parameters.write_text("max_batch_size { value: 2 }\nbatch_timeout_micros { value: 1000 }\n")
    done = tiny_run.call(
        "benchmark_serving", f"--model_dir={exported[1]}", "--clients=1,2", "--seconds=0.5", "--people=2",
        f"--batching_parameters_file={parameters}", f"--output={tmp_path}/new/speed.json",
    )  # fmt: skip
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
