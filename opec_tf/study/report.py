"""Scores of a trained model on a data set: one table with a row for each of the network's poses, files, drawings."""

import dataclasses
import logging
import pathlib

import numpy as np
import tensorflow as tf

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.config import DetectorConfig
from opec_tf.data.annotations.loading import load_all, require_one
from opec_tf.evaluation import accuracy, plots, protocols, visibility
from opec_tf.inference import given_poses, person_boxes, pose_estimator, results
from opec_tf.inference.detectors import detections_file, named
from opec_tf.inference.forward import PEAK
from opec_tf.models import workdir
from opec_tf.poses import drawing, images, predictions, skeletons
from opec_tf.poses.skeletons import OCCLUDED, UNKNOWN

_TABLE_KEYS = (
    "AP",
    "AP50",
    "AP75",
    "AP80",
    "AP90",
    "AR",
    "AP_easy",
    "AP_medium",
    "AP_hard",
    "vis50",
    "vis75",
    "vis90",
    "inv50",
    "inv75",
    "inv90",
    "swap",
)
# What an evaluation leaves in its folder, metrics.json apart.
_RESULTS = ("predictions_*.json", "occlusion.json", "occlusion_curves.png", "reliability.*", "contact_sheet.jpg")
_DETECTOR = DetectorConfig()
_SHEET_IMAGES = 12
_SHEET_CELL = (330, 330)


def evaluate(
    root,
    output_dir,
    *,
    split,
    data_config,
    inference_config,
    stage=None,
    boxes="gt",
    initial_poses=None,
    box_margin=None,
    detector_config=_DETECTOR,
    hidden_score=results.DrawingStyle.hidden_score,
):
    """Scores the model of a workdir on a split and writes COCO results, drawings and, last of all, metrics.json.

    The results of an earlier evaluation in the folder give way to the new ones, all together.

    With annotated boxes it is known whose pose each is: the swap rate joins the metrics, and accuracy by level of
    occlusion goes to occlusion.json and occlusion_curves.png. What the model says of visibility is scored among the
    last pose's metrics, see ``score_visibility``, and its calibration goes to reliability.json and reliability.png.

    Args:
      root: the workdir.
      output_dir: folder for the files, made where it is missing.
      split: "train", "val" or "test".
      data_config: ``DataConfig`` that names the split.
      inference_config: ``InferenceConfig``.
      stage: "base", "opec" or "couple"; None: the last one that is finished.
      boxes: "gt": the annotated boxes; or a JSON file of a detector's results; or a detector, see ``named.make``,
        whose results are kept as detections.json.
      initial_poses: COCO results JSON of another system's poses, which the model refines; they bring their own boxes.
      box_margin: side of a crop over side of its person's box; None: what the model was trained with.
      detector_config: ``DetectorConfig``.
      hidden_score: threshold of the rule that predicted visibility is compared with, see ``results.DrawingStyle``.

    Returns:
      pose name -> dict of metrics.

    Raises:
      UserError: unusable workdir, data, boxes or output folder, or nobody left to score.
    """
    # All that can be wrong with settings and data is an error before the model is made and the images are read.
    skeleton = skeletons.SKELETONS[workdir.read_model_config(root).skeleton]
    output_dir = files.make_folder(output_dir)
    sources, protocol = getattr(data_config, f"{split}_data"), inference_config.protocol
    if initial_poses or not (boxes == "gt" or named.is_detector(boxes)):
        require_one(sources, split, f"--initial_poses={initial_poses}" if initial_poses else f"--boxes={boxes}")
    annotations = load_all(sources, data_config.data_root, protocols.PROTOCOLS[protocol].skeleton)
    protocols.evaluate(
        annotations, predictions.empty(skeleton.num_joints), protocol, f"{root} (skeleton {skeleton.name})"
    )
    if initial_poses:
        boxes = initial_poses
        people = given_poses.read(boxes, annotations.image_ids, annotations.image_paths.tolist(), skeleton)
    else:
        people = _people(boxes, annotations, skeleton, output_dir, detector_config, data_config.strict)
    model, model_config, stage = workdir.load_model(root, stage, "given" if initial_poses else "integral")
    box_margin = box_margin or results.trained_box_margin(root, stage)
    estimates = pose_estimator.estimate_poses(
        model,
        annotations.image_paths,
        annotations.image_ids,
        people.image_index,
        people.boxes,
        model_config=model_config,
        box_margin=box_margin,
        inference_config=inference_config,
        strict=data_config.strict,
        box_scores=people.scores,
        poses=people.poses,
    )
    _check_skipped(estimates, annotations.num_images)
    whose = _whose_poses(estimates, annotations) if boxes == "gt" else None
    metrics = protocols.evaluate_each(annotations, estimates.predictions, protocol, whose)
    settings = {
        "workdir": str(root),
        "stage": stage,
        "split": split,
        "data_root": data_config.data_root,
        "data": list(sources),
        "boxes": boxes,
        "initial_poses": initial_poses,
        "people": len(people.boxes),
        "images_skipped": len(estimates.skipped),
        "box_margin": box_margin,
        "people_by": accuracy.BY_ASSIGNMENT if whose is None else accuracy.BY_BOX,
        **dataclasses.asdict(inference_config),
    }
    _remove_results(output_dir, but=boxes)
    if boxes == "gt":
        levels = score_by_occlusion(estimates, annotations, protocol)
        for name, row in metrics.items():
            row.update({key: value for key, value in levels[name]["all"].items() if key == "swap"})
        write_occlusion(output_dir, levels)
        scores, bins = score_visibility(estimates, annotations, skeleton, hidden_score)
        if scores:
            metrics[estimates.final].update(scores)
            files.write_json(output_dir / "reliability.json", bins, indent=2)
            plots.plot_reliability(bins, output_dir / "reliability.png")
    drawing.write_image(output_dir / "contact_sheet.jpg", contact_sheet(estimates, annotations, people, skeleton))
    write(output_dir, estimates, metrics, settings)
    return metrics


