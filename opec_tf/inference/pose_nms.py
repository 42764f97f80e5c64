"""Several detected poses of one person become one: by OKS, or by the parametric pose distance of RMPE.

Parametric pose NMS (Fang et al., RMPE, ICCV 2017, section 3.3) sums over the joints of two poses i and j

    tanh(c_i / delta1) tanh(c_j / delta1) where they lie within the reach of each other, else 0,
    and mu exp(-distance / delta2);

a pose whose sum with a better one exceeds gamma is the same person. The four numbers are the defaults of AlphaPose's
public code, for 17 joints; gamma is scaled to the number of joints. The reach is a tenth of the longer side of the
better person's box, as in the paper, and the unit of distance, so that the rule does not depend on the size of the
picture: AlphaPose's code counts pixels. Its second rule, that five joints within 7 pixels are enough, is left out: two
people of a crowd may share as many.
"""

from __future__ import annotations

import numpy as np

from opec_tf.config import InferenceConfig
from opec_tf.poses import oks

_DELTA1, _MU, _DELTA2, _GAMMA, _GAMMA_JOINTS = 1.0, 1.7, 2.65, 22.48, 17
_REACH = 0.1


def suppress_duplicates(
    keypoints: np.ndarray,
    scores: np.ndarray,
    boxes: np.ndarray,
    image_ids: np.ndarray,
    candidates: np.ndarray,
    *,
    sigmas: np.ndarray,
    config: InferenceConfig,
) -> tuple[np.ndarray, np.ndarray]:
    """Of the poses of an image that are one person's, keeps the best (greedy, best score first).

    Args:
      keypoints: [N, K, 3], (x, y, score), image pixels and 0..1.
      scores: [N] people's scores.
      boxes: [N, 4], (x, y, w, h), of which the better person's is the scale.
      image_ids: [N].
      candidates: int [C], rows to consider.
      sigmas: [K], of OKS.
      config: pose_nms, the rule, and nms_oks.

    Returns:
      The rows that remain, int64 [C'], ascending; and keypoints [N, K, 3]: under "parametric" those of the rows that
      remain are merged with those they stand for.
    """
    keeper = np.full(len(keypoints), -1)
    order = candidates[np.argsort(image_ids[candidates], kind="stable")]
    for rows in np.split(order, np.flatnonzero(np.diff(image_ids[order])) + 1):
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        if config.pose_nms == "parametric":
            same = parametric_similarity(keypoints[rows], boxes[rows]) > 1.0
        else:
            points, areas = keypoints[rows, :, :2], boxes[rows, 2] * boxes[rows, 3]
            same = oks.pairwise_oks(points, points, areas, sigmas) > config.nms_oks
        np.fill_diagonal(same, True)
        for row, alike in zip(rows, same):
            if keeper[row] < 0:
                keeper[rows[alike & (keeper[rows] < 0)]] = row
    kept = np.flatnonzero(keeper == np.arange(len(keeper)))
    return kept, _merge(keypoints, boxes, keeper) if config.pose_nms == "parametric" else keypoints


def parametric_similarity(keypoints: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """RMPE's similarity of the poses of an image as a multiple of the gamma above which two are one.

    Args:
      keypoints: [P, K, 3], (x, y, score), image pixels and 0..1.
      boxes: [P, 4], (x, y, w, h); row i of the result is on the scale of box i.

    Returns:
      float64 [P, P].
    """
    points, confidence = keypoints[..., :2], np.tanh(keypoints[..., 2] / _DELTA1)
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1) / _reach(boxes)[:, None, None]
    alike = np.where(distances <= 1.0, confidence[:, None] * confidence[None], 0.0)
    total = np.sum(alike + _MU * np.exp(-distances / _DELTA2), axis=-1)
    return total / (_GAMMA * keypoints.shape[1] / _GAMMA_JOINTS)


def _merge(keypoints: np.ndarray, boxes: np.ndarray, keeper: np.ndarray) -> np.ndarray:
    """Moves the poses that are kept towards those they stand for, as AlphaPose does: joint by joint the mean of those
    within the reach of the keeper's, weighted by score. keeper: int [N], the row that stands for each row, or -1."""
    merged = keypoints.copy()
    dropped = (keeper >= 0) & (keeper != np.arange(len(keeper)))
    for row in np.unique(keeper[dropped]):
        members = keypoints[keeper == row]
        near = np.linalg.norm(members[..., :2] - keypoints[row, :, :2], axis=-1) <= _reach(boxes[row])
        # The keeper is near itself; a joint that nobody is sure of needs a weight all the same.
        weights = np.where(near, np.maximum(members[..., 2], 1e-5), 0.0)[..., None]
        merged[row] = np.sum(weights * members, axis=0) / np.sum(weights, axis=0)
    return merged


def _reach(boxes: np.ndarray) -> np.ndarray:
    """[..., 4] -> [...], pixels."""
    return _REACH * np.max(boxes[..., 2:], axis=-1)
