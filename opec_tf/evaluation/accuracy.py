"""Accuracy by visibility (the paper's Table 5) and by how much of a person is hidden; how often a pose is another's.

Poses are taken row by row: [N, K, 2], (x, y), image pixels, those of N annotated people, NaN for a person without a
pose. ``poses_of_people`` makes them where it is known whose pose each is, ``poses_by_assignment`` where it is not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from scipy import optimize

from opec_tf.evaluation.occlusion import IOU_THRESHOLDS
from opec_tf.poses import oks
from opec_tf.poses.boxes import iou
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.predictions import PosePredictions
from opec_tf.poses.skeletons import HIDERS, OCCLUDED, UNLABELLED, VISIBLE

# Thresholds of Table 5 on a joint's OKS.
JOINT_OKS_THRESHOLDS = (0.5, 0.75, 0.9)

# Bins of ``accuracy_by_level``: each from one edge to below the next, the last one including its end. Those of the pair
# IoU are Table 1's thresholds.
LEVEL_EDGES = {"hidden_share": (0.0, 0.1, 0.25, 0.5, 1.0), "pair_iou": (0.0, *IOU_THRESHOLDS, 1.0)}
_LEVEL_THRESHOLD = 0.75

# Shares of hidden joints found, by who hides them.
HIDDEN_BY = tuple(f"inv75_{hider}" for hider in HIDERS[1:])

# Whom a pose is compared with, as files of metrics say it: the person of its box, or who is assigned to it.
BY_BOX, BY_ASSIGNMENT = "box", "assignment"

Measures = dict[str, float]


class Levels(TypedDict):
    """What ``accuracy_by_level`` measures: of everybody, and of a list of bins for each level."""

    all: Measures
    hidden_share: list[Measures]
    pair_iou: list[Measures]


def poses_of_people(annotations: PoseAnnotations, predictions: PosePredictions, people: np.ndarray) -> np.ndarray:
    """The poses of N people, float64 [N, K, 2], of predictions whose people are known.

    Args:
      annotations: N people.
      predictions: P poses of the same joints.
      people: int [P], the row of the person each pose is of; everybody has one at most.
    """
    poses = np.full([*annotations.keypoints.shape[:2], 2], np.nan)
    poses[people] = predictions.keypoints[..., :2]
    return poses


def poses_by_assignment(annotations: PoseAnnotations, predictions: PosePredictions, sigmas: np.ndarray) -> np.ndarray:
    """The poses of N people, float64 [N, K, 2], of predictions of which nobody knows whose they are.

    In each image people and poses are paired so that the sum of their OKS is largest (Hungarian method). Two poses that
    lie on each other's person are thereby exchanged and count as right. Whom ``_is_counted`` leaves out gets none.
    """
    poses = np.full([*annotations.keypoints.shape[:2], 2], np.nan)
    counted, labelled = _is_counted(annotations), annotations.keypoints[..., 2] != UNLABELLED
    for rows, found in zip(annotations.rows_by_image(), predictions.rows_by_image(annotations.image_ids)):
        rows = rows[counted[rows]]
        points = predictions.keypoints[found, :, :2]
        similarities = oks.pairwise_oks(
            annotations.keypoints[rows, :, :2], points, annotations.areas[rows], sigmas, labelled[rows]
        )
        first, second = optimize.linear_sum_assignment(similarities, maximize=True)
        poses[rows[first]] = points[second]
    return poses


def visibility_accuracy(annotations: PoseAnnotations, poses: np.ndarray, sigmas: np.ndarray) -> dict[str, float]:
    """Share of visible and of occluded joints that are found: the paper's Table 5.

    A joint is found above a threshold if its own OKS with the pose of its person is. All joints of a person without a
    pose are missed. Crowd regions and people without labelled joints are left out; so are head and neck.

    Args:
      annotations: N people, whose ``areas`` are those of the OKS.
      poses: [N, K, 2], see the module's docstring.
      sigmas: [K].

    Returns:
      Fractions: ``vis50``, ``vis75``, ``vis90`` over visible joints and ``inv50``, ``inv75``, ``inv90`` over occluded
      ones; ``inv75_self``, ``inv75_partner``, ``inv75_thing`` over those of which it is known who hides them. Keys
      without a single such joint are absent.
    """
    people, poses = _counted(annotations, poses)
    similarities, visibility = _own_joint_oks(people, poses, sigmas), _judged_visibility(people)
    shares = _shares_found(similarities, visibility, JOINT_OKS_THRESHOLDS)
    for name, judged in _joints_by_hider(people, visibility).items():
        if judged.any():
            shares[name] = float(np.mean(similarities[judged] > _LEVEL_THRESHOLD))
    return shares


def accuracy_by_level(annotations: PoseAnnotations, poses: np.ndarray, sigmas: np.ndarray) -> Levels:
    """Accuracy and swap rate where every pose belongs to a known person, by two levels of occlusion.

    The levels are the share of a person's labelled joints that is hidden (``hidden_share``) and the box IoU with the
    partner (``pair_iou``). The partner is the person of the same image whose box has the largest IoU, above 0, with
    one's own; of people that have no labelled joint in common neither is the other's. A pose is swapped if its OKS with
    the partner exceeds that with its own person, both over the joints that are labelled for both, each with its own
    area. Average precision is not additive over parts of the data, so the bins have what is.

    Crowd regions and people without labelled joints are left out. A person without a pose has an OKS of 0 and counts
    neither as swapped nor as not. Head and neck count in a pose's OKS alone.

    Args:
      annotations: N people, whose ``areas`` are those of the OKS.
      poses: [N, K, 2], see the module's docstring.
      sigmas: [K].

    Returns:
      ``all``, the measures of everybody, and for each key of ``LEVEL_EDGES`` the bins, each with ``from``, ``to`` and
      the same measures: ``people``, how many; ``oks``, their mean OKS; ``oks75``, the share of them with an OKS above
      0.75; ``vis75`` and ``inv75``, those of ``visibility_accuracy``; ``swap``, the share of swapped ones among those
      with a partner and a pose. A measure is absent where there is nothing to measure.
    """
    people, poses = _counted(annotations, poses)
    partner, pair_iou = partners(people)
    scored = _scored(people, poses, partner, sigmas)
    visibility = scored.visibility
    hidden_share = np.sum(visibility == OCCLUDED, axis=1) / np.sum(visibility != UNLABELLED, axis=1)
    return {
        "all": scored.measures(np.ones(len(poses), bool)),
        "hidden_share": _by_bin(scored, hidden_share, LEVEL_EDGES["hidden_share"]),
        "pair_iou": _by_bin(scored, pair_iou, LEVEL_EDGES["pair_iou"]),
    }


def counts_by_image(annotations: PoseAnnotations, poses: np.ndarray, sigmas: np.ndarray) -> dict[str, np.ndarray]:
    """What the shares of ``accuracy_by_level`` are shares of, image by image, so that images can be drawn again.

    Returns:
      ``vis75``, ``inv75``, those of ``HIDDEN_BY`` and ``swap``, each int64 [M, 2], how many of how many, in the order
      of the annotations' images; summed over all images and divided they are the measures of everybody.
    """
    people, poses = _counted(annotations, poses)
    scored = _scored(people, poses, partners(people)[0], sigmas)
    found = scored.joint_oks > _LEVEL_THRESHOLD
    of_person = {"swap": (scored.swapped & scored.comparable, scored.comparable)}
    visible, hidden = scored.visibility == VISIBLE, scored.visibility == OCCLUDED
    joints = {"vis75": visible, "inv75": hidden, **_joints_by_hider(people, scored.visibility)}
    for name, judged in joints.items():
        of_person[name] = np.sum(found & judged, axis=1), np.sum(judged, axis=1)
    counts = {name: np.zeros((annotations.num_images, 2), np.int64) for name in of_person}
    for name, of_people in of_person.items():
        np.add.at(counts[name], people.image_index, np.stack(of_people, axis=1).astype(np.int64))
    return counts


def partners(people: PoseAnnotations) -> tuple[np.ndarray, np.ndarray]:
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


@dataclasses.dataclass(frozen=True)
class _ScoredPeople:
    """What ``accuracy_by_level`` knows of N people.

    Attributes:
      visibility: [N, K], from ``_judged_visibility``.
      joint_oks: [N, K], from ``_own_joint_oks``.
      oks: [N], of the whole pose.
      comparable: bool [N], who has a partner and a pose.
      swapped: bool [N].
    """

    visibility: np.ndarray
    joint_oks: np.ndarray
    oks: np.ndarray
    comparable: np.ndarray
    swapped: np.ndarray

    def measures(self, chosen: np.ndarray) -> Measures:
        """The measures of some people, bool [N]."""
        measures: Measures = {"people": int(np.sum(chosen))}
        if chosen.any():
            similarities = self.oks[chosen]
            measures["oks"] = float(np.mean(similarities))
            measures["oks75"] = float(np.mean(similarities > _LEVEL_THRESHOLD))
        measures.update(_shares_found(self.joint_oks[chosen], self.visibility[chosen], (_LEVEL_THRESHOLD,)))
        swapped = self.swapped[chosen & self.comparable]
        return {**measures, "swap": float(np.mean(swapped))} if swapped.size else measures


def _scored(people: PoseAnnotations, poses: np.ndarray, partner: np.ndarray, sigmas: np.ndarray) -> _ScoredPeople:
    similarities = _own_joint_oks(people, poses, sigmas)
    return _ScoredPeople(
        visibility=_judged_visibility(people),
        joint_oks=similarities,
        oks=oks.mean_oks(similarities, people.keypoints[..., 2] != UNLABELLED),
        comparable=_has_pose(poses) & (partner >= 0),
        swapped=_swapped(people, poses, partner, similarities, sigmas),
    )


def _by_bin(scored: _ScoredPeople, level: np.ndarray, edges: Sequence[float]) -> list[Measures]:
    """The measures of the people of each bin of a level, [N]."""
    # Levels are at most 1, the end of the last bin.
    bins = np.clip(np.searchsorted(edges, level, side="right") - 1, 0, len(edges) - 2)
    return [
        {"from": low, "to": high, **scored.measures(bins == i)} for i, (low, high) in enumerate(zip(edges, edges[1:]))
    ]


def _is_counted(annotations: PoseAnnotations) -> np.ndarray:
    """Who is scored: people with a labelled joint, no crowd regions; bool [N]."""
    return (annotations.num_keypoints > 0) & ~annotations.is_crowd


def _counted(annotations: PoseAnnotations, poses: np.ndarray) -> tuple[PoseAnnotations, np.ndarray]:
    """The people who are scored, and their poses."""
    counted = _is_counted(annotations)
    return annotations.select(counted), np.asarray(poses, np.float64)[counted]


def _has_pose(poses: np.ndarray) -> np.ndarray:
    """[N, K, 2] -> bool [N]."""
    return np.isfinite(poses).all(axis=(1, 2))


def _own_joint_oks(people: PoseAnnotations, poses: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """OKS of each person's joints with those of its pose, 0 without one; float64 [N, K]."""
    similarities = oks.joint_oks(people.keypoints[..., :2], poses, people.areas, sigmas)
    return np.where(_has_pose(poses)[:, None], similarities, 0.0)


