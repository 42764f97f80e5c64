"""Which picture a record of a file is of, by the names and numbers that files give their pictures.

By its ``file_name`` (the whole name, or as much of its end as is a picture's, or a picture's last part, with or without
the suffix, where that is unambiguous), else by its ``image_id``, which is a file name too where it is a text. Where a
file has several names that end so ("monday/1.jpg" and "tuesday/1.jpg" for "1.jpg"), only the whole name counts. Of
pictures that share their whole name, as the frames of a video do, the id says which it is, or the number that the name
ends in ("0.jpg", "walk_000000000012").
"""

from __future__ import annotations

import collections
import logging
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from opec_tf.common import records
from opec_tf.common.errors import UserError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")


def rows_of(people: records.Records, image_ids: Sequence[int] | np.ndarray, image_names: Sequence[str]) -> np.ndarray:
    """The row of the image that each of some ``Records`` is in, -1 for other images, which are counted; int64 [N].

    Raises:
      UserError: all are in other images.
    """
    field = "file_name" if people.has("file_name").any() else "image_id"
    ids = [item.get("image_id") for item in people.items]
    values: Sequence[str] | Sequence[int]
    if field == "file_name" or isinstance(ids[0], str):
        values = people.texts(field)
        ids = [image_id if isinstance(image_id, int) else None for image_id in ids]
        rows = match(values, ids, image_names, image_ids)
    else:
        values = people.integers(field).tolist()
        row_of_id = {image_id: row for row, image_id in enumerate(np.asarray(image_ids).tolist())}
        rows = np.array([row_of_id.get(value, -1) for value in values])
    warn_about_unknown(people.path, rows, field, values)
    return rows


def match(
    names: Iterable[str], ids: Iterable[int | None], image_names: Sequence[str], image_ids: Sequence[int] | np.ndarray
) -> np.ndarray:
    """Row of the image that each name, or of several of a name each name and id, stands for, or -1; int64 [N]."""
    given, known_ids = list(names), np.asarray(image_ids).tolist()
    row_of_name = _rows_of_names(dict.fromkeys(given), image_names)
    row_of_both = _rows_of_unique(zip(image_names, known_ids))
    row_of_frame = _rows_of_unique(known_ids) if len(set(image_names)) == 1 < len(known_ids) else {}
    rows = []
    for name, image_id in zip(given, ids):
        row = row_of_both.get((name, image_id), row_of_name[name])
        if row < 0 and row_of_frame and name != image_names[0]:
            row = row_of_frame.get(_last_number(name), -1)
        rows.append(row)
    return np.array(rows, np.int64)


def _rows_of_names(names: Iterable[str], image_names: Sequence[str]) -> dict[str, int]:
    """The row of the image that each of some names stands for by itself, or -1."""
    whole = [_plain(name) for name in image_names]
    last_parts, row_of_whole = [os.path.basename(name) for name in whole], _rows_of_unique(whole)
    row_of_end = {
        **_rows_of_unique(os.path.splitext(name)[0] for name in last_parts),
        **_rows_of_unique(last_parts),
        **row_of_whole,
    }
    rows: dict[str, tuple[int, str]] = {}
    folders_of_row: dict[int, set[str]] = collections.defaultdict(set)
    for name in names:
        folders, end = "", _plain(name)
        while end not in row_of_end and "/" in end:
            folder, end = end.split("/", 1)
            folders += f"{folder}/"
        rows[name] = (row_of_end.get(end, -1), folders)
        if folders or end in row_of_whole:
            folders_of_row[rows[name][0]].add(folders)
    return {name: row if not folders or len(folders_of_row[row]) == 1 else -1 for name, (row, folders) in rows.items()}


def _plain(name: str) -> str:
    """A path with slashes, without a detour, its letters in the form that most systems write."""
    return os.path.normpath(unicodedata.normalize("NFC", name.replace("\\", "/")))


def _last_number(name: str) -> int | None:
    """The number that a frame's name without its suffix ends in."""
    digits = re.search(r"[0-9]{1,18}$", os.path.splitext(os.path.basename(name))[0])
    return int(digits.group()) if digits else None


def _rows_of_unique(values: Iterable[Any]) -> dict[Any, int]:
    """The row of each value that occurs once."""
    values = list(values)
    occurrences = collections.Counter(values)
    return {value: row for row, value in enumerate(values) if occurrences[value] == 1}


def warn_about_unknown(path: os.PathLike[str] | str, rows: np.ndarray, field: str, values: Sequence[Any]) -> None:
    """One line that counts the boxes of other images, those of row -1.

    Raises:
      UserError: all are.
    """
    unknown = rows < 0
    if unknown.all():
        raise UserError(
            f"{path}: no box belongs to any of the images (first '{field}': {values[0]}); check that boxes and images "
            "belong together, and give an 'image_id' with a name that several images have"
        )
    if unknown.any():
        logging.getLogger(__name__).warning(
            "%s: left out %d boxes of other images (first '%s': %s)",
            path,
            unknown.sum(),
            field,
            values[int(np.argmax(unknown))],
        )
