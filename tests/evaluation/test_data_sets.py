"""The figures of data sets, by hand, and their tables."""

import numpy as np
import pytest

from opec_tf.data.annotations import coco
from opec_tf.evaluation import data_sets, plots
from opec_tf.poses.skeletons import BODY12, CROWDPOSE14


def _person(number, image_id, box, flags, crowd=0, skeleton=BODY12):
    joints = [[box[0] + 1, box[1] + 1, v] for v in flags] + [[0, 0, 0]] * (skeleton.num_joints - len(flags))
    return {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "bbox": box,
        "keypoints": sum(joints, []),
        "iscrowd": crowd,
    }


def _annotations(people, images, skeleton=BODY12):
    category = {"id": 1, "name": "person", "keypoints": list(skeleton.joints)}
    return coco.from_json({"images": images, "annotations": people, "categories": [category]}, "a.json", "")


def test_figures_by_hand():
    images = [{"id": 1, "file_name": "1.jpg", "crowdIndex": 0.9}, {"id": 2, "file_name": "2.jpg"}]
    people = [
        _person(1, 1, [0, 0, 10, 10], [2, 1, 1]),
        _person(2, 1, [5, 0, 10, 10], [2]),
        _person(3, 2, [0, 0, 10, 10], [2, 2]),
        _person(4, 2, [50, 0, 10, 10], [1]),
        _person(5, 2, [80, 0, 10, 10], [], crowd=1),
    ]
    figures = data_sets.describe(_annotations(people, images))
    assert (figures["images"], figures["people"], figures["crowd_regions"]) == (2, 4, 1)
    assert (figures["labelled_joints"], figures["visible_joints"], figures["hidden_joints"]) == (7, 4, 3)
    assert figures["mean_iou"] == pytest.approx(1 / 6)
    assert (figures["iou30"], figures["iou50"]) == (0.5, 0.0)
    # The first image's file says 0.9; in the second nobody's joints lie in another's box.
    assert (figures["crowd_index_stated"], figures["crowd_index"]) == (1, 0.45)
    assert (figures["crowd_easy"], figures["crowd_medium"], figures["crowd_hard"]) == (0.5, 0.0, 0.5)
    assert sum(figures["iou_histogram"]) == sum(figures["crowd_histogram"]) == 2
    assert figures["iou_histogram"][6] == 1 and figures["crowd_histogram"][9] == 1  # from 0.3, and from 0.9
    table = data_sets.as_markdown({"mine": figures})
    assert "| mine | 2 | 1 (50.0%) | 0 (0.0%) | 0 (0.0%) | 0.167 |" in table
    assert "| mine | 4 | 7 | 42.9% | 0.450 | 50.0% | 0.0% | 50.0% |" in table


def test_head_and_neck_say_nothing_of_hiding():
    flags = [2] * 12 + [1, 1]
    people = [_person(1, 1, [0, 0, 9, 9], flags, skeleton=CROWDPOSE14)]
    figures = data_sets.describe(_annotations(people, [{"id": 1, "file_name": "1.jpg"}], CROWDPOSE14))
    assert (figures["labelled_joints"], figures["visible_joints"], figures["hidden_joints"]) == (14, 12, 0)


def test_what_is_beyond_the_histogram_is_in_its_last_bin():
    flags = [2] * 12
    people = [_person(number, 1, [0, 0, 9, 9], flags) for number in range(1, 6)]
    figures = data_sets.describe(_annotations(people, [{"id": 1, "file_name": "1.jpg"}]))
    assert figures["crowd_index"] == 4.0
    assert figures["crowd_histogram"] == [0] * 19 + [1] and figures["iou_histogram"] == [0] * 19 + [1]


def test_nothing_known_of_hiding_is_said():
    figures = data_sets.describe(_annotations([_person(1, 1, [0, 0, 9, 9], [])], [{"id": 1, "file_name": "1.jpg"}]))
    assert "| x | 1 | 0 | not said |" in data_sets.as_markdown({"x": figures})


def test_histograms_are_drawn(tmp_path):
    edges = np.linspace(0, 1, 3)
    plots.plot_data_sets({"IoU": (edges, {"a": [1, 3], "b": [0, 0]})}, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000
