"""What a network found, put together: ``Estimates``, the poses of all people of some images."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from opec_tf.config import InferenceConfig
from opec_tf.inference import association, pose_nms
from opec_tf.inference.forward import PEAK
from opec_tf.inference.person_boxes import PersonBoxes
from opec_tf.poses.predictions import PosePredictions
from opec_tf.poses.skeletons import Skeleton

# The base's candidates, assigned to all people of an image at once, where ``InferenceConfig.association`` asks for it.
ASSOCIATION = "association"


@dataclasses.dataclass(frozen=True)
class Estimates:
    """Poses of people in images.

    Attributes:
      predictions: pose name -> predictions, in the order in which the network makes them: "peak" (the base's
        decoded heatmap peak), "initial" or, where it was given, "given", "pose_1", "pose_2", "pose_3", "couple_1",
        "couple_2", "couple_3"; of a base alone only "peak", of an OPEC-Net those before the couple's. All share the
        joint scores, so that they differ in geometry alone. After "peak" comes, if asked for, "association", which has
        its candidates' scores.
      rows: pose name -> int64 [N], the row of the given boxes that each prediction belongs to.
      skipped: paths of the images that could not be read.
      visibility: float32 [N, K, 3], probabilities of skeletons.VISIBILITY_CLASSES for all given boxes, zeros for those
        that could not be estimated; None of a model that says nothing of visibility. All poses of a person share it.
      track_ids: int64 [N], of all given boxes, who is who from frame to frame; 0 of those that are not in the final
        pose; None where nobody is followed.
    """

    predictions: dict[str, PosePredictions]
    rows: dict[str, np.ndarray]
    skipped: list[str]
    visibility: np.ndarray | None = None
    track_ids: np.ndarray | None = None

    @property
    def final(self) -> str:
        """Name of the last, most refined pose."""
        return list(self.predictions)[-1]


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """What the network says of N people, P poses of K joints each; zeros for those it was not shown.

    Attributes:
      points: float32 [N, P, K, 2], image pixels.
      scores: float32 [N, K], of the joints.
      visibility: float32 [N, K, 3], or [N, K, 0] where the network says nothing of it.
      candidates: float32 [N, K, M, 3], (x, y, score); M is 0 where association is not asked for.
      done: bool [N], who was shown.
    """

    points: np.ndarray
    scores: np.ndarray
    visibility: np.ndarray
    candidates: np.ndarray
    done: np.ndarray


def assemble(
    found: Found,
    pose_names: Sequence[str],
    image_ids: np.ndarray,
    people: PersonBoxes,
    skipped: list[str],
    skeleton: Skeleton,
    config: InferenceConfig,
) -> Estimates:
    """``Estimates`` of what the network found.

    Scores of boxes are a detector's: they multiply the people's scores, and of two people of an image that are one
    (``InferenceConfig.pose_nms``) only the better remains. Of people with poses they are their scores as they are, and
    everybody remains: the system that the poses come from has chosen already.

    Args:
      found, pose_names: of N people, P poses with their names.
      image_ids, people: int64 [N], the images, and the boxes that they were looked for in.
      skipped: paths of the images that could not be read.
      skeleton, config: the model's joints, and how it is run.
    """
    detected = people.scores is not None and people.poses is None
    box_scores = np.asarray(people.scores if detected else np.ones(len(people)), np.float32)
    person_scores = found.scores.mean(axis=1) * box_scores
    predictions, rows = {}, {}
    for p, name in enumerate(pose_names):
        keypoints = np.concatenate([found.points[:, p], found.scores[..., None]], axis=-1)
        keep = np.flatnonzero(found.done)
        if detected:
            columns = keypoints, person_scores, people.boxes, image_ids, keep
            keep, keypoints = pose_nms.suppress_duplicates(*columns, sigmas=skeleton.sigmas, config=config)
        predictions[name] = PosePredictions(image_ids[keep], keypoints[keep], person_scores[keep], people.boxes[keep])
        rows[name] = keep
        if name == PEAK and config.association:
            # Two boxes of one person would fight for its joints, so the duplicates have gone before.
            peaks = predictions[PEAK]
            predictions[ASSOCIATION] = _associate(found.candidates[keep], peaks, box_scores[keep], skeleton)
            rows[ASSOCIATION] = keep
    estimates = Estimates(predictions, rows, skipped, found.visibility if found.visibility.shape[-1] else None)
    return _with_scores(estimates, people.scores) if people.poses is not None else estimates


def _with_scores(estimates: Estimates, scores: np.ndarray | None) -> Estimates:
    """The estimates with these people's scores, [N] by row of the boxes, where there are any."""
    if scores is None:
        return estimates
    scored = {
        name: dataclasses.replace(people, scores=scores[estimates.rows[name]])
        for name, people in estimates.predictions.items()
    }
    return dataclasses.replace(estimates, predictions=scored)


def _associate(
    candidates: np.ndarray,
    peaks: PosePredictions,
    box_scores: np.ndarray,
    skeleton: Skeleton,
) -> PosePredictions:
    """The candidates [N, K, M, 3] of the people of ``peaks`` assigned to them."""
    # The first is the peak as pose NMS left it.
    candidates = np.concatenate([peaks.keypoints[:, :, None], candidates[:, :, 1:]], axis=2)
    areas, sigmas = peaks.boxes[:, 2] * peaks.boxes[:, 3], skeleton.sigmas
    keypoints = association.associate_images(
        candidates, peaks.scores, areas, peaks.image_ids, sigmas, association.RADIUS
    )
    return dataclasses.replace(peaks, keypoints=keypoints, scores=keypoints[..., 2].mean(axis=1) * box_scores)
