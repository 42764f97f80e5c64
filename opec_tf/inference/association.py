"""Whose joint is it: the assignment of an image's joint candidates to its people (CrowdPose's, Li et al., CVPR 2019).

Each person's heatmaps have peaks at the joints of everybody in the crop. Alone, each person takes its highest peak, and
two may take the same joint. Here the candidates of all people that lie at one place are one joint, which goes to one
person: for each kind of joint the assignment of people to joints with the largest sum of scores.

Two things differ from the description. A winner keeps its own peak and does not move to the mean of its rivals', which
see the joint from less fitting crops. A person who gets no joint keeps its highest peak, since a pose has all its
joints, at half its score, since the place is somebody else's.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

# Peaks of each heatmap that there is a choice of, and the ``radius`` of ``associate``.
CANDIDATES, RADIUS = 4, 1.0
# Joints of a lower score are no reason to take a joint from anybody.
_LOWEST_SCORE = 0.05
_SHARE_OF_LOSERS = 0.5


def associate(
    candidates: np.ndarray, person_scores: np.ndarray, areas: np.ndarray, sigmas: np.ndarray, radius: float
) -> np.ndarray:
    """Gives every person of one image a candidate of each joint.

    Args:
      candidates: [P, K, M, 3], (x, y, score), image pixels, each person's best first, score 0 where there is none.
      person_scores: [P].
      areas: [P], pixels^2, of the people's boxes.
      sigmas: [K], OKS sigmas.
      radius: candidates of different people are one joint where they lie nearer than this times sigma sqrt(area), with
        the smaller person's area. 1 is an OKS of 0.88. The published 0.1 sigma stands for this if sigma is counted as
        in the tools, 0.79 for a shoulder; 0.1 x 0.079 would be less than a heatmap's cell.

    Returns:
      float64 [P, K, 3], the chosen candidates; of who gets none the first, at half its score.
    """
    candidates = np.asarray(candidates, np.float64)
    people, joints = candidates.shape[:2]
    weights = np.asarray(person_scores)[:, None, None] * candidates[..., 2]
    weights = np.where(candidates[..., 2] < _LOWEST_SCORE, 0.0, weights)
    limits = radius * np.sqrt(np.asarray(areas, np.float64))[:, None] * np.asarray(sigmas, np.float64)
    limits = np.minimum(limits[:, None], limits[None])
    chosen = np.full([people, joints], -1)
    for k in range(joints):
        node = _group(candidates[:, k, :, :2], weights[:, k], limits[..., k])
        chosen[:, k] = _assign(node, weights[:, k])
    result = np.take_along_axis(candidates, np.maximum(chosen, 0)[..., None, None], axis=2)[:, :, 0]
    result[..., 2] *= np.where((chosen < 0) & (weights[..., 0] > 0.0), _SHARE_OF_LOSERS, 1.0)
    return result


def associate_images(
    candidates: np.ndarray,
    person_scores: np.ndarray,
    areas: np.ndarray,
    image_ids: np.ndarray,
    sigmas: np.ndarray,
    radius: float,
) -> np.ndarray:
    """``associate`` for the people of several images: [N, K, M, 3], [N], [N], [N] -> float64 [N, K, 3]."""
    result = np.array(candidates[:, :, 0], np.float64)
    order = np.argsort(image_ids, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(image_ids[order])) + 1):
        if len(rows) > 1:
            result[rows] = associate(candidates[rows], person_scores[rows], areas[rows], sigmas, radius)
    return result


def _group(points: np.ndarray, weights: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Puts candidates of one kind of joint that lie together into one node, around the strongest of them.

    Args:
      points: [P, M, 2].
      weights: [P, M]; a candidate of weight 0 belongs to no node.
      limits: [P, P], how far apart candidates of two people in a node may lie.

    Returns:
      int [P, M], a candidate's node, counted from 0; -1 for none. A node has one candidate of a person at most.
    """
    count = points.shape[1]
    node = np.full(weights.shape, -1)
    founders: list[tuple[int, int]] = []
    for candidate in np.argsort(-weights, axis=None, kind="stable"):
        p, m = divmod(candidate, count)
        if weights[p, m] <= 0.0:
            break
        for n, (q, founder) in enumerate(founders):
            near = np.linalg.norm(points[p, m] - points[q, founder]) <= limits[p, q]
            if near and n not in node[p]:
                node[p, m] = n
                break
        else:
            node[p, m] = len(founders)
            founders.append((p, m))
    return node


def _assign(node: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Nodes and weights [P, M] of the candidates -> int [P], the candidate that each person gets, or -1."""
    people, number = np.nonzero(node >= 0)
    table = np.zeros([len(node), node.max(initial=-1) + 1])
    table[people, node[people, number]] = weights[people, number]
    chosen = np.full(len(node), -1)
    for p, n in zip(*linear_sum_assignment(table, maximize=True)):
        if table[p, n] > 0.0:
            chosen[p] = np.flatnonzero(node[p] == n)[0]
    return chosen
