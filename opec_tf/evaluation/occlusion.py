"""How occluded a data set is (the paper's Table 1, CrowdPose's crowdIndex); accuracy by visibility (its Table 5) and by
how much of a person is hidden; how often a pose is the partner's.
"""

import numpy as np
from scipy import optimize

from opec_tf.poses import oks
from opec_tf.poses.boxes import iou
from opec_tf.poses.skeletons import OCCLUDED, UNLABELLED, VISIBLE

# Thresholds of Table 1 on IoU, and of Table 5 on a joint's OKS.
IOU_THRESHOLDS = (0.3, 0.5, 0.75)
JOINT_OKS_THRESHOLDS = (0.5, 0.75, 0.9)

# Bins of ``accuracy_by_level``: each from one edge to below the next, the last one including its end. Those of the pair
# IoU are Table 1's thresholds.
LEVEL_EDGES = {"hidden_share": (0.0, 0.1, 0.25, 0.5, 1.0), "pair_iou": (0.0, *IOU_THRESHOLDS, 1.0)}
_LEVEL_THRESHOLD = 0.75


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
    joints = people.skeleton.has_visibility
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


def accuracy_by_level(annotations, poses, sigmas):
    """Accuracy and swap rate where every pose belongs to a known person, by two levels of occlusion.

    The levels are the share of a person's labelled joints that is hidden (``hidden_share``) and the box IoU with the
    partner (``pair_iou``). The partner is the person of the same image whose box has the largest IoU, above 0, with
    one's own; of people that have no labelled joint in common neither is the other's. A pose is swapped if its OKS with
    the partner exceeds that with its own person, both over the joints that are labelled for both, each with its own
    area. Average precision is not additive over parts of the data, so the bins have what is.

    Crowd regions and people without labelled joints are left out. A person without a pose has an OKS of 0 and counts
    neither as swapped nor as not. Head and neck count in a pose's OKS alone.

    Args:
      annotations: ``PoseAnnotations`` of N people, whose ``areas`` are those of the OKS.
      poses: [N, K, 2], (x, y), image pixels, row by row the annotated people's; NaN for a person without a pose.
      sigmas: [K].

    Returns:
      dict: ``all``, the measures of everybody, and for each key of ``LEVEL_EDGES`` a list of one dict a bin with
      ``from``, ``to`` and the same measures: ``people``, how many; ``oks``, their mean OKS; ``oks75``, the share of
      them with an OKS above 0.75; ``vis75`` and ``inv75``, the share of their visible and hidden joints whose own OKS
      is above 0.75; ``swap``, the share of swapped ones among those with a partner and a pose. A measure is absent
      where there is nothing to measure.
    """
    keep = (annotations.num_keypoints > 0) & ~annotations.is_crowd
    people, poses = annotations.select(keep), np.asarray(poses, np.float64)[keep]
    visibility = np.where(people.skeleton.has_visibility, people.keypoints[..., 2], UNLABELLED)
    partner, pair_iou = partners(people)
    has_pose = np.isfinite(poses).all(axis=(1, 2))
    similarities = np.zeros(people.keypoints.shape[:2])
    similarities[has_pose] = oks.joint_oks(
        people.keypoints[has_pose, :, :2], poses[has_pose], people.areas[has_pose], sigmas
    )
    person = {
        "visibility": visibility,
        "joint_oks": similarities,
        "oks": oks.mean_oks(similarities, people.keypoints[..., 2] != UNLABELLED),
        "comparable": has_pose & (partner >= 0),
        "swapped": _swapped(people, poses, partner, similarities, sigmas),
    }
    levels = {
        "hidden_share": np.sum(visibility == OCCLUDED, axis=1) / np.sum(visibility != UNLABELLED, axis=1),
        "pair_iou": pair_iou,
    }
    result = {"all": _measures(person, np.ones(len(poses), bool))}
    for name, edges in LEVEL_EDGES.items():
        # Levels are at most 1, the end of the last bin.
        bins = np.clip(np.searchsorted(edges, levels[name], side="right") - 1, 0, len(edges) - 2)
        result[name] = [
            {"from": low, "to": high, **_measures(person, bins == i)}
            for i, (low, high) in enumerate(zip(edges[:-1], edges[1:]))
        ]
    return result


def partners(people):
    """Each person's partner (see ``accuracy_by_level``): its row, int64 [N], -1 for none; their IoU, float64 [N]."""
    partner, pair_iou = np.full(people.num_people, -1), np.zeros(people.num_people)
    labelled = (people.keypoints[..., 2] != UNLABELLED).astype(np.int64)
    for rows in people.rows_by_image():
        if len(rows) > 1:
            overlaps = iou(people.boxes[rows], people.boxes[rows]) * (labelled[rows] @ labelled[rows].T > 0)
            np.fill_diagonal(overlaps, 0.0)
            pair_iou[rows] = overlaps.max(axis=1)
            partner[rows] = np.where(pair_iou[rows] > 0, rows[overlaps.argmax(axis=1)], -1)
    return partner, pair_iou


def _swapped(people, poses, partner, own, sigmas):
    """Whether a pose's OKS with the partner exceeds that with its own person (``own`` [N, K]); bool [N]."""
    labelled = people.keypoints[..., 2] != UNLABELLED
    common = labelled & labelled[partner]
    others = oks.joint_oks(people.keypoints[partner, :, :2], poses, people.areas[partner], sigmas)
    # A comparison with NaN, of a person without a pose, is False.
    return (partner >= 0) & (oks.mean_oks(others, common) > oks.mean_oks(own, common))


def _measures(person, chosen):
    """The measures of some people (bool [N]) from what ``accuracy_by_level`` knows of each person."""
    found = person["joint_oks"][chosen] > _LEVEL_THRESHOLD
    visibility, similarities = person["visibility"][chosen], person["oks"][chosen]
    values = {
        "oks": similarities,
        "oks75": similarities > _LEVEL_THRESHOLD,
        "vis75": found[visibility == VISIBLE],
        "inv75": found[visibility == OCCLUDED],
        "swap": person["swapped"][chosen & person["comparable"]],
    }
    measures = {name: float(np.mean(value)) for name, value in values.items() if value.size}
    return {"people": int(np.sum(chosen)), **measures}
