"""Images of the formats that list people with an image's name, and no images."""

import pathlib

import numpy as np

_MOST_DIGITS = 18  # of a number that is sure to fit into int64


def group_by_image(names):
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
    ids = [int(stem) if stem.isdecimal() and len(stem) <= _MOST_DIGITS else -1 for stem in stems]
    if -1 in ids or len(set(ids)) < len(ids):
        ids = list(range(1, len(stems) + 1))
    return list(row_of_name), np.asarray(ids, np.int64), np.asarray(rows, np.int64)
