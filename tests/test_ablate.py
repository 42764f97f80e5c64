"""The ablate command: the smallest real network from base to table, and its errors."""

import json
import re

import numpy as np
import pytest
import stick_couples
import tiny_run

pytestmark = pytest.mark.slowest


def test_trains_scores_and_reports(tmp_path):
    stick_couples.write(tmp_path / "train", num_images=4)
    stick_couples.write(tmp_path / "test", num_images=2, seed=1)
    data = {name: f"crowdpose:{name}/annotations.json:{name}/images" for name in ("train", "test")}
    flags = [
        "--flagfile=configs/smoke.flags",
        f"--data_root={tmp_path}",
        f"--train_data={data['train']}",
        "--val_data=",
        f"--test_data={data['test']}",
        "--trunk_width=4",
        "--steps_per_epoch=2",
        "--batch_size=4",
        "--opec_epochs=1",
        f"--output_dir={tmp_path}/out",
        "--seeds=3",
    ]
    result = tiny_run.call("ablate", *flags, "--rows=control")
    assert result.returncode == 0, result.stderr
    assert "[1/1] control, seed 3" in result.stdout
    text = (tmp_path / "out" / "ablation.md").read_text()
    assert result.stdout.endswith(f"{text}\n") and "| control: the base trained on" in text
    # The same numbers, with intervals of how far they lie above the base's.
    compared = (tmp_path / "out" / "differences.md").read_text()
    assert compared in result.stdout and "**test**" in compared
    assert (tmp_path / "out" / "differences.png").stat().st_size > 5000
    for title in ("base: heatmap peak", "control: the base trained on"):
        aps = [float(re.search(rf"\| {title}[^|]*\| ([0-9.]+)", of).group(1)) for of in (text, compared)]
        assert aps[1] == pytest.approx(aps[0], abs=0.06)
    assert re.search(
        r"\| control: the base trained on, its peak \| [0-9.]+<br>\([+-][0-9.]+ to [+-][0-9.]+\)", compared
    )

    cases = [
        (["--report_only"], None),
        (["--rows=control"], None),
        (["--rows=full,best"], "--rows=best is not known; choose from all, claim, control, no_graph, full, a_no"),
        (["--rows=l1"], "--rows=l1 changes nothing: by these settings it is row full"),
        (["--rows=full", "--against=control"], "--against=control is none of --rows=full"),
        (["--seeds=a"], "--seeds=a must be whole numbers"),
        (["--rows=control", "--opec_epochs=2"], "seed3/opec: trained with other settings: opec_epochs=1 (now 2)"),
        (["--rows=full", "--heldout_data=crowdpose:none.json:."], "none.json: cannot be read"),
        (["--report_only", f"--output_dir={tmp_path}/none"], "no run is finished"),
    ]
    for (_, expected), message in zip(cases, tiny_run.messages("ablate", *([*flags, *case] for case, _ in cases))):
        assert message == expected if expected is None else message and expected in message and "\n" not in message
    assert (tmp_path / "out" / "ablation.md").read_text() == text

    # Poses from elsewhere, here the control's peaks: every row starts from these, and is scored so.
    poses = tmp_path / "out" / "control" / "seed3" / "evaluation_test" / "predictions_peak.json"
    out = tmp_path / "given"
    refined = [
        *flags,
        f"--base_weights={tmp_path}/out/base/seed3/base/best.weights.h5",
        f"--output_dir={out}",
        "--rows=full",
    ]
    given = [f"--initial_poses={poses}", "--initial_pose=given"]
    cases = [
        (given, None),
        (given[:1], "--initial_pose=given and --initial_poses=POSES.json go together"),
        (given[1:], "--initial_pose=given and --initial_poses=POSES.json go together"),
        ([*given, f"--heldout_data={data['test']}"], "go together, without --heldout_data"),
        ([*given, f"--initial_poses={tmp_path}/none.json"], "none.json: cannot be read"),
    ]
    for (_, expected), message in zip(cases, tiny_run.messages("ablate", *([*refined, *case] for case, _ in cases))):
        assert message == expected if expected is None else message and expected in message and "\n" not in message
    before, after = (
        np.array(sorted([person["image_id"], *person["keypoints"]] for person in json.loads(path.read_text())))
        for path in (poses, out / "full" / "seed3" / "evaluation_test" / "predictions_given.json")
    )
    is_coordinate = np.arange(before.shape[1]) % 3 > 0  # each score stands before the next joint
    np.testing.assert_allclose(after[:, is_coordinate], before[:, is_coordinate], atol=0.01)
