"""Scores of a trained model on a data set: metrics of each of the network's poses, files, drawings."""

from __future__ import annotations

import dataclasses
import logging
import os
import pathlib
from typing import Any

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.config import InferenceConfig
from opec_tf.evaluation import accuracy, protocols
from opec_tf.inference import results
from opec_tf.inference.estimates import Estimates
from opec_tf.inference.people import AnnotatedPeople, ListedPeople
from opec_tf.inference.pose_model import PoseModel
from opec_tf.poses import drawing
from opec_tf.study import measures, report_files
from opec_tf.study.split import Split

# Pose name -> name of a metric -> value.
Metrics = dict[str, dict[str, float]]


def evaluate(
    model: PoseModel,
    split: Split,
    people: ListedPeople,
    output_dir: os.PathLike[str] | str,
    *,
    inference_config: InferenceConfig,
    hidden_score: float = results.DrawingStyle.hidden_score,
) -> Metrics:
    """Scores a model on a split and writes COCO results, drawings and, last of all, metrics.json.

    The results of an earlier evaluation in the folder give way to the new ones, all together.

    In annotated boxes it is known whose pose each is: the swap rate joins the metrics, and accuracy by level of
    occlusion goes to occlusion.json and occlusion_curves.png. What the model says of visibility is scored among the
    last pose's metrics, its calibration in reliability.json and reliability.png.

    Args:
      model, inference_config: refines the poses that people have, if they have any; how it is run.
      split: the annotations.
      people: of the split, whose poses are estimated.
      output_dir: made where it is missing.
      hidden_score: threshold of the rule that predicted visibility is compared with, see ``results.DrawingStyle``.

    Raises:
      UserError: unusable output folder, or nobody left to score.
    """
    folder = files.make_folder(output_dir)
    model = model.starting_from_poses_of(people)
    estimates = estimate(model, split, people, inference_config)
    whose = measures.whose_poses(estimates, people) if isinstance(people, AnnotatedPeople) else None
    metrics: Metrics = protocols.evaluate_each(split.annotations, estimates.predictions, split.protocol, whose)
    report_files.remove_results(folder, but=people.name)
    if isinstance(people, AnnotatedPeople):
        _add_occlusion(metrics, estimates, split, people, folder)
        _add_visibility(metrics, estimates, split, people, folder, hidden_score)
    sheet = report_files.contact_sheet(estimates, split.annotations, people.boxes, split.skeleton)
    drawing.write_image(folder / "contact_sheet.jpg", sheet)
    settings = _settings(model, split, people, estimates, inference_config)
    report_files.write_metrics(folder, estimates, metrics, settings)
    return metrics


def estimate(model: PoseModel, split: Split, people: ListedPeople, inference_config: InferenceConfig) -> Estimates:
    """The poses of people of a split; images that cannot be read are left out with a warning."""
    annotations = split.annotations
    estimator = model.estimator(inference_config, len(people.boxes))
    estimates = estimator.estimate_files(
        annotations.image_paths, annotations.image_ids, people.boxes, strict=split.data_config.strict
    )
    _check_skipped(estimates, annotations.num_images)
    return estimates


def _add_occlusion(
    metrics: Metrics, estimates: Estimates, split: Split, people: AnnotatedPeople, output_dir: pathlib.Path
) -> None:
    """The swap rate among the metrics, accuracy by occlusion in files."""
    levels = measures.score_by_occlusion(estimates, split, people)
    for name, row in metrics.items():
        row.update({key: value for key, value in levels[name]["all"].items() if key == "swap"})
    report_files.write_occlusion(output_dir, levels)


def _add_visibility(
    metrics: Metrics,
    estimates: Estimates,
    split: Split,
    people: AnnotatedPeople,
    output_dir: pathlib.Path,
    hidden_score: float,
) -> None:
    """How right predicted visibility is among the metrics, its calibration in files."""
    scores, bins = measures.score_visibility(estimates, split, people, hidden_score)
    if scores:
        metrics[estimates.final].update(scores)
        report_files.write_reliability(output_dir, bins)


def _settings(
    model: PoseModel, split: Split, people: ListedPeople, estimates: Estimates, inference_config: InferenceConfig
) -> dict[str, Any]:
    """What the numbers were measured with."""
    return {
        "workdir": model.name,
        "stage": model.stage,
        "split": split.name,
        "data_root": split.data_config.data_root,
        "data": list(split.sources),
        "boxes": people.name,
        "initial_poses": people.name if people.have_poses else None,
        "people": len(people.boxes),
        "images_skipped": len(estimates.skipped),
        "box_margin": model.box_margin,
        "people_by": accuracy.BY_BOX if isinstance(people, AnnotatedPeople) else accuracy.BY_ASSIGNMENT,
        **dataclasses.asdict(inference_config),
    }


def _check_skipped(estimates: Estimates, num_images: int) -> None:
    skipped = estimates.skipped
    if not estimates.predictions[estimates.final].num_people:
        raise UserError(f"{skipped[0]}: cannot be read, nor can any other image that shows people; check --data_root")
    if skipped:
        logging.getLogger(__name__).warning(
            "%d of %d images cannot be read (first: %s); their people count as missed",
            len(skipped),
            num_images,
            skipped[0],
        )
