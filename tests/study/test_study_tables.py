"""Tables from hand-written scores."""

import csv
import json

import cv2
import pytest

from opec_tf import config
from opec_tf.common.errors import UserError
from opec_tf.config import ModelConfig, TrainConfig
from opec_tf.study import rows, tables


def _write(root, folder, poses, split="test", **settings):
    path = root / folder / f"evaluation_{split}" / "metrics.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = {"data": [f"crowdpose:{split}.json:images"], **settings}
    path.write_text(json.dumps({"poses": poses, "settings": settings}))


_MODEL = ModelConfig(graph_convolution="gcn")
_ROWS = {name: rows.ROWS[name] for name in ("full", "gcn", "semantic")}


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "ROWS", _ROWS)
    (tmp_path / "config.json").write_text(config.to_json(_MODEL, TrainConfig(freeze_base=True)))
    _write(tmp_path, "base", {"peak": {"AP": 0.5, "vis75": 0.875, "inv75": 0.4, "swap": 0.2}})
    _write(tmp_path, "base", {"peak": {"AP": 0.45, "inv75": 0.4}}, "heldout")
    for seed, AP in ((10, 0.55), (2, 0.53), (0, 0.54)):
        poses = {"peak": {"AP": 0.1}, "pose_3": {"AP": AP, "vis75": 0.875, "inv75": 0.4, "swap": 0.1}}
        _write(tmp_path, f"full/seed{seed}", poses)
    _write(tmp_path, "semantic/seed0", {"peak": {"AP": 0.1}, "pose_3": {"AP": 0.52, "AP_easy": -1.0, "inv75": 0.45}})
    return tmp_path


def test_markdown_by_hand(study):
    text = tables.write(study)
    assert text == (study / "ablation.md").read_text()
    test, heldout = ([line for line in part.splitlines() if line[:1] == "|"] for part in text.split("## ")[1:])
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in test]
    assert cells[0] == ["row", "AP", "AP50", "AP75", "vis75", "inv75", "swap", "AP gain", "inv75 gain", "seeds"]
    full = ["54.00 ± 1.00", "-", "-", "87.50 ± 0.00", "40.00 ± 0.00", "10.00 ± 0.00", "+4.00", "+0.00", "3"]
    assert cells[2:] == [
        ["base: heatmap peak", "50.00", "-", "-", "87.50", "40.00", "20.00", "", "", ""],
        ["OPEC-Net", *full],
        ["graph convolution: gcn (the run of full)", *full],
        ["graph convolution: semantic", "52.00", "-", "-", "-", "45.00", "-", "+2.00", "+5.00", "1"],
    ]
    assert len({len(line) for line in test}) == 1
    assert len(heldout) == 3 and "| 45.00 |" in heldout[2]
    assert "`crowdpose:heldout.json:images`" in text


def test_given_poses_are_a_row(study):
    for seed in (0, 2, 10):
        poses = {"peak": {"AP": 0.1}, "given": {"AP": 0.51, "inv75": 0.42}, "pose_3": {"AP": 0.55, "inv75": 0.4}}
        _write(study, f"full/seed{seed}", poses)
    lines = tables.write(study).split("## ")[1].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    assert cells[3] == ["given: the poses that are refined", "51.00", "-", "-", "-", "42.00", "-", "+1.00", "+2.00", ""]
    assert cells[4][:2] == ["OPEC-Net", "55.00 ± 0.00"]


def test_csv(study):
    tables.write(study)
    lines = list(csv.DictReader((study / "ablation.csv").open()))
    assert list(lines[0]) == ["row", "seed", "split", "pose", "final", "AP", "vis75", "inv75", "swap", "AP_easy"]
    assert [(line["row"], line["seed"], line["split"]) for line in lines if line["final"] == "1"] == [
        ("base", "", "test"),
        ("base", "", "heldout"),
        ("full", "0", "test"),
        ("full", "2", "test"),
        ("full", "10", "test"),
        ("semantic", "0", "test"),
    ]
    assert [line["AP"] for line in lines if line["row"] == "full" and line["pose"] == "pose_3"] == [
        "0.54",
        "0.53",
        "0.55",
    ]
    assert lines[-1]["vis75"] == ""


def test_plot(study):
    tables.write(study)
    picture = cv2.imread(str(study / "ablation.png"))
    assert picture.shape[1] == 2 * 605 and picture.std() > 5


def test_nothing_there(tmp_path):
    with pytest.raises(UserError, match="no run is finished"):
        tables.write(tmp_path)
