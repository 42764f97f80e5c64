"""Average precision of predicted poses under each data set's rules. pycocotools does the matching.

| protocol    | joints          | area of the OKS      | keys beside the common ones                                |
|-------------|-----------------|----------------------|------------------------------------------------------------|
| coco        | 17              | the file's (segment) | AP_area_medium, AP_area_large                              |
| crowdpose   | 14              | 0.53 w h of the box  | AP_easy, AP_medium, AP_hard by crowdIndex, each also _valid |
| crowdpose12 | 12 (the paper's)| 0.53 w h of the box  | as crowdpose                                               |
| ochuman     | 17              | w h of the box       | AP_area_medium, AP_area_large                              |
| ocpose      | 12              | w h of the box       |                                                            |

Common keys: AP (mean over OKS thresholds 0.5:0.95), AP50, AP75, AP80, AP90, AR, and vis50 .. inv90 of
``occlusion.visibility_accuracy``. Crowd regions and people without labelled joints are ignored, as the published tools
do; in CrowdPose labelled joints are counted without head and neck. The 20 best poses of an image count.

AP_easy, AP_medium and AP_hard are the numbers the published CrowdPose tools print: the plain mean of the precision
table, rounded to 4 digits, which is -1 where a level has nobody to score. The keys ending in _valid are the mean over
valid entries, unrounded; they are absent for such a level. A key is absent too where the ground truth has none of what
it measures: no crowdIndex, no person of that size, no occluded joint.

The OCPose authors published no rules: COCO's are used, with the box's area since there are no segments.
"""

import contextlib
import copy
import dataclasses
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from opec_tf.common.errors import UserError
from opec_tf.evaluation import occlusion
from opec_tf.poses import skeletons
from opec_tf.poses.predictions import map_to
from opec_tf.poses.skeletons import UNLABELLED, Skeleton

_MAX_POSES = 20  # of an image, best scores first: COCO's and CrowdPose's rule
_CROWD_LEVELS = (("easy", -np.inf, 0.2), ("medium", 0.2, 0.8), ("hard", 0.8, np.inf))  # crowdIndex from .. to below
_AREA_LEVELS = {"AP_area_medium": 1, "AP_area_large": 2}  # positions in pycocotools' area ranges


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
    box_area_factor: "float | None" = None
    by_area: bool = False
    by_crowd_index: bool = False


PROTOCOLS = {
    "coco": Protocol(skeletons.COCO17, by_area=True),
    "crowdpose": Protocol(skeletons.CROWDPOSE14, box_area_factor=0.53, by_crowd_index=True),
    "crowdpose12": Protocol(skeletons.BODY12, box_area_factor=0.53, by_crowd_index=True),
    "ochuman": Protocol(skeletons.COCO17, box_area_factor=1.0, by_area=True),
    "ocpose": Protocol(skeletons.BODY12, box_area_factor=1.0),
}


def evaluate(annotations, predictions, protocol, name="predictions"):
    """Scores predicted poses.

    Ground truth and predictions are mapped to the protocol's joints by name; the joint set of the predictions follows
    from their number of joints (12, 14, 16 or 17). Joints that the ground truth does not know are not scored.

    Args:
      annotations: ``PoseAnnotations``; every image counts, also those without people or predictions.
      predictions: ``PosePredictions``.
      protocol: key of ``PROTOCOLS``.
      name: what the predictions are called in messages, e.g. their file.

    Returns:
      dict of floats, see the module's docstring.

    Raises:
      UserError: the predictions have too few joints or unknown images, or there is nobody to score.
    """
    rules = PROTOCOLS[protocol]
    annotations = _apply_rules(annotations, rules)
    predictions = _best_poses(_map_predictions(predictions, annotations, protocol, name))
    evaluator = _match(annotations, predictions, rules)
    metrics = _summarize(evaluator, rules)
    if rules.by_crowd_index:
        metrics.update(_by_crowd_index(evaluator, annotations))
    metrics.update(occlusion.visibility_accuracy(annotations, predictions, _sigmas(rules.skeleton)))
    return metrics


def evaluate_each(annotations, predictions, protocol):
    """Scores each of several poses of the same people: pose name -> ``PosePredictions`` to pose name -> metrics."""
    return {name: evaluate(annotations, people, protocol) for name, people in predictions.items()}


def evaluate_by_occlusion(annotations, predictions, people, protocol, name="predictions"):
    """Accuracy and swap rate by level of occlusion, of poses whose people are known.

    Args:
      annotations, predictions, protocol, name: as ``evaluate`` has them.
      people: int, the row of the annotated person that each prediction is of.

    Returns:
      dict of ``occlusion.accuracy_by_level``.
    """
    rules = PROTOCOLS[protocol]
    annotations = _apply_rules(annotations, rules)
    poses = np.full([*annotations.keypoints.shape[:2], 2], np.nan)
    poses[people] = _map_predictions(predictions, annotations, protocol, name).keypoints[..., :2]
    return occlusion.accuracy_by_level(annotations, poses, _sigmas(rules.skeleton))


def _sigmas(skeleton):
    """OKS sigmas to the last bit of the published tables, which divide two-digit numbers by 10."""
    return np.round(10.0 * skeleton.sigmas.astype(np.float64), 2) / 10.0


def _apply_rules(annotations, rules):
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


def _map_predictions(poses, annotations, protocol, name):
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