def _people(boxes, annotations, skeleton, output_dir, detector_config, strict):
    """``PersonBoxes`` of a split, by --boxes."""
    if boxes == "gt":
        return annotated_boxes(annotations, skeleton)
    if named.is_detector(boxes):
        detector, boxes = named.make(boxes, detector_config), output_dir / "detections.json"
        detections_file.write(boxes, detector, annotations.image_paths, annotations.image_ids, strict)
    return person_boxes.read(boxes, annotations.image_ids, annotations.image_paths.tolist(), skeleton)


def _remove_results(output_dir, but):
    """Deletes an earlier evaluation's files but one, metrics.json first: a folder that has it is complete."""
    for pattern in ("metrics.json", *_RESULTS):
        for path in output_dir.glob(pattern):
            if path.resolve() != pathlib.Path(but).resolve():
                path.unlink()


def annotated_boxes(annotations, skeleton):
    """The annotated people that can be scored as ``PersonBoxes``, with their labels in the joints of ``skeleton``."""
    people = annotations.select(_cropped_rows(annotations)).with_skeleton(skeleton)
    return person_boxes.PersonBoxes(people.image_index, people.boxes, labels=people.keypoints)


def _cropped_rows(annotations):
    """Rows of the scoreable people in the order of ``annotated_boxes``: by image."""
    rows = np.flatnonzero(annotations.is_scoreable)
    return rows[np.argsort(annotations.image_index[rows], kind="stable")]


def _whose_poses(estimates, annotations):
    """Whose each pose in ``annotated_boxes`` is: pose name -> rows of ``annotations``, int [P]."""
    rows = _cropped_rows(annotations)
    return {name: rows[boxes] for name, boxes in estimates.rows.items()}


def score_by_occlusion(estimates, annotations, protocol):
    """Scores poses in ``annotated_boxes`` by occlusion: pose name -> dict of ``protocols.evaluate_by_occlusion``."""
    whose = _whose_poses(estimates, annotations)
    return {
        name: protocols.evaluate_by_occlusion(annotations, people, whose[name], protocol)
        for name, people in estimates.predictions.items()
    }


def score_visibility(estimates, annotations, skeleton, hidden_score):
    """Scores the visibility predicted in ``annotated_boxes``, of all joints of which it is known; ({}, {}) where the
    model predicts none or it is known of none.

    Returns:
      (flat dict: "visibility_" and the keys of ``visibility.accuracy``, and ``visibility_ece``; of the rule that joints
      with a heatmap peak below ``hidden_score`` are occluded "visibility_by_peak_" and the keys of ``accuracy``, and
      ``visibility_best_hidden_score``, the threshold that would have been best here; the bins of ``calibration``)
    """
    people = annotations.select(_cropped_rows(annotations)).with_skeleton(skeleton)
    rows = estimates.rows[estimates.final]
    classes = people.visibility[rows]
    if estimates.visibility is None or (classes == UNKNOWN).all():
        return {}, {}
    probabilities = estimates.visibility[rows]
    peaks = estimates.predictions[estimates.final].keypoints[..., 2]
    error, bins = visibility.calibration(classes, probabilities)
    own = visibility.accuracy(classes, probabilities.argmax(axis=-1))
    rule = visibility.accuracy(classes, visibility.by_score(peaks, hidden_score))
    scores = {f"visibility_{name}": value for name, value in own.items()}
    scores["visibility_ece"] = error
    scores.update({f"visibility_by_peak_{name}": value for name, value in rule.items()})
    scores["visibility_best_hidden_score"] = visibility.best_threshold(classes, peaks)
    return scores, bins


