"""The compare command on the poses of a tiny run."""

import json

import pytest
import stick_couples
import tiny_run

pytestmark = pytest.mark.slow


@pytest.mark.slowest
def test_the_numbers_are_those_of_evaluate_and_are_kept(run, tmp_path):
    stick_couples.write(tmp_path / "data", num_images=3)
    source = stick_couples.SOURCE
    arguments = [
        f"--data_root={tmp_path}/data",
        f"--set=couples={source}",
        f"--row=base={run}:peak",
        f"--row=OPEC-Net={run}:pose_3,{run}:initial",
        f"--output_dir={tmp_path}/table",
        "--draws=20",
    ]
    evaluate = [
        f"--workdir={run}",
        f"--data_root={tmp_path}/data",
        f"--test_data={source}",
        f"--output_dir={tmp_path}/out",
    ]
    assert tiny_run.call("evaluate", *evaluate).returncode == 0
    first = tiny_run.call("compare", *arguments)
    assert first.returncode == 0, first.stderr
    assert (tmp_path / "table" / "table.md").read_text().strip() == first.stdout.strip()
    found = json.loads((tmp_path / "table" / "couples.json").read_text())
    poses = json.loads((tmp_path / "out" / "metrics.json").read_text())["poses"]
    base, opec = found["rows"]
    for scores, name in ((base["runs"][0], "peak"), (opec["runs"][0], "pose_3"), (opec["runs"][1], "initial")):
        assert scores == pytest.approx({column: poses[name][column] for column in scores}, abs=1e-9)
    assert all(ends == [0.0, 0.0] for ends in base["difference"].values())
    # What is measured is not measured again; other rows are.
    found["rows"][0]["title"] = "as kept"
    (tmp_path / "table" / "couples.json").write_text(json.dumps(found))
    assert "as kept" in tiny_run.call("compare", *arguments).stdout
    assert "as kept" not in tiny_run.call("compare", *arguments[:-1], "--draws=10").stdout


def test_faults_are_said(run, tmp_path):
    stick_couples.write(tmp_path / "data", num_images=2)
    row, data = f"--row=base={run}:peak", f"--set=couples={stick_couples.SOURCE}"
    others = [f"--data_root={tmp_path}/data", f"--output_dir={tmp_path}/table", "--draws=2"]
    wrong = {
        (data,): "--row and --set are missing",
        (row, "--set=coco:a.json:b"): "must be NAME=FORMAT:ANNOTATIONS:IMAGES",
        (data, f"--row=base={run}"): "must be TITLE=WORKDIR:POSE",
        (data, row, f"--row=couple={run}:couple_3"): "has no pose 'couple_3'; its poses are peak, initial",
    }
    messages = tiny_run.messages("compare", *([*arguments, *others] for arguments in wrong))
    for message, expected in zip(messages, wrong.values()):
        assert expected in message
