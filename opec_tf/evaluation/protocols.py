"""Average precision of predicted poses under each data set's rules. pycocotools does the matching.

| protocol    | joints          | area of the OKS      | keys beside the common ones                                |
|-------------|-----------------|----------------------|------------------------------------------------------------|
| coco        | 17              | the file's (segment) | AP_area_medium, AP_area_large                              |
| crowdpose   | 14              | 0.53 w h of the box  | AP_easy, AP_medium, AP_hard by crowdIndex, each also _valid |
| crowdpose12 | 12 (the paper's)| 0.53 w h of the box  | as crowdpose                                               |
| ochuman     | 17              | w h of the box       | AP_area_medium, AP_area_large                              |
| ocpose      | 12              | w h of the box       |                                                            |

Common keys: AP (mean over OKS thresholds 0.5:0.95), AP50, AP75, AP80, AP90, AR, and vis50 .. inv90, inv75_self,
inv75_partner and inv75_thing of ``accuracy.visibility_accuracy``. Crowd regions and people without labelled joints are
ignored, as the published tools do; in CrowdPose labelled joints are counted without head and neck. The 20 best poses of
an image count.

AP and AR pair poses with people by OKS, whosever they are. vis50 .. inv90 compare each pose with the person of its box
where boxes are annotated. Elsewhere (a detector's boxes, files of other systems) these keys pair anew by OKS too, so
that two people with each other's pose count as right there; the two kinds of numbers do not compare.

AP_easy, AP_medium and AP_hard are the numbers the published CrowdPose tools print: the plain mean of the precision
table, rounded to 4 digits, which is -1 where a level has nobody to score. The keys ending in _valid are the mean over
valid entries, unrounded; they are absent for such a level. A key is absent too where the ground truth has none of what
it measures: no crowdIndex, no person of that size, no occluded joint.

The OCPose authors published no rules: COCO's are used, with the box's area since there are no segments.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import io
from collections.abc import Mapping

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from opec_tf.common.errors import UserError
from opec_tf.evaluation import accuracy
from opec_tf.evaluation.matching import KeypointEval
from opec_tf.evaluation.occlusion import CROWD_LEVELS
from opec_tf.poses import skeletons
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.predictions import PosePredictions, map_to
from opec_tf.poses.skeletons import UNLABELLED, Skeleton

_STATS = (
    "AP",
    "AP50",
    "AP75",
    "AP_area_medium",
    "AP_area_large",
    "AR",
)  # as pycocotools orders its summary
_KEYS = ("AP", "AP50", "AP75", "AP80", "AP90", "AR", "AP_area_medium", "AP_area_large")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """Scoring rules.

    Attributes:
      skeleton: the joints that are scored.
      box_area_factor: the OKS's area as a share of the box's; None: what the annotation file says.
      by_area: report AP of medium and large people.
      by_crowd_index: report AP of easy, medium and hard images.
    """

    skeleton: Skeleton
    box_area_factor: float | None = None
    by_area: bool = False
    by_crowd_index: bool = False

    @property
    def sigmas(self) -> np.ndarray:
        """OKS sigmas [K] to the last bit of the published tables, which divide two-digit numbers by 10."""
        return np.round(10.0 * self.skeleton.sigmas.astype(np.float64), 2) / 10.0


PROTOCOLS = {
    "coco": Protocol(skeletons.COCO17, by_area=True),
    "crowdpose": Protocol(skeletons.CROWDPOSE14, box_area_factor=0.53, by_crowd_index=True),
    "crowdpose12": Protocol(skeletons.BODY12, box_area_factor=0.53, by_crowd_index=True),
    "ochuman": Protocol(skeletons.COCO17, box_area_factor=1.0, by_area=True),
    "ocpose": Protocol(skeletons.BODY12, box_area_factor=1.0),
}


def evaluate(
    annotations: PoseAnnotations,
    predictions: PosePredictions,
    protocol: str,
    name: str = "predictions",
    people: np.ndarray | None = None,
) -> dict[str, float]:
    """Scores predicted poses.

    Ground truth and predictions are mapped to the protocol's joints by name; the joint set of the predictions follows
    from their number of joints (12, 14, 16 or 17). Joints that the ground truth does not know are not scored.

    Args:
      annotations: the ground truth; every image counts, also those without people or predictions.
      predictions: P poses.
      protocol: key of ``PROTOCOLS``.
      name: what the predictions are called in messages, e.g. their file.
      people: int [P], the row of the annotated person that each prediction is of, where that is known, of everybody
        once at most; None: vis50 .. inv90 pair poses with people anew (``accuracy.poses_by_assignment``).

    Returns:
      The metrics, see the module's docstring.

    Raises:
      UserError: the predictions have too few joints or unknown images, or there is nobody to score.
    """
    rules = PROTOCOLS[protocol]
    annotations = _apply_rules(annotations, rules)
    predictions = _map_predictions(predictions, annotations, protocol, name)
    evaluator = _match(annotations, predictions, rules)
    metrics = _summarize(evaluator)
    if rules.by_crowd_index:
        metrics.update(_by_crowd_index(evaluator, annotations))
    if people is None:
        best = predictions.select(_scored_rows(evaluator))
        poses = accuracy.poses_by_assignment(annotations, best, rules.sigmas)
    else:
        poses = accuracy.poses_of_people(annotations, predictions, people)
    return {**metrics, **accuracy.visibility_accuracy(annotations, poses, rules.sigmas)}


def evaluate_each(
    annotations: PoseAnnotations,
    predictions: Mapping[str, PosePredictions],
    protocol: str,
    people: Mapping[str, np.ndarray] | None = None,
) -> dict[str, dict[str, float]]:
    """Scores each of several poses of the same people: pose name -> metrics; see ``evaluate``.

    Args:
      annotations, protocol: as ``evaluate`` has them.
      predictions: pose name -> poses.
      people: pose name -> whose they are, where that is known.
    """
    return {
        name: evaluate(annotations, poses, protocol, people=None if people is None else people[name])
        for name, poses in predictions.items()
    }


def evaluate_by_occlusion(
    annotations: PoseAnnotations,
    predictions: PosePredictions,
    people: np.ndarray,
    protocol: str,
    name: str = "predictions",
) -> accuracy.Levels:
    """Accuracy and swap rate by level of occlusion, of poses whose people are known; arguments as for ``evaluate``.

    What it says of everybody's visible and hidden joints is what ``evaluate`` says with the same ``people``.
    """
    rules = PROTOCOLS[protocol]
    annotations = _apply_rules(annotations, rules)
    predictions = _map_predictions(predictions, annotations, protocol, name)
    poses = accuracy.poses_of_people(annotations, predictions, people)
    return accuracy.accuracy_by_level(annotations, poses, rules.sigmas)


def evaluate_draws(
    annotations: PoseAnnotations, predictions: PosePredictions, people: np.ndarray, protocol: str, draws: np.ndarray
) -> dict[str, np.ndarray]:
    """Scores poses whose people are known on the images of each of D draws; the other arguments as for ``evaluate``.

    Args:
      draws: int [D, M], rows of the annotations' images; a draw may have an image several times.

    Returns:
      AP, AR and, where the data has them, vis75, inv75, those of ``accuracy.HIDDEN_BY`` and swap: float64 [D] each.
    """
    rules = PROTOCOLS[protocol]
    annotations = _apply_rules(annotations, rules)
    predictions = _map_predictions(predictions, annotations, protocol, "predictions")
    evaluator = _match(annotations, predictions, rules)
    by_id = np.argsort(np.argsort(annotations.image_ids))  # pycocotools orders images by id
    stats = np.array([_accumulate(evaluator, by_id[draw]).stats for draw in draws])
    poses = accuracy.poses_of_people(annotations, predictions, people)
    counts = accuracy.counts_by_image(annotations, poses, rules.sigmas)
    shares = {name: count[draws].sum(axis=1) for name, count in counts.items() if count[:, 1].any()}
    return {
        **{name: stats[:, _STATS.index(name)] for name in ("AP", "AR")},
        **{name: part[:, 0] / np.maximum(part[:, 1], 1) for name, part in shares.items()},
    }


def format_metrics(metrics: Mapping[str, float]) -> str:
    """Metrics as lines of text: a name and its percentage each; -1, the published tools' "nobody to score", as n/a."""
    width = max(map(len, metrics))
    values = {key: "n/a" if value < 0 else f"{100 * value:.2f}" for key, value in metrics.items()}
    return "\n".join(f"  {key:<{width}}  {value:>6}" for key, value in values.items())


