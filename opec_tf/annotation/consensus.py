"""What several annotators say of one picture, made one, or where they differ too much.

One rule for any number of annotators: what more than half of them say counts. So two must agree; where a third was
asked, two that agree outvote the one.

* People are matched by OKS, also with left and right exchanged, and are there if more than half have them.
* A joint is labelled if more than half of those who have the person label it. Its position is the mean of the largest
  group of whom each two are at most ``max_deviation`` of the person's size apart, and have not left and right
  exchanged, if that are more than half.
* It is hidden if one of this group says so.

Whatever finds no majority is a problem of the picture, in words. The person's size is the longer side of the box around
the joints, of the annotators' boxes the median's lower one, so that one joint astray does not enlarge it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from opec_tf.annotation import matching
from opec_tf.annotation.matching import Group
from opec_tf.poses import oks
from opec_tf.poses.skeletons import OCCLUDED, UNLABELLED, VISIBLE, Skeleton


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """Two annotators' labels of one person, of K joints.

    Attributes:
      annotators: the two's names.
      deviations: float64 [K], distance as a share of the person's size; NaN where not both label the joint.
      similarities: float64 [K], the joint's OKS; NaN likewise.
      labelled_once: bool [K], one labels the joint and the other does not.
      visibility_differs: bool [K], one says visible and the other hidden.
      swapped: bool [K], the joint is one of a left and right pair that fits exchanged.
    """

    annotators: tuple[str, str]
    deviations: np.ndarray
    similarities: np.ndarray
    labelled_once: np.ndarray
    visibility_differs: np.ndarray
    swapped: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Consensus:
    """What is made of one picture's annotations.

    Attributes:
      people: float64 [P, K, 3], (x, y, v), the people who are there; of no account where there are problems.
      problems: what finds no majority, the worst first.
      comparisons: of each two annotators of each person.
      missed: for each person who is there and whom an annotator has not, that one's name.
      added: for each person whom only a minority has, the names.
      outvoted: for each joint of a majority that an annotator has elsewhere, or has and the majority has not, or the
        other way round, (name, joint).
      hidden_by_some: how many joints count as hidden which some of those who agree call visible.
    """

    people: np.ndarray
    problems: list[str]
    comparisons: list[Comparison]
    missed: list[str]
    added: list[str]
    outvoted: list[tuple[str, int]]
    hidden_by_some: int


def agree(people: dict[str, np.ndarray], skeleton: Skeleton, max_deviation: float) -> Consensus:
    """Makes one of several annotations of a picture.

    Args:
      people: annotator's name -> float64 [N, K, 3], (x, y, v); at least two. Who has no labelled joint is nobody.
      skeleton: the joint set.
      max_deviation: of two positions that agree, as a share of the person's size.
    """
    result = Consensus(np.zeros((0, skeleton.num_joints, 3)), [], [], [], [], [], 0)
    people = {name: of_one[(of_one[..., 2] != UNLABELLED).any(axis=1)] for name, of_one in people.items()}
    problems: list[tuple[float, str]] = []
    merged, hidden_by_some = [], 0
    for group in matching.match(people, skeleton):
        swapped = matching.swapped(group, skeleton)
        result.comparisons.extend(_comparisons(group, skeleton, swapped))
        lacking = [name for name in people if name not in group.names]
        if 2 * len(group.names) < len(people):
            result.added.extend(group.names)
            continue
        result.missed.extend(lacking)
        if 2 * len(group.names) == len(people):
            problems.append((np.inf, f"{_list(group.names)} has a person {_where(group)}, {_list(lacking)} has none"))
            continue
        joints = [_joint(group, joint, swapped[..., joint], max_deviation) for joint in range(skeleton.num_joints)]
        problems += _swaps_first(group, joints, swapped, skeleton)
        result.outvoted.extend((name, joint) for joint, vote in enumerate(joints) for name in vote.outvoted)
        hidden_by_some += sum(vote.hidden_by_some for vote in joints)
        merged.append([vote.label for vote in joints])
    people_there = np.array(merged, np.float64).reshape(-1, skeleton.num_joints, 3)
    people_there = people_there[(people_there[..., 2] != UNLABELLED).any(axis=1)]
    problems.sort(key=lambda problem: -problem[0])
    return dataclasses.replace(
        result, people=people_there, problems=[text for _, text in problems], hidden_by_some=hidden_by_some
    )


def _comparisons(group: Group, skeleton: Skeleton, swapped: np.ndarray) -> Iterator[Comparison]:
    for one, other in itertools.combinations(range(len(group.names)), 2):
        first, second = group.keypoints[[one, other]]
        labelled, other_labelled = first[:, 2] != UNLABELLED, second[:, 2] != UNLABELLED
        both = labelled & other_labelled
        similarities = oks.joint_oks(first[:, :2], second[:, :2], np.array(group.area), skeleton.sigmas)
        yield Comparison(
            (group.names[one], group.names[other]),
            np.where(both, np.linalg.norm(first[:, :2] - second[:, :2], axis=1) / group.size, np.nan),
            np.where(both, similarities, np.nan),
            labelled != other_labelled,
            both & (first[:, 2] != second[:, 2]) & skeleton.has_visibility,
            swapped[one, other],
        )


@dataclasses.dataclass(frozen=True)
class _Vote:
    """One joint of one person: its (x, y, v), the problem (severity, text) if there is one, and who is outvoted."""

    label: tuple[float, float, int] = (0.0, 0.0, UNLABELLED)
    problem: str = ""
    deviation: float = 0.0
    outvoted: tuple[str, ...] = ()
    hidden_by_some: bool = False


def _joint(group: Group, joint: int, swapped: np.ndarray, max_deviation: float) -> _Vote:
    """The vote on a joint; ``swapped``, bool [A, A], are annotators who have exchanged it with the opposite one."""
    points = group.keypoints[:, joint]
    labelled = np.flatnonzero(points[:, 2] != UNLABELLED)
    names = np.array(group.names)
    if 2 * len(labelled) < len(points):
        return _Vote(outvoted=tuple(names[labelled]))
    lacking = np.delete(names, labelled)
    if 2 * len(labelled) == len(points):
        return _Vote(problem=f"is labelled by {_list(names[labelled])} and not by {_list(lacking)}", deviation=1.0)
    distances = np.linalg.norm(points[labelled, None, :2] - points[None, labelled, :2], axis=-1) / group.size
    agreeing = _largest_group(np.where(swapped[np.ix_(labelled, labelled)], np.inf, distances), max_deviation)
    if 2 * len(agreeing) <= len(labelled):
        worst = float(distances.max())
        return _Vote(problem=f"differs by {worst:.2f} of the person's size", deviation=worst)
    chosen = points[labelled[agreeing]]
    hidden = chosen[:, 2] == OCCLUDED
    x, y = chosen[:, :2].mean(axis=0).tolist()
    outvoted = (*np.delete(names[labelled], agreeing), *lacking)
    return _Vote(
        (x, y, OCCLUDED if hidden.any() else VISIBLE),
        outvoted=outvoted,
        hidden_by_some=bool(hidden.any() and not hidden.all()),
    )


def _largest_group(distances: np.ndarray, most: float) -> list[int]:
    """Of points of the given distances, [L, L], those of whom each two are near.

    Grown from each one by the nearest that fits; the largest group counts, of several the closest.
    """
    groups = []
    for start in range(len(distances)):
        group = [start]
        for other in np.argsort(distances[start], kind="stable").tolist():
            if other != start and (distances[other, group] <= most).all():
                group.append(other)
        groups.append(sorted(group))
    return min(groups, key=lambda group: (-len(group), distances[np.ix_(group, group)].max()))


def _swaps_first(
    group: Group, votes: Sequence[_Vote], swapped: np.ndarray, skeleton: Skeleton
) -> list[tuple[float, str]]:
    """The problems of a person's joints; those that come of left and right exchanged are one and say so."""
    odd = np.array([bool(vote.problem) for vote in votes])
    problems = []
    for one, other in itertools.combinations(range(len(group.names)), 2):
        exchanged = swapped[one, other] & odd
        if exchanged.any():
            left = [joint for joint in np.flatnonzero(exchanged) if skeleton.joints[joint].startswith("left_")]
            parts = [skeleton.joints[joint][len("left_") :] for joint in left]
            pairs = np.count_nonzero(skeleton.flip_order > np.arange(len(odd)))
            where = f"{_list(parts) if len(parts) < pairs else 'whole person'} {_where(group)}"
            both = f"{group.names[one]} and {group.names[other]}"
            problems.append((1.0 + len(parts), f"{both} have left and right exchanged in the {where}"))
            odd &= ~exchanged
    for joint in np.flatnonzero(odd):
        text = f"{skeleton.joints[joint].replace('_', ' ')} {_where(group, joint)} {votes[joint].problem}"
        problems.append((votes[joint].deviation, text))
    return problems


def _where(group: Group, joint: int | None = None) -> str:
    """Where a person or one of its joints is, for people who look for it."""
    points = group.keypoints if joint is None else group.keypoints[:, joint]
    points = points[points[..., 2] != UNLABELLED][:, :2]
    if not len(points):
        return "without joints"
    x, y = points.mean(axis=0)
    return f"at ({x:.0f}, {y:.0f})"


def _list(names: Sequence[str] | np.ndarray) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
