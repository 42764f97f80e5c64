"""The score command, in a process of its own: table, metrics file, formats, one-line errors."""

import json
import subprocess
import sys

import numpy as np
import pytest

from opec_tf.common import files
from opec_tf.data.annotations import loading
from opec_tf.poses.predictions import PosePredictions


def _score(*arguments):
    command = [sys.executable, "-m", "opec_tf.score", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_equals_the_published_crowdpose_tools(real_samples, tmp_path):
    folder = real_samples / "crowdpose"
    done = _score(
        f"--ground_truth={folder / 'crowdpose_val.json'}",
        f"--predictions={folder / 'val_noisy_predictions.json'}",
        "--protocol=crowdpose",
        f"--metrics_out={tmp_path / 'metrics.json'}",
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "crowdpose: 9015 poses against 8527 people in 2000 images"
    assert lines[1].split() == ["AP", "41.90"]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    for key, value in json.loads((folder / "val_noisy_expected.json").read_text()).items():
        assert metrics[key] == pytest.approx(value, abs=5e-5)
    assert {"vis50", "vis75", "vis90", "inv50", "inv75", "inv90"} < set(metrics)


def _files(real_samples, tmp_path, source):
    """The ground truth of a real sample in COCO form, and perfect predictions of its labelled people."""
    people = loading.load(source, real_samples)
    files.write_json(tmp_path / "truth.json", people.to_coco())
    people = people.select(people.num_keypoints > 0)
    image_ids = people.image_ids[people.image_index]
    PosePredictions(image_ids, people.keypoints, np.ones(people.num_people), people.boxes).write(
        tmp_path / "poses.json"
    )
    return f"--ground_truth={tmp_path / 'truth.json'}", f"--predictions={tmp_path / 'poses.json'}"


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("ochuman:ochuman/test_ochuman.json:x", ["--protocol=ochuman"]),
        ("coco:coco/test_coco.json:x", ["--protocol=crowdpose12", "--format=coco"]),
        ("mpii:mpii/test_mpii.json:x", ["--format=coco"]),
    ],
)
def test_perfect_predictions_of_other_formats(real_samples, tmp_path, source, options):
    done = _score(*_files(real_samples, tmp_path, source), *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split() == ["AP", "100.00"]


def test_nobody_is_an_ap_of_0_and_other_systems_files_are_read(real_samples, tmp_path):
    truth, poses = _files(real_samples, tmp_path, "coco:coco/test_coco.json:x")
    (tmp_path / "nobody.json").write_text("[]")
    nobody = _score(truth, f"--predictions={tmp_path / 'nobody.json'}", "--protocol=coco")
    assert (nobody.returncode, nobody.stderr) == (0, "")
    assert nobody.stdout.splitlines()[0] == "coco: 0 poses against 14 people in 4 images"
    assert nobody.stdout.splitlines()[1].split() == ["AP", "0.00"]
    records = json.loads((tmp_path / "poses.json").read_text())
    for record in records:  # as AlphaPose writes them
        record.update(image_id=f"{record['image_id']:012d}.jpg", box=record.pop("bbox"))
    (tmp_path / "poses.json").write_text(json.dumps(records))
    done = _score(truth, poses, "--protocol=coco")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split() == ["AP", "100.00"]


def test_a_coco_file_without_a_protocol_is_told_which_to_name(real_samples, tmp_path):
    done = _score(*_files(real_samples, tmp_path, "coco:coco/test_coco.json:x"))
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {tmp_path / 'truth.json'}: has the 17 joints of coco17, which --protocol=crowdpose12, the default, "
        "does not score; name the rules, such as --protocol=coco\n"
    )


def test_errors_are_one_line(real_samples, tmp_path):
    truth, poses = _files(real_samples, tmp_path, "coco:coco/test_coco.json:x")
    wrong_format = _score(truth, poses, "--protocol=crowdpose")
    assert wrong_format.returncode == 1
    assert wrong_format.stderr.count("\n") == 1
    assert "truth.json: annotation 442619: 'keypoints' has 51 values, expected 42 numbers" in wrong_format.stderr
    missing = _score(truth, f"--predictions={tmp_path / 'none.json'}", "--protocol=coco")
    assert missing.returncode == 1
    assert (
        missing.stderr
        == f"error: {tmp_path / 'none.json'}: cannot be read (No such file or directory); check the path\n"
    )
    usage = _score(truth)
    assert usage.returncode == 2
    assert "--predictions" in usage.stderr
