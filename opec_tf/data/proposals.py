"""Which detected poses are trained on (paper section 5.1): more than 5 visible joints and an OKS above 0.3."""

from __future__ import annotations

import dataclasses
import logging
import os

import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.poses import boxes, oks
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.predictions import PosePredictions, map_to
from opec_tf.poses.skeletons import UNLABELLED


def select(
    annotations: PoseAnnotations,
    predictions: PosePredictions,
    *,
    min_visible_joints: int,
    min_oks: float,
    name: os.PathLike[str] | str = "proposals",
) -> PoseAnnotations:
    """Pairs each detected pose with the person it resembles most, and keeps the pairs good enough to learn from.

    The visible joints of the paper's rule are counted as labelled joints, v > 0: in CrowdPose v says that a joint is
    labelled (2 is rare: 3 joints a person), and the authors' release masks by v > 0 throughout.

    Args:
      predictions: in its images; joints are mapped by name.
      min_visible_joints: labelled joints, head and neck not counted, that a proposal's person must have.
      min_oks: a proposal's OKS with its person must exceed this; over the joints both know, with the person's area.
      name: what the predictions are called in messages, e.g. their file.

    Returns:
      One row a proposal: the proposal's box and pose, the person's labels and annotation id.
      A person may appear several times, or never.

    Raises:
      UserError: a prediction's image or number of joints is unknown, or no proposal is left.
    """
    predictions, predicted = map_to(predictions, annotations, name)
    size_of_image = dict(zip(annotations.image_ids.tolist(), annotations.image_sizes))
    sizes = np.array([size_of_image[image_id] for image_id in predictions.image_ids.tolist()]).reshape(-1, 2)
    boxes.check(name, predictions.boxes, sizes)
    person, similarity = _most_similar_people(annotations, predictions, predicted)
    kept = (similarity > min_oks) & (annotations.num_keypoints[person] >= min_visible_joints) & (person >= 0)
    if not kept.any():
        raise UserError(
            f"{name}: none of the {len(kept)} poses has {min_visible_joints} visible joints and an OKS above {min_oks} "
            "with a person; check the file, --min_visible_joints and --min_proposal_oks"
        )
    logging.getLogger(__name__).info("%s: %d of %d poses are training proposals", name, kept.sum(), len(kept))
    return dataclasses.replace(
        annotations.select(person[kept]),
        boxes=predictions.boxes[kept],
        given_poses=predictions.keypoints[kept],
    )


def _most_similar_people(
    annotations: PoseAnnotations, predictions: PosePredictions, predicted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each of P poses the row of the person of largest OKS in its image, -1 for none, and that OKS; both [P]."""
    person, similarity = np.full(predictions.num_people, -1), np.zeros(predictions.num_people)
    labelled = (annotations.keypoints[..., 2] != UNLABELLED) & predicted
    candidate = labelled.any(axis=1) & ~annotations.is_crowd
    for people, poses in zip(annotations.rows_by_image(), predictions.rows_by_image(annotations.image_ids)):
        people = people[candidate[people]]
        if len(people) and len(poses):
            table = oks.pairwise_oks(
                annotations.keypoints[people, :, :2],
                predictions.keypoints[poses, :, :2],
                annotations.areas[people],
                annotations.skeleton.sigmas,
                labelled[people],
            )
            person[poses], similarity[poses] = people[table.argmax(axis=0)], table.max(axis=0)
    return person, similarity
