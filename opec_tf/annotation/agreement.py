"""How far annotators agree: figures for each joint and each annotator, as JSON and as text."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from opec_tf.annotation.consensus import Consensus
from opec_tf.poses.skeletons import Skeleton

_Numbers = dict[str, Any]


def describe(pictures: Sequence[Consensus], skeleton: Skeleton, max_deviation: float) -> dict[str, _Numbers]:
    """The figures of some pictures.

    Returns:
      ``joints``: joint -> figures of all pairs of annotators of a person; ``annotators``: name -> the same of the pairs
      that the one is part of, and how many people it ``missed`` and ``added`` against a majority or a tie, and in how
      many joints it was ``outvoted``; ``matrix``: name -> share of each joint's comparisons that agree, None without.
    """
    rows = [comparison for picture in pictures for comparison in picture.comparisons]
    columns = {
        name: np.array([getattr(row, name) for row in rows]).reshape(-1, skeleton.num_joints)
        for name in ("deviations", "similarities", "labelled_once", "visibility_differs", "swapped")
    }
    names = sorted({name for row in rows for name in row.annotators} | _mentioned(pictures))
    counts = {
        "missed": collections.Counter(name for picture in pictures for name in picture.missed),
        "added": collections.Counter(name for picture in pictures for name in picture.added),
        "outvoted": collections.Counter(name for picture in pictures for name, _ in picture.outvoted),
    }
    figures: dict[str, _Numbers] = {"joints": {}, "annotators": {}, "matrix": {}}
    for index, joint in enumerate(skeleton.joints):
        figures["joints"][joint] = _figures({name: of[:, index] for name, of in columns.items()}, max_deviation)
    for name in names:
        own = np.array([name in row.annotators for row in rows], bool)
        part = {column: of[own] for column, of in columns.items()}
        more = {what: counter[name] for what, counter in counts.items()}
        figures["annotators"][name] = {**_figures(part, max_deviation), **more}
        figures["matrix"][name] = [
            _agree(*pair, max_deviation) for pair in zip(part["deviations"].T, part["swapped"].T)
        ]
    return figures


def by_picture(pictures: Mapping[str, Consensus]) -> dict[str, list[_Numbers]]:
    """Of each picture, and of each two annotators of each person in it, by how much each joint differs.

    Returns:
      Picture -> ``annotators``, two; ``deviations``, shares of the person's size; ``dissimilarities``, 1 - OKS; both
      in the order of the skeleton's joints, None where not both label one.
    """
    return {
        picture: [
            {
                "annotators": list(row.annotators),
                "deviations": _numbers(row.deviations),
                "dissimilarities": _numbers(1.0 - row.similarities),
            }
            for row in found.comparisons
        ]
        for picture, found in pictures.items()
    }


def as_text(figures: Mapping[str, _Numbers]) -> str:
    """The figures of ``describe`` as two tables of plain text."""
    lines = []
    for what, more in (("joints", ()), ("annotators", ("missed", "added", "outvoted"))):
        width = max([len(what), *map(len, figures[what])])
        head = f"{what:<{width}}   compared  agree  median    90 %  1 - OKS  once  hidden?  swapped"
        lines.append(head + "".join(f"  {name}" for name in more))
        for name, of in figures[what].items():
            lines.append(
                f"{name:<{width}}  {of['compared']:9d} {_percent(of['agree'])} {_number(of['median_deviation'])} "
                f"{_number(of['p90_deviation'])}  {_number(of['mean_dissimilarity'])} {of['labelled_once']:5d} "
                f"{of['visibility_differs']:8d} {of['swapped']:8d}" + "".join(f"  {of[n]:{len(n)}d}" for n in more)
            )
        lines.append("")
    lines.append(
        "compared: pairs of labels of one joint by two annotators; agree: within --max_deviation, and not\n"
        "swapped; median and 90 %: of their distance, as a share of the person's size; once: labelled by one of the\n"
        "two; hidden?: hidden to one and visible to the other; swapped: left and right exchanged; missed, added:\n"
        "people whom others have and have not; outvoted: joints that the majority has elsewhere or not at all"
    )
    return "\n".join(lines)


def _numbers(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else round(value, 4) for value in values.tolist()]


def _mentioned(pictures: Sequence[Consensus]) -> set[str]:
    """Who has missed, added or been outvoted."""
    voted = {name for picture in pictures for name, _ in picture.outvoted}
    return voted | {name for picture in pictures for name in (*picture.missed, *picture.added)}


def _figures(columns: Mapping[str, np.ndarray], max_deviation: float) -> _Numbers:
    deviations = columns["deviations"][~np.isnan(columns["deviations"])]
    similarities = columns["similarities"][~np.isnan(columns["similarities"])]
    some = len(deviations) > 0
    return {
        "compared": len(deviations),
        "agree": _agree(columns["deviations"], columns["swapped"], max_deviation),
        "median_deviation": float(np.median(deviations)) if some else None,
        "p90_deviation": float(np.quantile(deviations, 0.9)) if some else None,
        "mean_dissimilarity": float(np.mean(1.0 - similarities)) if some else None,
        **{name: int(columns[name].sum()) for name in ("labelled_once", "visibility_differs", "swapped")},
    }


def _agree(deviations: np.ndarray, swapped: np.ndarray, max_deviation: float) -> float | None:
    """The share that is near enough, and not near for left and right being close to each other; None of nothing."""
    compared = ~np.isnan(deviations)
    return float(np.mean((deviations <= max_deviation)[compared] & ~swapped[compared])) if compared.any() else None


def _percent(share: float | None) -> str:
    return "     -" if share is None else f"{share:6.1%}"


def _number(value: float | None) -> str:
    return "      -" if value is None else f"{value:7.3f}"
