"""Tables and pictures of several evaluations of the same people."""

import dataclasses

import numpy as np
import pytest
import stick_couples

from opec_tf.config import DataConfig
from opec_tf.data.annotations import loading
from opec_tf.poses import skeletons
from opec_tf.poses.predictions import PosePredictions
from opec_tf.study import comparison
from opec_tf.study.split import Split

_METRICS = {"peak": {"AP": 0.25, "swap": 0.5}, "pose_1": {"AP": 0.9}, "pose_3": {"AP": 0.5}, "couple_3": {"AP": 1.0}}


def test_a_row_of_each_kind_of_pose_and_evaluation():
    better = {name: {**row, "AP": row["AP"] / 2} for name, row in _METRICS.items()}
    rows = [
        line.rsplit(maxsplit=6) for line in comparison.table({"before": better, "after": _METRICS}).splitlines()[1:]
    ]
    assert [(row[0].strip(), row[1], row[-1]) for row in rows] == [
        ("base peak before", "12.5", "50.0"),
        ("base peak after", "25.0", "50.0"),
        ("OPEC-Net before", "25.0", "-"),
        ("OPEC-Net after", "50.0", "-"),
        ("CoupleGraph before", "50.0", "-"),
        ("CoupleGraph after", "100.0", "-"),
    ]
    assert [line.split()[0] for line in comparison.table({"": {"peak": {"AP": 0.0}}}).splitlines()] == ["pose", "base"]


@pytest.fixture
def split(tmp_path):
    """Five pictures of two stick figures each."""
    stick_couples.write(tmp_path / "data", num_images=5)
    data_config = DataConfig(data_root=str(tmp_path / "data"), test_data=(stick_couples.SOURCE,))
    annotations = loading.load(stick_couples.SOURCE, data_config.data_root, skeletons.BODY12)
    return Split("test", data_config, "crowdpose12", annotations, skeletons.BODY12)


def test_the_same_pictures_by_all(split, tmp_path):
    boxes = split.annotated().boxes
    right = PosePredictions(
        split.annotations.image_ids[boxes.image_index], boxes.labels, np.ones(len(boxes)), boxes.boxes
    )
    right.write(tmp_path / "right.json")
    dataclasses.replace(right, keypoints=right.keypoints + [9, 0, 0]).write(tmp_path / "wrong.json")
    files = {name: tmp_path / f"{name}.json" for name in ("right", "wrong")}
    sheet = comparison.sheet(split, files, pictures=3)
    assert comparison.sheet(split, files, pictures=9).shape[0] == pytest.approx(sheet.shape[0] * 5 / 3, abs=8)
    # Below the title of the first row: the truth, what is right as the truth is drawn, and what is not.
    cells = np.stack([sheet[30:300, 8 + i * 338 : 8 + i * 338 + 330] for i in range(3)])
    assert (cells[0] == cells[1]).all() and (cells[0] != cells[2]).any()
