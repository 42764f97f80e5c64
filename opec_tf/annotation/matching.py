"""Who is who in several annotations of one picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from opec_tf.poses import oks, predictions
from opec_tf.poses.skeletons import UNLABELLED, Skeleton

# Below this two people are not the same; with left and right exchanged a match must be so much better to be preferred.
_LEAST_OKS, _EXCHANGED = 0.15, 0.9
_LEAST_JOINTS = 3  # of a person whose box says how large it is, where there are such
# Left and right are exchanged where a pair of joints fits twice as well so; the pair must be apart by so much of the
# person's size, else it says nothing.
_TWICE, _LEAST_APART = 2.0, 0.05
_THINNEST = 0.3  # of a box's longer side, which the shorter one counts as at least for the OKS's area


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
    """One person by A annotators: names [A], keypoints [A, K, 3], the size and the area of the OKS."""

    names: list[str]
    keypoints: np.ndarray
    size: float
    area: float


def match(people: dict[str, np.ndarray], skeleton: Skeleton) -> list[Group]:
    """Who is who: each annotator's people are assigned, best first as a whole, to those of the others before."""
    order = sorted(people, key=lambda name: -len(people[name]))
    groups: list[dict[str, np.ndarray]] = []
    for name in order:
        similarities = np.zeros((len(groups), len(people[name])))
        for row, group in enumerate(groups):
            for column, person in enumerate(people[name]):
                similarities[row, column] = np.mean([_similarity(other, person, skeleton) for other in group.values()])
        rows, columns = linear_sum_assignment(similarities, maximize=True)
        taken = {int(column): int(row) for row, column in zip(rows, columns) if similarities[row, column] >= _LEAST_OKS}
        for column, person in enumerate(people[name]):
            if column in taken:
                groups[taken[column]][name] = person
            else:
                groups.append({name: person})
    return [_group(group, list(people)) for group in groups]


def _group(members: dict[str, np.ndarray], order: Sequence[str]) -> Group:
    names = [name for name in order if name in members]
    keypoints = np.stack([members[name] for name in names])
    return Group(names, keypoints, *_size(keypoints))


def _size(keypoints: np.ndarray) -> tuple[float, float]:
    """The size, pixels, and area, pixels^2, of a person by [A, K, 3]; of the annotators' the median, or next below."""
    enough = np.sum(keypoints[..., 2] != UNLABELLED, axis=1) >= _LEAST_JOINTS
    boxes = predictions.joint_boxes(keypoints[enough] if enough.any() else keypoints, scored_only=True)
    sides = np.sort(boxes[:, 2:], axis=1)
    longer = np.maximum(sides[:, 1], 1.0)
    areas = longer * np.maximum(sides[:, 0], _THINNEST * longer)
    middle = (len(longer) - 1) // 2
    return float(np.sort(longer)[middle]), float(np.sort(areas)[middle])


def _similarity(first: np.ndarray, second: np.ndarray, skeleton: Skeleton) -> float:
    """OKS of two people, [K, 3] each, over the joints that both have; as they are or with left and right exchanged."""
    area = _size(np.stack([first, second]))[1]
    best = 0.0
    for weight, other in ((1.0, second), (_EXCHANGED, second[skeleton.flip_order])):
        both = (first[:, 2] != UNLABELLED) & (other[:, 2] != UNLABELLED)
        joints = oks.joint_oks(first[:, :2], other[:, :2], np.array(area), skeleton.sigmas)
        best = max(best, weight * float(oks.mean_oks(joints, both)))
    return best


def swapped(group: Group, skeleton: Skeleton) -> np.ndarray:
    """Which two annotators of a person have left and right of a pair of joints exchanged; bool [A, A, K].

    Where half of the pairs are exchanged and none is surely not, all are.
    """
    flip, points = skeleton.flip_order, group.keypoints[..., :2]
    labelled = group.keypoints[..., 2] != UNLABELLED
    whole = labelled & labelled[:, flip] & (flip != np.arange(len(flip)))
    pairs = whole[:, None] & whole[None]
    same = np.linalg.norm(points[:, None] - points[None], axis=-1)
    opposite = np.linalg.norm(points[:, None] - points[None, :, flip], axis=-1)
    same, opposite = (0.5 * (distance + distance[..., flip]) / group.size for distance in (same, opposite))
    exchanged = pairs & (same > _LEAST_APART) & (_TWICE * opposite < same)
    kept = pairs & (opposite > _LEAST_APART) & (_TWICE * same < opposite)
    wholly = exchanged.any(-1) & ~kept.any(-1) & (2 * exchanged.sum(-1) >= pairs.sum(-1))
    return np.where(wholly[..., None], pairs, exchanged)
