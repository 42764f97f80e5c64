"""How occluded a data set is (the paper's Table 1, CrowdPose's crowdIndex); accuracy by visibility (its Table 5)."""

import numpy as np
from scipy import optimize

from opec_tf.boxes import iou
from opec_tf.evaluation import oks
from opec_tf.skeletons import OCCLUDED, UNLABELLED, VISIBLE

# Thresholds of Table 1 on IoU, and of Table 5 on a joint's OKS.
IOU_THRESHOLDS = (0.3, 0.5, 0.75)
JOINT_OKS_THRESHOLDS = (0.5, 0.75, 0.9)

# CrowdPose labels the visibility of these as 1 always, so they say nothing about occlusion.
_WITHOUT_VISIBILITY = ("head", "neck")


def max_pair_iou(boxes):
    """Largest IoU among the pairs of an image's person boxes: [N, 4] (x, y, w, h) -> float, 0 for fewer than two."""
    if len(boxes) < 2:
        return 0.0
    return float(np.triu(iou(boxes, boxes), k=1).max())


def image_ious(annotations):
    """``max_pair_iou`` of every image of ``PoseAnnotations``, over all its boxes; float64 [M]."""
    return np.array([max_pair_iou(annotations.boxes[rows]) for rows in annotations.rows_by_image()])


def table1_statistics(per_image_iou):
    """A row of the paper's Table 1 from the images' maximum pair IoU.

    Args:
      per_image_iou: [M], from ``max_pair_iou``.

    Returns:
      dict: ``images`` (M), ``mean_iou``, and shares of images above each threshold: ``iou30``, ``iou50``, ``iou75``.
    """
    per_image_iou = np.asarray(per_image_iou, np.float64)
    shares = {f"iou{round(100 * level)}": float(np.mean(per_image_iou > level)) for level in IOU_THRESHOLDS}
    return {"images": len(per_image_iou), "mean_iou": float(np.mean(per_image_iou)), **shares}


def crowd_index(boxes, keypoints, is_crowd=None):
    """CrowdPose's crowdIndex of one image: how many of other people's joints lie in a person's box.

    The mean over people of N_b / N_a: N_a counts the person's own labelled joints, wherever they lie, N_b the labelled
    joints of others inside the person's box (Li et al., CrowdPose, CVPR 2019, eq. 1). Not capped at 1.

    Args:
      boxes: [N, 4], (x, y, w, h).
      keypoints: [N, K, 3], (x, y, v).
      is_crowd: bool [N], regions to leave out; None: none.

    Returns:
      float; 0 where nobody has a labelled joint.
    """
    keypoints = np.asarray(keypoints, np.float64)
    people = np.ones(len(keypoints), bool) if is_crowd is None else ~np.asarray(is_crowd, bool)
    labelled = (keypoints[..., 2] != UNLABELLED) & people[:, None]
    own = labelled.sum(axis=1)
    low, extent = np.split(np.asarray(boxes, np.float64)[:, None, None], 2, axis=-1)
    inside = np.all(
        (keypoints[None, ..., :2] >= low) & (keypoints[None, ..., :2] <= low + extent), axis=-1
    )  # [box, N, K]
    others = (inside & labelled[None]).sum(axis=2)
    np.fill_diagonal(others, 0)
    counted = own > 0
    return float(np.mean(others[counted].sum(axis=1) / own[counted])) if counted.any() else 0.0


def visibility_accuracy(annotations, predictions, sigmas):
    """Share of visible and of occluded joints that are found: the paper's Table 5.

    In each image people and poses are paired so that the sum of their OKS is largest (Hungarian method); a joint is
    found above a threshold if its own OKS is. All joints of a person without a pose are missed. Crowd regions and
    people without labelled joints are left out; so are head and neck, except from the pairing.

    Args:
      annotations: ``PoseAnnotations`` whose ``areas`` are those of the OKS.
      predictions: ``PosePredictions`` of the same joints.
      sigmas: [K].

    Returns:
      dict of fractions: ``vis50``, ``vis75``, ``vis90`` over visible joints and ``inv50``, ``inv75``, ``inv90`` over
      occluded ones. Keys without a single such joint are absent.
    """
    people = annotations.select((annotations.num_keypoints > 0) & ~annotations.is_crowd)
    similarities = _paired_joint_oks(people, predictions, sigmas)
    joints = np.array([joint not in _WITHOUT_VISIBILITY for joint in people.skeleton.joints])
    shares = {}
    for prefix, visibility in (("vis", VISIBLE), ("inv", OCCLUDED)):
        found = similarities[(people.keypoints[..., 2] == visibility) & joints]
        if found.size:
            for threshold in JOINT_OKS_THRESHOLDS:
                shares[f"{prefix}{round(100 * threshold)}"] = float(np.mean(found > threshold))
    return shares


def _paired_joint_oks(people, predictions, sigmas):
    """OKS of each person's joints with those of its pose, 0 without one; float64 [N, K]."""
    similarities = np.zeros(people.keypoints.shape[:2])
    labelled = people.keypoints[..., 2] != UNLABELLED
    for rows, candidates in zip(people.rows_by_image(), predictions.rows_by_image(people.image_ids)):
        if len(rows) and len(candidates):
            pairs = oks.joint_oks(
                people.keypoints[rows, None, :, :2],
                predictions.keypoints[None, candidates, :, :2],
                people.areas[rows, None],
                sigmas,
            )
            first, second = optimize.linear_sum_assignment(oks.mean_oks(pairs, labelled[rows, None]), maximize=True)
            similarities[rows[first]] = pairs[first, second]
    return similarities
