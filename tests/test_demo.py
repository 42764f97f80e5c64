"""The demo, shortened: every part runs in order and leaves its files."""

import json
import subprocess
import sys

import cv2
import pytest

_POSES = ["peak", "initial", "pose_1", "pose_2", "pose_3"]


@pytest.mark.slow
def test_quick_demo(tmp_path):
    command = [sys.executable, "-m", "opec_tf.demo", "--quick", f"--output_dir={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
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
    assert [path.name for path in (tmp_path / "models_quick_seed0" / "opec_net").iterdir()] == ["1"]
