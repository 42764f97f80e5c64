"""Evaluations of the same people side by side, such as those before and after a fine-tuning: a table and a picture."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from opec_tf.poses import drawing, images, predictions
from opec_tf.poses.skeletons import OCCLUDED
from opec_tf.study import report_files, report_text
from opec_tf.study.report import Metrics
from opec_tf.study.split import Split

# What the demonstration's tables show of a model: its last pose of each kind.
_ROWS = {"peak": "base peak", "pose_3": "OPEC-Net", "couple_3": "CoupleGraph"}
_COLUMNS = ("AP", "AP50", "AP75", "vis75", "inv75", "swap")
_SHEET_CELL = (330, 330)


def table(results: Mapping[str, Metrics]) -> str:
    """The base's peaks, OPEC-Net and the CoupleGraph as text; of several evaluations each has its row of each.

    Args:
      results: name of an evaluation -> its metrics; "" of a single one.
    """
    rows = {
        f"{title} {name}".rstrip(): {column: metrics[pose].get(column, -1.0) for column in _COLUMNS}
        for pose, title in _ROWS.items()
        for name, metrics in results.items()
        if pose in metrics
    }
    return report_text.table(rows)


def sheet(split: Split, files: Mapping[str, os.PathLike[str] | str], pictures: int) -> np.ndarray:
    """Ground truth and the poses of several evaluations of it, for pictures spread evenly over a split.

    Args:
      split: the ground truth. Joints that it calls hidden are drawn as such everywhere.
      files: title -> COCO results of the split's annotated people, as an evaluation in annotated boxes writes them.
      pictures: how many at most.

    Returns:
      RGB uint8 [h, w, 3], a row a picture.

    Raises:
      UserError: a file is malformed.
    """
    people = split.annotations.select(split.annotated().annotation_rows).with_skeleton(split.skeleton)
    shown = report_files.spread_evenly(np.unique(people.image_index), pictures)
    results = {title: predictions.read(path, split.skeleton.num_joints) for title, path in files.items()}
    drawings = []
    for row in shown:
        image = images.decode(tf.io.read_file(str(people.image_paths[row]))).numpy()
        truth = people.keypoints[people.image_index == row]
        found = [poses.keypoints[poses.image_ids == people.image_ids[row]] for poses in results.values()]
        for keypoints in (truth, *found):
            hidden = truth[: len(keypoints), :, 2] == OCCLUDED
            marked = drawing.mark_joints(keypoints, 0.0)[0] if keypoints is not truth else truth
            drawings.append(drawing.draw_people(image, marked, split.skeleton, hidden))
    titles = ["ground truth", *results] * len(shown)
    return drawing.contact_sheet(drawings, 1 + len(results), titles, _SHEET_CELL)