def _best_poses(predictions):
    """The best-scored poses of each image, in their order in the file; ties go to the earlier, as in pycocotools."""
    order = np.lexsort((-predictions.scores, predictions.image_ids))
    images = predictions.image_ids[order]
    rank = np.arange(len(order)) - np.searchsorted(images, images)
    return predictions.select(np.sort(order[rank < _MAX_POSES]))


def _match(annotations, predictions, rules):
    """A ``COCOeval`` that has matched poses to people in every image."""
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports progress by print
        evaluator = COCOeval(_truth_index(annotations), _prediction_index(annotations, predictions), "keypoints")
        evaluator.params.kpt_oks_sigmas = _sigmas(rules.skeleton)
        evaluator.params.maxDets = [_MAX_POSES]
        if not rules.by_area:
            del evaluator.params.areaRng[1:], evaluator.params.areaRngLbl[1:]
        evaluator.evaluate()
    return evaluator


def _truth_index(annotations):
    """The annotations as a pycocotools ``COCO``."""
    columns = zip(
        annotations.image_ids[annotations.image_index].tolist(),
        annotations.keypoints.reshape(annotations.num_people, -1),
        annotations.boxes.tolist(),
        annotations.areas.tolist(),
        annotations.num_keypoints.tolist(),
        annotations.is_crowd.tolist(),
    )
    return _index(
        annotations,
        [
            {
                "image_id": image_id,
                "keypoints": keypoints,
                "bbox": box,
                "area": area,
                "num_keypoints": count,
                "iscrowd": int(crowd),
            }
            for image_id, keypoints, box, area, count, crowd in columns
        ],
    )


def _prediction_index(annotations, predictions):
    """The predictions as a pycocotools ``COCO``; a pose's area is its box's, as loadRes has it for files with boxes."""
    areas = predictions.boxes[:, 2] * predictions.boxes[:, 3]
    columns = zip(
        predictions.image_ids.tolist(),
        predictions.keypoints.reshape(-1, 3 * predictions.num_joints),
        predictions.scores.tolist(),
        areas.tolist(),
    )
    return _index(
        annotations,
        [
            {"image_id": image_id, "keypoints": keypoints, "score": score, "area": area}
            for image_id, keypoints, score, area in columns
        ],
    )


def _index(annotations, people):
    """A ``COCO`` of people in the annotations' images. Ids count from 1: a match with id 0 is none to pycocotools."""
    for number, person in enumerate(people):
        person.update(id=number + 1, category_id=1)
    index = COCO()
    index.dataset = {
        "images": [{"id": image_id} for image_id in annotations.image_ids.tolist()],
        "categories": [{"id": 1}],
        "annotations": people,
    }
    index.createIndex()
    return index


def _accumulate(evaluator, image_ids):
    """Precision [T, R, K, A, M] and recall [T, K, A, M] tables over some of the images, from matches made before."""
    part = copy.copy(evaluator)
    part.params = copy.copy(evaluator.params)
    kept = np.isin(evaluator.params.imgIds, image_ids)
    part.params.imgIds = list(np.asarray(evaluator.params.imgIds)[kept])
    # accumulate() locates an image's matches by its place among the images that were evaluated.
    part._paramsEval = part.params
    part.evalImgs = [match for match, keep in zip(evaluator.evalImgs, np.tile(kept, len(part.params.areaRng))) if keep]
    with contextlib.redirect_stdout(io.StringIO()):
        part.accumulate()
    return part.eval["precision"], part.eval["recall"]


def _summarize(evaluator, rules):
    """The metrics over all images."""
    precision, recall = _accumulate(evaluator, evaluator.params.imgIds)
    metrics = {"AP": _valid_mean(precision[..., 0, :])}
    for percent in (50, 75, 80, 90):
        threshold = int(np.argmin(np.abs(evaluator.params.iouThrs - percent / 100)))
        metrics[f"AP{percent}"] = _valid_mean(precision[threshold, ..., 0, :])
    metrics["AR"] = _valid_mean(recall[..., 0, :])
    if rules.by_area:
        metrics.update({key: _valid_mean(precision[..., position, :]) for key, position in _AREA_LEVELS.items()})
    return {key: value for key, value in metrics.items() if value is not None}


def _by_crowd_index(evaluator, annotations):
    """AP of easy, medium and hard images, as the published CrowdPose tools print it and over valid entries."""
    if np.isnan(annotations.crowd_index).all():
        return {}
    metrics = {}
    for level, start, end in _CROWD_LEVELS:
        inside = (annotations.crowd_index >= start) & (annotations.crowd_index < end)
        precision, _ = _accumulate(evaluator, annotations.image_ids[inside])
        metrics[f"AP_{level}"] = round(float(np.mean(precision)), 4)
        valid = _valid_mean(precision)
        if valid is not None:
            metrics[f"AP_{level}_valid"] = valid
    return metrics


def _valid_mean(table):
    """Mean over the entries of a table that are not pycocotools' -1 for "nobody to score"; None without any."""
    valid = table[table > -1]
    return float(np.mean(valid)) if valid.size else None


def format_metrics(metrics):
    """Metrics as lines of text: a name and its percentage each; -1, the published tools' "nobody to score", as n/a."""
    width = max(map(len, metrics))
    values = {key: "n/a" if value < 0 else f"{100 * value:.2f}" for key, value in metrics.items()}
    return "\n".join(f"  {key:<{width}}  {value:>6}" for key, value in values.items())
