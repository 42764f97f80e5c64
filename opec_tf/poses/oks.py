"""Object keypoint similarity (OKS), in NumPy.

A joint at distance d from its label has similarity exp(-d^2 / (2 (2 sigma)^2 area)); a pose's OKS is the mean over the
labelled joints (cocodataset.org/#keypoints-eval, and pycocotools' computeOks).
"""

from __future__ import annotations

import numpy as np


def joint_oks(labels: np.ndarray, points: np.ndarray, areas: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Similarity of each joint to its label, 0..1.

    Args:
      labels: [..., K, 2], (x, y), pixels.
      points: [..., K, 2], (x, y), pixels; broadcasts with ``labels``.
      areas: [...], pixels^2, of the labelled people.
      sigmas: [K].

    Returns:
      float64 [..., K].
    """
    squared_distance = np.sum(np.square(np.asarray(points, np.float64) - labels), axis=-1)
    variances = np.square(2.0 * np.asarray(sigmas, np.float64))
    # The spacing keeps a box without area from dividing by zero, as pycocotools does.
    return np.exp(-squared_distance / variances / (np.asarray(areas, np.float64)[..., None] + np.spacing(1)) / 2.0)


def mean_oks(joint_similarities: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """A pose's OKS: [..., K] similarities and which joints are labelled -> [...]; 0 where none is."""
    labelled = np.broadcast_to(labelled, joint_similarities.shape)
    return np.sum(joint_similarities * labelled, axis=-1) / np.maximum(np.sum(labelled, axis=-1), 1)


def pairwise_oks(
    labels: np.ndarray, points: np.ndarray, areas: np.ndarray, sigmas: np.ndarray, labelled: np.ndarray | None = None
) -> np.ndarray:
    """OKS of every pose with every labelled person.

    Args:
      labels: [N, K, 2], (x, y), pixels.
      points: [M, K, 2], (x, y), pixels.
      areas: [N], pixels^2, of the labelled people.
      sigmas: [K].
      labelled: bool [N, K], joints that count; None: all.

    Returns:
      float64 [N, M].
    """
    labelled = np.ones(labels.shape[:2], bool) if labelled is None else labelled
    similarities = joint_oks(labels[:, None], points[None], np.asarray(areas)[:, None], sigmas)
    return mean_oks(similarities, labelled[:, None])
