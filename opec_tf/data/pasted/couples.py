"""Who is laid over whom."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.data.pasted.people import Source

# OCPose's row of the paper's Table 1, as shares of images between its thresholds on box IoU; within the lowest bin
# down to 0.1, within the highest up to 0.85.
_IOU_EDGES = (0.1, 0.3, 0.5, 0.75, 0.85)
_IOU_SHARES = (0.10, 0.14, 0.49, 0.27)
# More blurs; who is smaller than that in comparison is laid over nobody.
_MAX_ENLARGEMENT = 1.2
_DRAWN, _ALTERNATIVES = 24, 4
# Cut-outs that are looked for, per couple.
_CUT_OUTS_PER_COUPLE = 2


@dataclasses.dataclass(frozen=True)
class Couple:
    """One picture to be made.

    Attributes:
      behind: row of the person whose picture it is.
      in_front: rows of people who could be laid over, the likelier first.
      iou: what the IoU of the two boxes should be.
    """

    behind: int
    in_front: tuple[int, ...]
    iou: float


def split_images(source: Source, shares: dict[str, float], seed: int) -> dict[str, np.ndarray]:
    """Parts the pictures, with all who are in them, so that nobody is in two splits; split -> rows of images."""
    order = np.random.default_rng([seed, len(shares)]).permutation(source.people.num_images)
    ends = np.round(np.cumsum(list(shares.values())) / sum(shares.values()) * len(order)).astype(int)
    return dict(zip(shares, np.split(order, ends[:-1])))


def choose(source: Source, images: np.ndarray, count: int, split: str, rng: np.random.Generator) -> list[Couple]:
    """Chooses the couples of a split: everybody who can stands behind as often as anybody else.

    Args:
      source: the people.
      images: rows of the split's images.
      count: how many.
      split: its name, for messages.
      rng: the source of chance.

    Raises:
      UserError: the split has too few people.
    """
    rows = np.flatnonzero(np.isin(source.people.image_index, images))
    behind = rows[source.can_stand_behind[rows]]
    cut_outs = _cut_outs(source, rng.permutation(rows), _CUT_OUTS_PER_COUPLE * count)
    pictures = source.people.image_index
    if len(set(pictures[cut_outs])) == 1:  # nobody is laid over the own picture
        behind = behind[pictures[behind] != pictures[cut_outs[0]]]
    if not len(behind) or not len(cut_outs):
        raise UserError(
            f"{source.path}: for split {split!r} there are {len(cut_outs)} people who can be cut out and {len(behind)} "
            "who can stand behind, large and with 8 joints or more; give a larger file or fewer splits (--splits)"
        )
    targets = rng.uniform(_IOU_EDGES[:-1], _IOU_EDGES[1:], size=[count, len(_IOU_SHARES)])
    bins = rng.choice(len(_IOU_SHARES), size=count, p=_IOU_SHARES)
    return [
        Couple(int(row), _in_front(source, row, cut_outs, target, rng), float(target))
        for row, target in zip(_in_turn(behind, count, rng), targets[np.arange(count), bins])
    ]


def _cut_outs(source: Source, rows: np.ndarray, count: int) -> np.ndarray:
    """The first ``count`` of people who can be cut out; masks cost time to decode."""
    found: list[int] = []
    for row in rows.tolist():
        if len(found) == count:
            break
        if source.can_be_cut_out(row):
            found.append(row)
    return np.array(found, int)


def _in_turn(rows: np.ndarray, count: int, rng: np.random.Generator) -> Iterator[int]:
    """``count`` of the rows, every one once, in random order, before any comes again."""
    for first in range(0, count, len(rows)):
        yield from rng.permutation(rows)[: count - first].tolist()


def _in_front(
    source: Source, behind: int, cut_outs: np.ndarray, target: float, rng: np.random.Generator
) -> tuple[int, ...]:
    """Who could be laid over a person: of some at random those whose boxes, at one body height, can have the IoU."""
    pictures = source.people.image_index
    drawn = rng.choice(cut_outs[pictures[cut_outs] != pictures[behind]], size=_DRAWN)
    scale = source.heights[behind] / source.heights[drawn]
    extents, own = source.people.boxes[drawn, 2:] * scale[:, None], source.people.boxes[behind, 2:]
    overlap = np.prod(np.minimum(extents, own), axis=1)
    largest_iou = overlap / (np.prod(extents, axis=1) + np.prod(own) - overlap)
    lack = np.maximum(target - largest_iou, 0.0) + 2.0 * np.maximum(scale - _MAX_ENLARGEMENT, 0.0)
    return tuple(drawn[np.argsort(lack, kind="stable")[:_ALTERNATIVES]].tolist())
