"""A picture's perceptual hash: alike for pictures that look alike, whatever their size and compression.

The grey picture, reduced to 64 x 64, is cosine transformed; of the 16 x 16 slowest coefficients all but the mean give a
bit, their sign (after Zauner's pHash, 2010, which takes 8 x 8). A mirrored picture's hash differs from the picture's in
the odd columns and nowhere else, so that both are compared at the price of one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

BITS, BYTES = 255, 32
_REDUCED, _KEPT = 64, 16
# Grey levels; a picture of less contrast (standard deviation) is plain, and the signs of its coefficients are noise.
_LEAST_CONTRAST = 2.0
# Whether each bit is of an odd column, which mirroring turns round.
_IS_ODD = np.tile(np.arange(_KEPT) % 2 == 1, _KEPT)[1:]
_ROWS, _COLUMNS = 1024, 2048  # compared at once: 8 MB of products, which caches hold; larger ones are slower


class NearPairs(NamedTuple):
    """Pairs of hashes at a small distance, P of them.

    Attributes:
      rows: int [P], of the first list.
      columns: int [P], of the second.
      distances: int [P], bits.
      mirrored: bool [P], whether it is the mirror image that is so near.
    """

    rows: np.ndarray
    columns: np.ndarray
    distances: np.ndarray
    mirrored: np.ndarray


def perceptual_hash(grey: np.ndarray) -> np.ndarray | None:
    """The hash of a picture, uint8 [h, w] -> uint8 [32], 255 bits; None where it is plain, as a black one is."""
    reduced = cv2.resize(grey, (_REDUCED, _REDUCED), interpolation=cv2.INTER_AREA).astype(np.float32)
    if reduced.std() < _LEAST_CONTRAST:
        return None
    coefficients = cv2.dct(reduced)[:_KEPT, :_KEPT]
    return np.packbits(coefficients.ravel()[1:] > 0.0)


def distances(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How many bits differ between a hash [32] and others [N, 32]; int [N]."""
    return np.unpackbits(np.atleast_2d(others) ^ one, axis=1).sum(axis=1, dtype=np.int64)


def near_pairs(
    first: np.ndarray, second: np.ndarray, most: int, report: Callable[[int], object] = lambda count: None
) -> NearPairs:
    """All pairs of two lists of hashes, [N, 32] and [M, 32], of which at most so many bits differ, mirrored or not.

    With bits as -1 and 1 the scalar product of two hashes is 255 - 2 distance; that of the even columns' bits plus and
    minus that of the odd ones' gives both distances.

    Args:
      first: hashes.
      second: hashes.
      most: bits.
      report: called with a number of rows of ``first`` whenever these are done.
    """
    found: list[tuple[np.ndarray, ...]] = []
    second_parts = [_parts(second[at : at + _COLUMNS]) for at in range(0, len(second), _COLUMNS)]
    for row in range(0, len(first), _ROWS):
        even_rows, odd_rows = _parts(first[row : row + _ROWS])
        for number, (even_columns, odd_columns) in enumerate(second_parts):
            even, odd = even_rows @ even_columns.T, odd_rows @ odd_columns.T
            near = np.flatnonzero(even + np.abs(odd) >= BITS - 2 * most)
            product, turned = even.ravel()[near] + np.abs(odd.ravel()[near]), odd.ravel()[near] < 0
            rows, columns = np.divmod(near, even.shape[1])
            bits = np.rint((BITS - product) / 2).astype(np.int64)
            found.append((rows + row, columns + number * _COLUMNS, bits, turned))
        report(len(even_rows))
    if not found:
        empty = np.zeros(0, np.int64)
        return NearPairs(empty, empty, empty, empty.astype(bool))
    return NearPairs(*map(np.concatenate, zip(*found)))


def _parts(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bits of even and of odd columns, as -1 and 1, float32 [N, 127] and [N, 128]."""
    signs = 2.0 * np.unpackbits(hashes, axis=1, count=BITS).astype(np.float32) - 1.0
    return signs[:, ~_IS_ODD], signs[:, _IS_ODD]
