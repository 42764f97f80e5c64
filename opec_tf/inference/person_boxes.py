"""Person boxes from a file: a detector's results, or annotations of the same images.

Results are a list, as COCO's detection results are: ``[{"image_id" or "file_name", "bbox": [x, y, w, h], "score"}]``;
``score`` may be left out of all of them; those of another ``category_id`` than a person's are counted and left out; an
``image_id`` that is a text is a file name. Other systems' files are read too (``result_files``). Annotations are a
COCO-format file (CrowdPose's too); their labels come along, for they know which joints are occluded.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from opec_tf.common import records
from opec_tf.common.errors import UserError
from opec_tf.data.annotations import loading
from opec_tf.poses import picture_names, result_files
from opec_tf.poses.boxes import check as check_boxes
from opec_tf.poses.skeletons import Skeleton


@dataclasses.dataclass(frozen=True, eq=False)
class PersonBoxes:
    """N person boxes in some images. Arrays are cast to the types below when the object is made.

    Attributes:
      image_index: int64 [N], row of the image each box is in; ascending where they are from a file or of frames.
      boxes: float64 [N, 4], (x, y, w, h), image pixels.
      scores: float64 [N], a detector's confidence; None where the file has none.
      labels: float64 [N, K, 3], (x, y, v) of the annotated joints; None where the boxes are a detector's.
      poses: float64 [N, K, 3], (x, y, score), poses of another system, to be refined; None where there are none.
    """

    image_index: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray | None = None
    labels: np.ndarray | None = None
    poses: np.ndarray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_index", np.asarray(self.image_index, np.int64))
        object.__setattr__(self, "boxes", np.asarray(self.boxes, np.float64).reshape(-1, 4))
        for name in _OPTIONAL:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, np.asarray(getattr(self, name), np.float64))

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, people: np.ndarray | slice) -> PersonBoxes:
        """The given people (bool mask [N], indices or a slice)."""
        columns = [getattr(self, name) for name in _OPTIONAL]
        optional = [None if column is None else column[people] for column in columns]
        return PersonBoxes(self.image_index[people], self.boxes[people], *optional)


_OPTIONAL = ("scores", "labels", "poses")  # the columns of ``PersonBoxes`` that may be None


def read(
    path: os.PathLike[str] | str,
    image_ids: Sequence[int] | np.ndarray,
    image_names: Sequence[str],
    skeleton: Skeleton,
    *,
    image_sizes: np.ndarray | None = None,
    person_class: int | None = None,
) -> PersonBoxes:
    """Reads the boxes of some images.

    A record's image is found by its ``file_name`` (the whole name, or its last part where that is unambiguous), else by
    its ``image_id``; an annotation's always by its image's ``file_name``. Of images that share their whole name, as the
    frames of a video do, the id says which it is. Boxes of other images and boxes without area are left out with a
    counted warning.

    Args:
      path: the file.
      image_ids: int [M], ids of the images.
      image_names: M file names of the images.
      skeleton: the ``Skeleton`` that labels are mapped to.
      image_sizes: [M, 2], (height, width), 0 where unknown; None: all are.
      person_class: the results' ``category_id`` of people; None: see ``Records.people``.

    Returns:
      ``PersonBoxes``.

    Raises:
      UserError: the file is malformed, none of its boxes is in any of the images, or they are corners.
    """
    data = result_files.read(path)
    if isinstance(data, dict):
        people = _read_annotations(path, image_ids, image_names, skeleton)
    else:
        people = _read_results(path, data, image_ids, image_names, person_class)
    return sorted_with_area(path, people, image_sizes)


def sorted_with_area(path: os.PathLike[str] | str, people: PersonBoxes, image_sizes: np.ndarray | None) -> PersonBoxes:
    """``PersonBoxes`` of a file by image; boxes without area are left out with a counted warning.

    Raises:
      UserError: they are no boxes (x, y, w, h) in pixels, see ``boxes.check``.
    """
    check_boxes(path, people.boxes, None if image_sizes is None else image_sizes[people.image_index])
    has_area = np.all(people.boxes[:, 2:] > 0, axis=1)
    if not has_area.all():
        logging.getLogger(__name__).warning(
            "%s: left out %d boxes without area (first: %s)",
            path,
            np.sum(~has_area),
            people.boxes[~has_area][0].tolist(),
        )
        people = people.select(has_area)
    return people.select(np.argsort(people.image_index, kind="stable"))


def concatenate(parts: Sequence[PersonBoxes]) -> PersonBoxes:
    """Joins ``PersonBoxes`` of one file, at least one."""
    image_index, boxes = (np.concatenate([getattr(part, name) for part in parts]) for name in ("image_index", "boxes"))
    columns = [[getattr(part, name) for part in parts] for name in _OPTIONAL]
    optional = [None if column[0] is None else np.concatenate(column) for column in columns]
    return PersonBoxes(image_index, boxes, *optional)


def inside(boxes: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Which boxes [N, 4] meet a picture of ``size`` (height, width); bool [N]."""
    boxes = np.asarray(boxes)
    return np.all((boxes[:, :2] < size[::-1]) & (boxes[:, :2] + boxes[:, 2:] > 0), axis=1)


def _read_annotations(
    path: os.PathLike[str] | str, image_ids: Sequence[int] | np.ndarray, image_names: Sequence[str], skeleton: Skeleton
) -> PersonBoxes:
    """``PersonBoxes`` of an annotation file, without crowd regions."""
    people = loading.read("coco", path, "").with_skeleton(skeleton)
    if people.is_crowd.all():
        raise UserError(f"{path}: all annotations are crowd regions ('iscrowd'); give a file with people")
    people = people.select(~people.is_crowd)
    row_of_image = picture_names.match(people.image_paths.tolist(), people.image_ids.tolist(), image_names, image_ids)
    rows, names = row_of_image[people.image_index], people.image_paths[people.image_index]
    picture_names.warn_about_unknown(path, rows, "file_name", names)
    found = PersonBoxes(rows, people.boxes, labels=people.keypoints)
    return found.select(rows >= 0)


def _read_results(
    path: os.PathLike[str] | str,
    data: Any,
    image_ids: Sequence[int] | np.ndarray,
    image_names: Sequence[str],
    person_class: int | None,
) -> PersonBoxes:
    """``PersonBoxes`` of a list of detections."""
    people = records.Records(path, "box", data).people(person_class)
    rows = picture_names.rows_of(people, image_ids, image_names)
    scores = people.numbers("score") if people.has("score").any() else None
    return PersonBoxes(rows, people.numbers("bbox", (4,), "x, y, width, height"), scores).select(rows >= 0)
