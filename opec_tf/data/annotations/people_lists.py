"""People of the formats that list them with an image's name, and no images."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

import numpy as np

from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.skeletons import Skeleton

_MOST_DIGITS = 18  # of a number that is sure to fit into int64


def listed_people(
    skeleton: Skeleton,
    names: Sequence[str],
    image_folder: os.PathLike[str] | str,
    *,
    boxes: np.ndarray,
    areas: np.ndarray,
    keypoints: np.ndarray,
) -> PoseAnnotations:
    """People of unknown image sizes, none of them a crowd, with ids counted from 1; see ``PoseAnnotations``.

    Args:
      names: N file names, one a person, in ``image_folder``.
      boxes, areas, keypoints: the people's.
    """
    distinct, image_ids, image_index = _group_by_image(names)
    return PoseAnnotations(
        skeleton=skeleton,
        image_ids=image_ids,
        image_paths=np.array([os.path.join(image_folder, name) for name in distinct]),
        image_sizes=np.zeros((len(distinct), 2)),
        crowd_index=np.full(len(distinct), np.nan),
        annotation_ids=np.arange(1, len(names) + 1),
        image_index=image_index,
        boxes=boxes,
        areas=areas,
        keypoints=keypoints,
        is_crowd=np.zeros(len(names)),
    )


def _group_by_image(names: Sequence[str]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The images that people are in.

    Args:
      names: N file names, one a person.

    Returns:
      The M distinct names in order of first mention; their ids, int64 [M]: the number that is the file's name, as in
      "005808361.jpg", where every name is a number and these differ, else counted from 1; and each person's row among
      the M, int64 [N].
    """
    row_of_name: dict[str, int] = {}
    rows = [row_of_name.setdefault(name, len(row_of_name)) for name in names]
    stems = [pathlib.PurePath(name).stem for name in row_of_name]
    ids = [int(stem) if stem.isdecimal() and len(stem) <= _MOST_DIGITS else -1 for stem in stems]
    if -1 in ids or len(set(ids)) < len(ids):
        ids = list(range(1, len(stems) + 1))
    return list(row_of_name), np.asarray(ids, np.int64), np.asarray(rows, np.int64)
