"""The ablate command: the smallest real network from base to table, and its errors."""

import stick_couples
import tiny_run


def test_trains_scores_and_reports(tmp_path):
    stick_couples.write(tmp_path / "train", num_images=4)
    stick_couples.write(tmp_path / "test", num_images=2, seed=1)
    data = {name: f"crowdpose:{name}/annotations.json:{name}/images" for name in ("train", "test")}
    flags = [
        "--flagfile=configs/smoke.flags", f"--data_root={tmp_path}", f"--train_data={data['train']}", "--val_data=",
        f"--test_data={data['test']}", "--trunk_width=4", "--steps_per_epoch=2", "--batch_size=4", "--opec_epochs=1",
        f"--output_dir={tmp_path}/out", "--seeds=3",
    ]  # fmt: skip
    result = tiny_run.call("ablate", *flags, "--rows=control")
    assert result.returncode == 0, result.stderr
    assert "[1/1] control, seed 3" in result.stdout
    text = (tmp_path / "out" / "ablation.md").read_text()
    assert result.stdout.endswith(f"{text}\n") and "| control: the base fine-tuned" in text

    cases = [
        (["--report_only"], None),
        (["--rows=control"], None),
        (["--rows=full,best"], "--rows=best is not known; choose from all, control, full, a_no_image_guidance"),
        (["--seeds=a"], "--seeds=a must be whole numbers"),
        (["--rows=control", "--opec_epochs=2"], "seed3/opec: trained with other settings: opec_epochs=1 (now 2)"),
        (["--rows=full", "--heldout_data=crowdpose:none.json:."], "none.json: cannot be read"),
        (["--report_only", f"--output_dir={tmp_path}/none"], "no run is finished"),
    ]
    for (_, expected), message in zip(cases, tiny_run.messages("ablate", *([*flags, *case] for case, _ in cases))):
        assert message == expected if expected is None else message and expected in message and "\n" not in message
    assert (tmp_path / "out" / "ablation.md").read_text() == text
