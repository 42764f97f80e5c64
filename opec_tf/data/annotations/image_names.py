"""Images of the formats that list people with an image's name, and no images."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np


def group_by_image(names: Sequence[str]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The images that people are in.

    Args:
      names: N file names, one a person.

    Returns:
      The M distinct names in order of first mention; their ids, int64 [M]: the number that is the file's name, as in
      "005808361.jpg", where every name is a number and these differ, else counted from 1; and each person's row among
      the M, int64 [N].
    """
    row_of_name = {}
    rows = [row_of_name.setdefault(name, len(row_of_name)) for name in names]
    stems = [pathlib.PurePath(name).stem for name in row_of_name]
    ids = [int(stem) if stem.isdecimal() else -1 for stem in stems]
    if -1 in ids or len(set(ids)) < len(ids):
        ids = list(range(1, len(stems) + 1))
    return list(row_of_name), np.asarray(ids, np.int64), np.asarray(rows, np.int64)
