"""The demo, shortened: every part runs in order and leaves its files; started again, it does nothing twice."""

import json
import subprocess
import sys

import cv2

_POSES = ["peak", "initial", "pose_1", "pose_2", "pose_3"]


def _run_demo(output_dir):
    command = [sys.executable, "-m", "opec_tf.demo", "--quick", f"--output_dir={output_dir}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_quick_demo(tmp_path):
    done = _run_demo(tmp_path)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert list(metrics["poses"]) == _POSES
    for pose in _POSES:
        assert {"AP", "AP75", "vis75", "inv75"} <= set(metrics["poses"][pose])
        assert f"\n{pose} " in done.stdout
    assert metrics["AP"] == metrics["poses"]["pose_3"]["AP"]
    # Everyone in the test split: 20 couples of the 100.
    assert metrics["settings"]["people"] == 40
    for name in ("contact_sheet.jpg", "curves.png", "served.jpg"):
        assert cv2.imread(str(tmp_path / name)) is not None

    written = (tmp_path / "run_quick_seed0" / "opec" / "final.weights.h5").stat().st_mtime_ns
    again = _run_demo(tmp_path)
    assert again.returncode == 0, again.stderr
    assert "stage opec: finished before" in again.stdout
    assert (tmp_path / "run_quick_seed0" / "opec" / "final.weights.h5").stat().st_mtime_ns == written
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    assert [path.name for path in (tmp_path / "models_quick_seed0" / "opec_net").iterdir()] == ["1"]