def _apply_rules(annotations: PoseAnnotations, rules: Protocol) -> PoseAnnotations:
    """The ground truth with the protocol's joints and areas."""
    annotations = annotations.with_skeleton(rules.skeleton)
    if not np.any((annotations.num_keypoints > 0) & ~annotations.is_crowd):
        raise UserError(
            "the ground truth has nobody to score: no person has a labelled joint; check that it is the right file"
        )
    if rules.box_area_factor is None:
        return annotations
    areas = annotations.boxes[:, 2] * annotations.boxes[:, 3] * rules.box_area_factor
    return dataclasses.replace(annotations, areas=areas)


def _map_predictions(poses: PosePredictions, annotations: PoseAnnotations, protocol: str, name: str) -> PosePredictions:
    """The predictions with the annotations' joints; every joint that is labelled anywhere must have been predicted."""
    mapped, predicted = map_to(poses, annotations, name)
    lacking = ~predicted & np.any(annotations.keypoints[..., 2] != UNLABELLED, axis=0)
    if lacking.any():
        joints = ", ".join(joint for joint, missing in zip(annotations.skeleton.joints, lacking) if missing)
        raise UserError(
            f"{name}: poses have {poses.num_joints} joints, but protocol {protocol} also needs {joints}; give poses of "
            f"{annotations.skeleton.num_joints} joints or choose another protocol"
        )
    return mapped


