"""The ablate command on generated stick figures: two rows, two seeds, resumed, and the table against its sources."""

import csv
import json

import cv2
import numpy as np
import pytest
import stick_couples
import tiny_run

_SMALL = [
    "--flagfile=configs/smoke.flags", "--trunk_width=4", "--adaption_channels=4,4,4", "--graph_channels=4",
    "--block_channels=4", "--steps_per_epoch=2", "--batch_size=4", "--val_data=", "--peak_refinement=none",
]  # fmt: skip
_METRICS = ("AP", "AP50", "AP75", "vis75", "inv75", "swap")


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    """Flags of a study of a minute, over four pictures to train on and two other ones."""
    folder = tmp_path_factory.mktemp("ablate")
    stick_couples.write(folder / "train", num_images=4)
    stick_couples.write(folder / "test", num_images=2, seed=1)
    data = {name: f"crowdpose:{name}/annotations.json:{name}/images" for name in ("train", "test")}
    return folder, [
        *_SMALL, f"--data_root={folder}", f"--train_data={data['train']}", f"--test_data={data['test']}",
        f"--heldout_data={data['train']}", f"--output_dir={folder}/out", "--seeds=0,1",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def study(arguments):
    """The finished study's folder, and what the command printed."""
    folder, flags = arguments
    result = tiny_run.call("ablate", *flags, "--rows=full,control,gcn")
    assert result.returncode == 0, result.stderr
    return folder / "out", result.stdout


def _table_rows(text):
    """Title -> cells, of the first table of a Markdown text."""
    lines = [line for line in text.split("## ")[1].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    return {row[0]: dict(zip(cells[0], row)) for row in cells[2:]}


def test_every_run_is_there_and_rows_of_equal_settings_share_theirs(study):
    root, printed = study
    assert sorted(path.name for path in root.iterdir()) == [
        "ablation.csv", "ablation.md", "ablation.png", "base", "control", "full",
    ]  # fmt: skip
    assert "[4/4] control, seed 1" in printed
    for row, poses in (("full", 5), ("control", 2)):
        for seed in (0, 1):
            folder = root / row / f"seed{seed}"
            assert json.loads((folder / "opec" / "config.json").read_text())["seed"] == seed
            for split in ("test", "heldout"):
                metrics = json.loads((folder / f"evaluation_{split}" / "metrics.json").read_text())
                assert len(metrics["poses"]) == poses


def test_the_table_is_mean_and_sample_deviation_of_the_last_poses(study):
    root, printed = study
    text = (root / "ablation.md").read_text()
    assert text in printed and "## Held-out data" in text
    table = _table_rows(text)
    assert list(table) == [
        "base: heatmap peak", "control: the base fine-tuned with the integral loss alone", "OPEC-Net",
        "graph convolution: gcn (the run of full)",
    ]  # fmt: skip
    read = [
        json.loads((root / "full" / f"seed{seed}" / "evaluation_test" / "metrics.json").read_text()) for seed in (0, 1)
    ]
    base = json.loads((root / "base" / "evaluation_test" / "metrics.json").read_text())
    for key in _METRICS:
        first, second = (100 * metrics["poses"]["pose_3"][key] for metrics in read)
        spread = abs(first - second) / np.sqrt(2)
        assert table["OPEC-Net"][key] == f"{(first + second) / 2:.2f} ± {spread:.2f}"
    gain = 100 * (np.mean([metrics["inv75"] for metrics in read]) - base["poses"]["peak"]["inv75"])
    assert table["OPEC-Net"]["inv75 gain"] == f"{gain:+.2f}"
    assert table["OPEC-Net"]["seeds"] == "2" and table["base: heatmap peak"]["seeds"] == ""
    for key, value in table["OPEC-Net"].items():
        assert key == "row" or table["graph convolution: gcn (the run of full)"][key] == value


def test_csv_has_a_line_a_row_seed_split_and_pose(study):
    root, _ = study
    lines = list(csv.DictReader((root / "ablation.csv").open()))
    assert len(lines) == 2 * (1 + 2 * 5 + 2 * 2)
    final = [line for line in lines if line["final"] == "1" and line["split"] == "test"]
    assert [(line["row"], line["seed"], line["pose"]) for line in final] == [
        ("base", "", "peak"), ("control", "0", "initial"), ("control", "1", "initial"), ("full", "0", "pose_3"),
        ("full", "1", "pose_3"),
    ]  # fmt: skip
    written = json.loads((root / "full" / "seed1" / "evaluation_test" / "metrics.json").read_text())
    assert float(final[-1]["AP"]) == written["AP"] and float(final[-1]["swap"]) == written["swap"]


def test_plot(study):
    picture = cv2.imread(str(study[0] / "ablation.png"))
    assert picture.shape[1] == 2 * 605 and picture.std() > 5


def test_a_repeated_command_trains_nothing_and_reports_as_before(study, arguments):
    root, _ = study
    _, flags = arguments
    kept = [*root.glob("*/seed*/opec/*.h5"), *root.glob("base/base/*.h5"), *root.rglob("metrics.json")]
    before = {path: path.stat().st_mtime_ns for path in kept}
    assert len(before) == 2 * 4 + 2 + 5 + 2 * 5
    text = (root / "ablation.md").read_text()
    (root / "ablation.md").unlink()
    # The metrics of a killed evaluation are missing; the weights of a run remain.
    (root / "control" / "seed1" / "evaluation_heldout" / "metrics.json").unlink()
    cases = [
        ["--rows=control,gcn"],
        ["--rows=full", "--report_only"],
        ["--rows=full,best"],
        ["--rows=full", "--seeds=a"],
        ["--rows=full", "--opec_epochs=2"],
        ["--rows=full", f"--base_weights={root}/full/seed0/opec/best.weights.h5"],
        ["--rows=full", "--report_only", f"--output_dir={root.parent}/none"],
        ["--rows=full", "--heldout_data=crowdpose:none.json:."],
    ]
    messages = tiny_run.messages("ablate", *([*flags, *case] for case in cases))
    assert messages[:2] == [None, None]
    assert {path: path.stat().st_mtime_ns for path in kept if "control/seed1/evaluation_heldout" not in str(path)} == {
        path: time for path, time in before.items() if "control/seed1/evaluation_heldout" not in str(path)
    }
    assert (root / "control" / "seed1" / "evaluation_heldout" / "metrics.json").exists()
    assert (root / "ablation.md").read_text() == text
    expected = [
        "--rows=best is not known; choose from all, control, full, a_no_image_guidance",
        "--seeds=a must be whole numbers",
        "full/seed0/opec: trained with other settings: opec_epochs=1 (now 2)",
        "base/base/best.weights.h5: is another base than --base_weights=",
        "no run is finished",
        "none.json: cannot be read",
    ]
    for message, start in zip(messages[2:], expected):
        assert message and start in message and "\n" not in message
