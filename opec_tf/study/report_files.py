"""The files of an evaluation: metrics, COCO results of every pose, curves, drawings."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import tensorflow as tf

from opec_tf.common import files
from opec_tf.evaluation import plots
from opec_tf.evaluation.accuracy import Levels
from opec_tf.inference import results
from opec_tf.inference.estimates import Estimates
from opec_tf.inference.person_boxes import PersonBoxes
from opec_tf.poses import drawing, images
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.skeletons import OCCLUDED, Skeleton

# What an evaluation leaves in its folder, metrics.json apart.
_RESULTS = ("predictions_*.json", "occlusion.json", "occlusion_curves.png", "reliability.*", "contact_sheet.jpg")
_HIDDEN_SCORE = results.DrawingStyle.hidden_score
_SHEET_IMAGES = 12
_SHEET_CELL = (330, 330)


def remove_results(output_dir: pathlib.Path, but: str) -> None:
    """Deletes an earlier evaluation's files but one, metrics.json first: a folder that has it is complete."""
    for pattern in ("metrics.json", *_RESULTS):
        for path in output_dir.glob(pattern):
            if path.resolve() != pathlib.Path(but).resolve():
                path.unlink()


def write_metrics(
    output_dir: pathlib.Path, estimates: Estimates, metrics: dict[str, Any], settings: dict[str, Any]
) -> None:
    """Writes metrics.json and, for each pose, predictions_POSE.json (COCO results) into a folder.

    Args:
      output_dir: the folder.
      estimates: of all people.
      metrics: from ``protocols.evaluate_each``.
      settings: what the numbers were measured with; kept in metrics.json.

    Raises:
      UserError: a file cannot be written.
    """
    for name, people in estimates.predictions.items():
        people.write(output_dir / f"predictions_{name}.json")
    final = metrics[estimates.final]
    files.write_json(output_dir / "metrics.json", {**final, "poses": metrics, "settings": settings}, indent=2)


def write_occlusion(output_dir: pathlib.Path, levels: dict[str, Levels]) -> None:
    """Writes occlusion.json and, of the last pose of each kind (peak, initial, pose, couple), occlusion_curves.png."""
    files.write_json(output_dir / "occlusion.json", levels, indent=2)
    last = {name.rstrip("0123456789"): name for name in levels}
    curves = {results.title(name): levels[name] for name in last.values()}
    plots.plot_occlusion_curves(curves, output_dir / "occlusion_curves.png")


def write_reliability(output_dir: pathlib.Path, bins: dict[str, Any]) -> None:
    """Writes reliability.json and reliability.png of the bins of ``visibility.calibration``."""
    files.write_json(output_dir / "reliability.json", bins, indent=2)
    plots.plot_reliability(bins, output_dir / "reliability.png")


def spread_evenly(rows: np.ndarray, most: int) -> np.ndarray:
    """So many of some rows, [N] -> [min(N, most)], from the first to the last."""
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)]


def contact_sheet(
    estimates: Estimates, annotations: PoseAnnotations, boxes: PersonBoxes, skeleton: Skeleton
) -> np.ndarray:
    """Ground truth, the first and the final poses side by side, for images spread evenly over the data set.

    Args:
      estimates: of at least one person.
      annotations: of the images.
      boxes: what the poses were estimated in; its labels, if any, say which joints are hidden.
      skeleton: the model's joints.

    Returns:
      RGB uint8 [h, w, 3].
    """
    names = list(dict.fromkeys([next(iter(estimates.predictions)), estimates.final]))
    annotations = annotations.select(annotations.is_scoreable)
    shown = spread_evenly(np.unique(boxes.image_index[estimates.rows[estimates.final]]), _SHEET_IMAGES)
    drawings, titles = [], []
    for row in shown:
        image = images.decode(tf.io.read_file(str(annotations.image_paths[row]))).numpy()
        truth = annotations.keypoints[annotations.image_index == row]
        drawings.append(drawing.draw_people(image, truth, annotations.skeleton, truth[..., 2] == OCCLUDED))
        drawings += [results.draw_pose(image, row, name, estimates, boxes, skeleton, _HIDDEN_SCORE) for name in names]
        titles += ["ground truth", *map(results.title, names)]
    return drawing.contact_sheet(drawings, 2 * (1 + len(names)), titles, _SHEET_CELL)
