"""Which pictures of two sets are the same, wholly or nearly."""

from __future__ import annotations

import collections
import dataclasses

import numpy as np

from opec_tf.common.progress import Progress
from opec_tf.data import picture_hashes
from opec_tf.data.leaks.hashed_pictures import Pictures

# Bits of 255; chosen by tests/data/measure_leaks.py on other pictures than those that docs/data.md reports.
DISTANCE = 70
_LISTED = 5  # of the pictures of the training set that one of the test set is like
# The whole pictures; and one of them without its border, as the other may have been cropped.
_COMPARED = ((0, 0), (1, 0), (0, 1))
# How a picture is found; the first that applies is named.
SAME_BYTES, SAME_PICTURE, MIRRORED = HOW = ("same bytes", "same picture", "mirrored")


@dataclasses.dataclass(frozen=True)
class Leak:
    """A picture of the test set that is in the training set too.

    Attributes:
      test: its path.
      train: the path of the other.
      how: one of ``HOW``.
      distance: bits that differ.
    """

    test: str
    train: str
    how: str
    distance: int


def find(
    train: Pictures, test: Pictures, most: int = DISTANCE, progress: bool = False
) -> tuple[list[Leak], np.ndarray]:
    """The pictures of ``test`` that are in ``train``, each with up to five of the nearest there; nearest first.

    Args:
      train: N pictures.
      test: M pictures.
      most: bits of the hashes by which the same picture may differ.
      progress: report to stderr.

    Returns:
      The leaks, and which pictures of ``train`` are in ``test``, bool [N].
    """
    pairs = np.concatenate([_same_bytes(train, test), *_alike(train, test, most, progress)])
    is_in_test = np.zeros(len(train.paths), bool)
    is_in_test[pairs[:, 1]] = True
    # Of a pair that is found several times the first in this order; then of each picture the nearest.
    pairs = pairs[np.lexsort((pairs[:, 2], pairs[:, 3] > 0, pairs[:, 1], pairs[:, 0]))]
    pairs = pairs[np.append(True, np.any(np.diff(pairs[:, :2], axis=0) != 0, axis=1))[: len(pairs)]]
    pairs = pairs[np.lexsort((pairs[:, 2], pairs[:, 3] > 0, pairs[:, 0]))]
    pairs = pairs[np.arange(len(pairs)) - np.searchsorted(pairs[:, 0], pairs[:, 0]) < _LISTED]
    pairs = pairs[np.lexsort((pairs[:, 0], pairs[:, 2], pairs[:, 3] > 0))]
    leaks = [
        Leak(test.paths[row], train.paths[other], HOW[how], distance) for row, other, distance, how in pairs.tolist()
    ]
    return leaks, is_in_test


def _same_bytes(train: Pictures, test: Pictures) -> np.ndarray:
    """Files of the same bytes: int [P, 4], rows of ``test`` and of ``train``, distance, index into ``HOW``."""
    rows: dict[bytes, list[int]] = collections.defaultdict(list)
    for row, digest in enumerate(train.digests):
        rows[digest.tobytes()].append(row)
    found = [(row, other, 0, 0) for row, digest in enumerate(test.digests) for other in rows.get(digest.tobytes(), ())]
    return np.array(found, np.int64).reshape(-1, 4)


def _alike(train: Pictures, test: Pictures, most: int, progress: bool) -> list[np.ndarray]:
    """Pictures that look the same, mirrored or not: arrays as ``_same_bytes`` gives them."""
    test_rows, train_rows = np.flatnonzero(test.has_hash), np.flatnonzero(train.has_hash)
    found = []
    with Progress("comparing", "pictures", len(_COMPARED) * len(test_rows), progress) as report:
        for of_test, of_train in _COMPARED:
            near = picture_hashes.near_pairs(
                test.hashes[test_rows, of_test], train.hashes[train_rows, of_train], most, report.update
            )
            how = np.where(near.mirrored, HOW.index(MIRRORED), HOW.index(SAME_PICTURE))
            found.append(np.stack([test_rows[near.rows], train_rows[near.columns], near.distances, how], axis=1))
    return found
