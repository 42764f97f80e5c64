"""Tables from hand-written scores."""

import csv
import json

import cv2
import pytest

from opec_tf.common.errors import UserError
from opec_tf.study import tables


def _write(root, folder, poses, split="test", **settings):
    path = root / folder / f"evaluation_{split}" / "metrics.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = {"data": [f"crowdpose:{split}.json:images"], **settings}
    path.write_text(json.dumps({"poses": poses, "settings": settings}))


@pytest.fixture
def study(tmp_path):
    _write(tmp_path, "base", {"peak": {"AP": 0.5, "vis75": 0.875, "inv75": 0.4, "swap": 0.2}})
    _write(tmp_path, "base", {"peak": {"AP": 0.45, "inv75": 0.4}}, "heldout")
    for seed, AP in ((10, 0.55), (2, 0.53), (0, 0.54)):
        poses = {"peak": {"AP": 0.1}, "pose_3": {"AP": AP, "AR": 0.75, "vis75": 0.875, "inv75": 0.4, "swap": 0.1}}
        _write(tmp_path, f"full/seed{seed}", poses)
    _write(
        tmp_path,
        "gcn/seed0",
        {"peak": {"AP": 0.1}, "pose_3": {"AP": 0.52, "AP_easy": -1.0, "inv75": 0.45, "inv75_thing": 0.3}},
    )
    return tmp_path


@pytest.mark.slow
def test_markdown_by_hand(study):
    text = tables.write(study)
    assert text == (study / "ablation.md").read_text()
    test, heldout = ([line for line in part.splitlines() if line[:1] == "|"] for part in text.split("## ")[1:])
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in test]
    # Columns of which no row has anything are left out.
    assert cells[0] == ["row", "AP", "AR", "vis75", "inv75", "inv75_thing", "swap", "AP gain", "inv75 gain", "seeds"]
    shares = ["75.00 ± 0.00", "87.50 ± 0.00", "40.00 ± 0.00", "-", "10.00 ± 0.00"]
    assert cells[2:] == [
        ["base: heatmap peak", "50.00", "-", "87.50", "40.00", "-", "20.00", "", "", ""],
        ["OPEC-Net", "54.00 ± 1.00", *shares, "+4.00", "+0.00", "3"],
        ["graph convolution: gcn", "52.00", "-", "-", "45.00", "30.00", "-", "+2.00", "+5.00", "1"],
    ]
    assert text.count("The spread covers seeds after one base only") == 2 and "fits best" not in text
    assert len({len(line) for line in test}) == 1
    assert len(heldout) == 3 and "| 45.00 |" in heldout[2]
    assert "`crowdpose:heldout.json:images`" in text


def test_what_is_printed_are_the_rows_asked_for(study):
    shown = tables.write(study, ["gcn"])
    assert "| graph convolution: gcn " in shown and "| base: heatmap peak " in shown and "| OPEC-Net " not in shown
    assert "| OPEC-Net " in (study / "ablation.md").read_text()
    assert tables.write(study, None) == (study / "ablation.md").read_text()
    with pytest.raises(UserError, match=f"^{study}: no run of --rows=coupel is finished; there are: full, gcn$"):
        tables.write(study, ["gcn", "coupel"])


def test_given_poses_are_a_row(study):
    for seed in (0, 2, 10):
        poses = {"peak": {"AP": 0.1}, "given": {"AP": 0.51, "inv75": 0.42}, "pose_3": {"AP": 0.55, "inv75": 0.4}}
        _write(study, f"full/seed{seed}", poses)
    lines = tables.write(study).split("## ")[1].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    shares = ["51.00", "-", "42.00", "-", "-"]
    assert cells[3] == ["given: the poses that are refined", *shares, "+1.00", "+2.00", ""]
    assert cells[4][:2] == ["OPEC-Net", "55.00 ± 0.00"]


def test_what_the_rest_of_the_network_reaches_stands_beside_a_row(study):
    """Of the control the peaks of the base that it trained on, of OPEC-Net the pose that its graph begins with."""
    for seed, peak in ((0, 0.5), (1, 0.52)):
        _write(study, f"control/seed{seed}", {"peak": {"AP": peak}, "initial": {"AP": 0.4}})
    _write(study, "full/seed0", {"peak": {"AP": 0.1}, "initial": {"AP": 0.535}, "pose_3": {"AP": 0.54}})
    lines = tables.write(study).split("## ")[1].splitlines()
    assert [[cell.strip() for cell in line.strip("|").split("|")][:2] for line in lines if line[:1] == "|"][3:7] == [
        ["control: the base trained on, its peak", "51.00 ± 1.41"],
        ["control: the base trained on, its own integral pose", "40.00 ± 0.00"],
        ["OPEC-Net, the pose that its graph begins with", "53.50"],
        ["OPEC-Net", "54.00 ± 1.00"],
    ]


def test_rows_of_an_older_version_stay_in_the_table(study):
    """Its config.json and its rows name settings that are gone; what is no run is passed over."""
    (study / "config.json").write_text(json.dumps({"gate": False, "candidates": 0}))
    _write(study, "gate/seed0", {"pose_3": {"AP": 0.53}}, candidates=2)
    _write(study, "gate/seedling", {"pose_3": {"AP": 0.9}})
    (study / "notes").mkdir()
    lines = tables.write(study).split("## ")[1].splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    assert [row[0] for row in table[3:]] == ["OPEC-Net", "graph convolution: gcn", "gate (a row of an older version)"]
    assert table[-1] == [table[-1][0], "53.00", *["-"] * 5, "+3.00", "-", "1"]
    assert (study / "ablation.csv").read_text().splitlines()[-1].startswith("gate,0,test,pose_3,1,0.53,")


def test_scores_by_box_and_by_assignment_do_not_meet_in_annotated_boxes(study, caplog):
    poses = {"peak": {"AP": 0.5, "inv75": 0.3}}
    _write(study, "base", poses, boxes="gt", people_by="box")
    with caplog.at_level("WARNING"):
        assert [(result.row, result.split) for result in tables.collect(study)] == [
            ("base", "test"),
            ("base", "heldout"),
        ]
    assert "full/seed0/evaluation_test/metrics.json: scored with other settings than the base" in caplog.text
    # In the boxes of a file poses can only be assigned: the table says so.
    _write(study, "full/seed0", {"pose_3": {"AP": 0.5}}, boxes="poses.json", people_by="assignment")
    text = tables.write(study)
    assert "| OPEC-Net " in text and text.count("with the person whom it fits best") == 1


def test_csv(study):
    tables.write(study)
    lines = list(csv.DictReader((study / "ablation.csv").open()))
    names = ["row", "seed", "split", "pose", "final"]
    assert list(lines[0]) == [*names, "AP", "vis75", "inv75", "swap", "AR", "AP_easy", "inv75_thing"]
    assert [(line["row"], line["seed"], line["split"]) for line in lines if line["final"] == "1"] == [
        ("base", "", "test"),
        ("base", "", "heldout"),
        ("full", "0", "test"),
        ("full", "2", "test"),
        ("full", "10", "test"),
        ("gcn", "0", "test"),
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