def _match(annotations: PoseAnnotations, predictions: PosePredictions, rules: Protocol) -> COCOeval:
    """A ``COCOeval`` that has matched poses to people in every image."""
    # Ids count from 1: a match with id 0 is none to pycocotools.
    numbered = dataclasses.replace(annotations, annotation_ids=np.arange(1, annotations.num_people + 1))
    truth = COCO()
    truth.dataset = numbered.to_coco()
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports progress by print
        truth.createIndex()
        # loadRes takes no empty list.
        found = truth.loadRes(predictions.to_coco()) if predictions.num_people else COCO()
        evaluator = KeypointEval(truth, found, "keypoints")
        evaluator.params.kpt_oks_sigmas = rules.sigmas
        if not rules.by_area:
            del evaluator.params.areaRng[1:], evaluator.params.areaRngLbl[1:]
        evaluator.evaluate()
    return evaluator


def _scored_rows(evaluator: COCOeval) -> np.ndarray:
    """The rows of the poses that count, in order: pycocotools keeps the 20 best of an image."""
    matches = evaluator.evalImgs[: len(evaluator.params.imgIds)]  # of the first range of areas: all
    # loadRes numbers poses from 1.
    rows = sorted(number - 1 for match in matches if match for number in match["dtIds"])
    return np.array(rows, np.int64)


def _accumulate(evaluator: COCOeval, images: np.ndarray) -> COCOeval:
    """The evaluator with tables over some images, int [M at most], rows in the order of their ids, from matches made
    before; an image may come several times."""
    part, count = copy.copy(evaluator), len(evaluator.params.imgIds)
    # accumulate() passes over images without matches; given other image ids it would take the first ones instead.
    left_out = [None] * (count - len(images))
    part.evalImgs = []
    for area in range(len(evaluator.params.areaRng)):
        part.evalImgs += [evaluator.evalImgs[area * count + image] for image in images] + left_out
    with contextlib.redirect_stdout(io.StringIO()):
        part.accumulate()
        part.summarize()
    return part


def _summarize(evaluator: COCOeval) -> dict[str, float]:
    """The metrics over all images, without those that pycocotools leaves at -1: nobody to score."""
    everything = _accumulate(evaluator, np.arange(len(evaluator.params.imgIds)))
    metrics = dict(zip(_STATS, everything.stats.tolist()))
    for percent in (80, 90):
        threshold = int(np.argmin(np.abs(evaluator.params.iouThrs - percent / 100)))
        metrics[f"AP{percent}"] = float(np.mean(everything.eval["precision"][threshold, ..., 0, :]))
    return {key: metrics[key] for key in _KEYS if metrics[key] >= 0}


def _by_crowd_index(evaluator: COCOeval, annotations: PoseAnnotations) -> dict[str, float]:
    """AP of easy, medium and hard images, as the published CrowdPose tools print it and over valid entries."""
    if np.isnan(annotations.crowd_index).all():
        return {}
    crowd_index = annotations.crowd_index[np.argsort(annotations.image_ids)]  # pycocotools orders images by id
    metrics = {}
    for level, start, end in CROWD_LEVELS:
        part = _accumulate(evaluator, np.flatnonzero((crowd_index >= start) & (crowd_index < end)))
        metrics[f"AP_{level}"] = round(float(np.mean(part.eval["precision"])), 4)
        if part.stats[0] >= 0:
            metrics[f"AP_{level}_valid"] = float(part.stats[0])
    return metrics
