"""How occluded a data set is: the paper's Table 1, CrowdPose's crowdIndex."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from opec_tf.poses.boxes import iou
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.skeletons import UNLABELLED

# Thresholds of Table 1.
IOU_THRESHOLDS = (0.3, 0.5, 0.75)
# crowdIndex from .. to below, as CrowdPose's tools have it.
CROWD_LEVELS = (("easy", -np.inf, 0.2), ("medium", 0.2, 0.8), ("hard", 0.8, np.inf))


def max_pair_iou(boxes: np.ndarray) -> float:
    """Largest IoU among the pairs of an image's person boxes: [N, 4] (x, y, w, h) -> float, 0 for fewer than two."""
    if len(boxes) < 2:
        return 0.0
    return float(np.triu(iou(boxes, boxes), k=1).max())


def image_ious(annotations: PoseAnnotations) -> np.ndarray:
    """``max_pair_iou`` of every image, over all its boxes, crowd regions too, as Table 1 counts them; float64 [M]."""
    return np.array([max_pair_iou(annotations.boxes[rows]) for rows in annotations.rows_by_image()])


def crowd_indices(annotations: PoseAnnotations) -> np.ndarray:
    """``crowd_index`` of every image by its labels, whatever its file says; float64 [M]."""
    return np.array(
        [
            crowd_index(annotations.boxes[rows], annotations.keypoints[rows], annotations.is_crowd[rows])
            for rows in annotations.rows_by_image()
        ]
    )


def table1_statistics(per_image_iou: Sequence[float] | np.ndarray) -> dict[str, float]:
    """A row of the paper's Table 1 from the images' maximum pair IoU.

    Args:
      per_image_iou: [M], from ``max_pair_iou``.

    Returns:
      ``images`` (M), ``mean_iou``, and shares of images above each threshold: ``iou30``, ``iou50``, ``iou75``.
    """
    ious = np.asarray(per_image_iou, np.float64)
    shares = {f"iou{round(100 * level)}": float(np.mean(ious > level)) for level in IOU_THRESHOLDS}
    return {"images": len(ious), "mean_iou": float(np.mean(ious)), **shares}


def crowd_index(boxes: np.ndarray, keypoints: np.ndarray, is_crowd: np.ndarray | None = None) -> float:
    """CrowdPose's crowdIndex of one image: how many of other people's joints lie in a person's box.

    The mean over people of N_b / N_a: N_a counts the person's own labelled joints, wherever they lie, N_b the labelled
    joints of others inside the person's box (Li et al., CrowdPose, CVPR 2019, eq. 1). Not capped at 1.

    Args:
      boxes: [N, 4], (x, y, w, h).
      keypoints: [N, K, 3], (x, y, v).
      is_crowd: bool [N], regions to leave out; None: none.

    Returns:
      The index; 0 where nobody has a labelled joint.
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