def _judged_visibility(people: PoseAnnotations) -> np.ndarray:
    """The labels' v, UNLABELLED for head and neck, of which no data set tells it; [N, K]."""
    return np.where(people.skeleton.has_visibility, people.keypoints[..., 2], UNLABELLED)


def _joints_by_hider(people: PoseAnnotations, visibility: np.ndarray) -> dict[str, np.ndarray]:
    """The hidden joints of each of ``HIDDEN_BY``, bool [N, K]; ``visibility`` [N, K] from ``_judged_visibility``."""
    return {name: (visibility == OCCLUDED) & (people.hidden_by == code) for code, name in enumerate(HIDDEN_BY, start=1)}


def _shares_found(joint_oks: np.ndarray, visibility: np.ndarray, thresholds: Sequence[float]) -> dict[str, float]:
    """Shares of the visible (``vis75``) and hidden joints (``inv75``) above each threshold, where there are any."""
    shares = {}
    for prefix, kind in (("vis", VISIBLE), ("inv", OCCLUDED)):
        found = joint_oks[visibility == kind]
        if found.size:
            shares.update({f"{prefix}{round(100 * level)}": float(np.mean(found > level)) for level in thresholds})
    return shares


def _swapped(
    people: PoseAnnotations, poses: np.ndarray, partner: np.ndarray, own: np.ndarray, sigmas: np.ndarray
) -> np.ndarray:
    """Whether a pose's OKS with the partner exceeds that with its own person (``own`` [N, K]); bool [N]."""
    labelled = people.keypoints[..., 2] != UNLABELLED
    common = labelled & labelled[partner]
    others = oks.joint_oks(people.keypoints[partner, :, :2], poses, people.areas[partner], sigmas)
    # A comparison with NaN, of a person without a pose, is False.
    return (partner >= 0) & (oks.mean_oks(others, common) > oks.mean_oks(own, common))