def write_occlusion(output_dir, levels):
    """Writes occlusion.json and, of the last pose of each kind (peak, initial, pose, couple), occlusion_curves.png."""
    files.write_json(output_dir / "occlusion.json", levels, indent=2)
    last = {name.rstrip("0123456789"): name for name in levels}
    curves = {results.title(name): levels[name] for name in last.values()}
    plots.plot_occlusion_curves(curves, output_dir / "occlusion_curves.png")


def table(metrics):
    """The metrics (pose name -> dict) as text: a row a pose, percentages; "-" where the data has nothing to measure."""
    keys = [key for key in _TABLE_KEYS if any(key in row for row in metrics.values())]
    width = max(9, *(len(name) + 1 for name in metrics))
    lines = ["pose".ljust(width) + "".join(key.removeprefix("AP_").rjust(8) for key in keys)]
    for name, row in metrics.items():
        cells = [f"{100 * row[key]:.1f}" if row.get(key, -1) >= 0 else "-" for key in keys]
        lines.append(name.ljust(width) + "".join(cell.rjust(8) for cell in cells))
    return "\n".join(lines)


def visibility_line(metrics):
    """What the last pose's metrics say of predicted visibility, as text; "" where nothing."""
    last = list(metrics.values())[-1]
    if "visibility_accuracy" not in last:
        return ""

    def percents(prefix):
        names = ("accuracy", "balanced_accuracy", "recall_visible", "recall_occluded", "recall_outside")
        found = [(name.replace("_", " "), last.get(f"{prefix}_{name}")) for name in names]
        return ", ".join(f"{name} {100 * value:.1f}" for name, value in found if value is not None)

    return (
        f"visibility: {percents('visibility')}, "
        f"calibration error {100 * last['visibility_ece']:.1f}\n"
        f"  by heatmap peak alone: {percents('visibility_by_peak')}"
    )


def write(output_dir, estimates, metrics, settings):
    """Writes metrics.json and, for each pose, predictions_POSE.json (COCO results) into a folder.

    Args:
      output_dir: folder, made where it is missing.
      estimates: ``pose_estimator.Estimates``.
      metrics: from ``protocols.evaluate_each``.
      settings: dict, what the numbers were measured with; kept in metrics.json.

    Raises:
      UserError: a file cannot be written.
    """
    output_dir = files.make_folder(output_dir)
    for name, people in estimates.predictions.items():
        people.write(output_dir / f"predictions_{name}.json")
    final = metrics[estimates.final]
    files.write_json(output_dir / "metrics.json", {**final, "poses": metrics, "settings": settings}, indent=2)


def contact_sheet(estimates, annotations, boxes, skeleton, hidden_score=results.DrawingStyle.hidden_score):
    """Ground truth, the base's peaks and the final poses side by side, for images spread evenly over the data set.

    Args:
      estimates: ``pose_estimator.Estimates`` of at least one person.
      annotations: ``PoseAnnotations`` of the images.
      boxes: ``PersonBoxes`` that the poses were estimated in; its labels, if any, say which joints are hidden.
      skeleton: the model's ``Skeleton``.
      hidden_score: see ``results.DrawingStyle``.

    Returns:
      RGB uint8 [h, w, 3].
    """
    names = list(dict.fromkeys([PEAK, estimates.final]))
    annotations = annotations.select(annotations.is_scoreable)
    shown = np.unique(boxes.image_index[estimates.rows[estimates.final]])
    shown = shown[np.linspace(0, len(shown) - 1, min(_SHEET_IMAGES, len(shown))).round().astype(int)]
    drawings, titles = [], []
    for row in shown:
        image = images.decode(tf.io.read_file(str(annotations.image_paths[row]))).numpy()
        truth = annotations.keypoints[annotations.image_index == row]
        drawings.append(drawing.draw_people(image, truth, annotations.skeleton, truth[..., 2] == OCCLUDED))
        drawings += [results.draw_pose(image, row, name, estimates, boxes, skeleton, hidden_score) for name in names]
        titles += ["ground truth", *map(results.title, names)]
    return drawing.contact_sheet(drawings, 2 * (1 + len(names)), titles, _SHEET_CELL)


def _check_skipped(estimates, num_images):
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
