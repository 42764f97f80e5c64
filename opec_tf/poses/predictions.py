"""Predicted poses in memory, and the COCO results JSON they are exchanged in."""

from __future__ import annotations

import dataclasses
import logging
import os
from typing import Any

import numpy as np

from opec_tf.common import files, records
from opec_tf.common.errors import UserError
from opec_tf.poses import picture_names, result_files, skeletons
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.skeletons import Skeleton

_DTYPES = {"image_ids": np.int64, "keypoints": np.float64, "scores": np.float64, "boxes": np.float64}


@dataclasses.dataclass(frozen=True, eq=False)
class PosePredictions:
    """N predicted people of K joints. Arrays are cast to the types below when the object is made.

    Attributes:
      image_ids: int64 [N].
      keypoints: float64 [N, K, 3], (x, y, score), image pixels and 0..1.
      scores: float64 [N], confidence in the person.
      boxes: float64 [N, 4], (x, y, w, h), image pixels.
    """

    image_ids: np.ndarray
    keypoints: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray

    def __post_init__(self) -> None:
        for name, dtype in _DTYPES.items():
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype))
        people = len(self.image_ids)
        if self.keypoints.ndim != 3 or self.keypoints.shape[::2] != (people, 3):
            raise ValueError(f"keypoints have shape {self.keypoints.shape}, expected [{people}, K, 3]")
        if self.scores.shape != (people,) or self.boxes.shape != (people, 4):
            raise ValueError(f"scores {self.scores.shape} or boxes {self.boxes.shape} are not of {people} people")

    @property
    def num_people(self) -> int:
        return len(self.image_ids)

    @property
    def num_joints(self) -> int:
        return self.keypoints.shape[1]

    def rows_by_image(self, image_ids: np.ndarray) -> list[np.ndarray]:
        """The rows of the people of each of some images, which must be all that occur: a list of int arrays."""
        row_of_image = {image_id: row for row, image_id in enumerate(np.asarray(image_ids).tolist())}
        image_index = np.array([row_of_image[image_id] for image_id in self.image_ids.tolist()], np.int64)
        return records.split_by_group(image_index, len(row_of_image))

    def select(self, people: np.ndarray) -> PosePredictions:
        """The given people (bool mask [N] or indices)."""
        return dataclasses.replace(self, **{name: getattr(self, name)[people] for name in _DTYPES})

    def to_coco(self) -> list[dict[str, Any]]:
        """The COCO results: [{image_id, category_id, keypoints [3K], score, bbox}]."""
        columns = zip(
            self.image_ids.tolist(),
            self.keypoints.reshape(-1, 3 * self.num_joints).tolist(),
            self.scores.tolist(),
            self.boxes.tolist(),
        )
        return [
            {"image_id": image_id, "category_id": 1, "keypoints": keypoints, "score": score, "bbox": box}
            for image_id, keypoints, score, box in columns
        ]

    def write(self, path: os.PathLike[str] | str) -> None:
        """Writes ``to_coco`` as a JSON file."""
        files.write_json(path, self.to_coco())


def read(
    path: os.PathLike[str] | str,
    num_joints: int | None = None,
    to_refine: bool = False,
    *,
    images: PoseAnnotations | None = None,
    if_nobody: Skeleton | None = None,
) -> PosePredictions:
    """Reads a COCO results JSON, or what ``result_files`` makes into one.

    A record without ``bbox`` (the official format has none) gets the box around its joints. Records of another
    ``category_id`` than a person's are left out with a counted warning, see ``Records.people``.

    Args:
      path: the file.
      num_joints: joints each pose must have; None: as many as the first one has.
      to_refine: the poses are what a network starts from. They may lack joints: those whose score is not above 0, and
        those whose x or y is null or NaN, which become 0, 0 with a score of 0 and are counted in a warning. Scores are
        cut off at 0 and 1. A missing box is that around the joints of a score above 0, where there are any; otherwise
        around all, as pycocotools has it.
      images: annotations that know the pictures by name, where the file does not name them by their ids.
      if_nobody: the joints of an empty list; None: such a list is an error.

    Raises:
      UserError: the file is malformed; the message names the record, counted from 1, and the field.
    """
    content = result_files.read(path)
    if content == [] and if_nobody:
        return empty(if_nobody.num_joints)
    people = records.Records(path, "prediction", content).people()
    return from_people(people, _image_ids(people, images), num_joints, to_refine)


def read_people(path: os.PathLike[str] | str, person_class: int | None = None) -> records.Records:
    """The people of a COCO results JSON; those of other categories are counted in a warning, see ``Records.people``."""
    return records.Records(path, "prediction", result_files.read(path)).people(person_class)


def _image_ids(people: records.Records, images: PoseAnnotations | None) -> np.ndarray:
    """The ids of the images that people are in, int [N]; by their names where these are all the file has."""
    first = people.items[0].get("image_id", people.items[0].get("file_name"))
    if images is None or not isinstance(first, str):
        return people.integers("image_id")
    rows = picture_names.rows_of(people, images.image_ids, images.image_paths.tolist())
    if (rows < 0).any():
        people.fail(int(np.argmin(rows)), "is of none of the ground truth's images", "check that both belong together")
    return images.image_ids[rows]


def from_people(
    people: records.Records, image_ids: np.ndarray, num_joints: int | None = None, to_refine: bool = False
) -> PosePredictions:
    """The predictions of people in images of these ids, int [N]; see ``read``."""
    if to_refine:
        people = _with_gaps(people)
    if num_joints is None:
        first = people.values("keypoints")[0]
        if not isinstance(first, list) or not first or len(first) % 3:
            people.fail(0, "'keypoints' is no list of x, y, score for each joint")
        num_joints = len(first) // 3
    keypoints = people.numbers("keypoints", (3 * num_joints,), f"x, y, score of {num_joints} joints")
    keypoints = keypoints.reshape(-1, num_joints, 3)
    boxes = joint_boxes(keypoints, scored_only=to_refine)
    if to_refine:
        keypoints[..., 2] = keypoints[..., 2].clip(0.0, 1.0)
    with_box = [
        item if there else {"bbox": box} for item, there, box in zip(people.items, people.has("bbox"), boxes.tolist())
    ]
    boxes = people.with_items(with_box).numbers("bbox", (4,), "x, y, width, height")
    return PosePredictions(image_ids, keypoints, people.numbers("score"), boxes)


def _with_gaps(people: records.Records) -> records.Records:
    """The records whose joints of an x or y that is null or NaN are 0, 0 with a score of 0; a warning counts them."""
    items, counts = [], []
    for item in people.items:
        given = item.get("keypoints")
        values = list(given) if isinstance(given, list) else []
        joints = range(0, len(values) - 2, 3)
        gaps = [i for i in joints if any(value is None or value != value for value in values[i : i + 2])]
        for i in gaps:
            values[i : i + 3] = [0.0, 0.0, 0.0]
        counts.append(len(gaps))
        items.append({**item, "keypoints": values} if gaps else item)
    if any(counts):
        logging.getLogger(__name__).warning(
            "%s: %d joints (first: of %s) have an x or y that is null or NaN: taken as not given",
            people.path,
            sum(counts),
            people.name(np.flatnonzero(counts)[0]),
        )
    return people.with_items(items)


def empty(num_joints: int) -> PosePredictions:
    """No predictions, of ``num_joints`` joints."""
    return PosePredictions(np.zeros(0), np.zeros((0, num_joints, 3)), np.zeros(0), np.zeros((0, 4)))


def map_to(
    predictions: PosePredictions, annotations: PoseAnnotations, name: os.PathLike[str] | str = "predictions"
) -> tuple[PosePredictions, np.ndarray]:
    """The predictions with the joints of ``PoseAnnotations``, by name.

    Args:
      predictions: their joint set follows from the number of joints (12, 14, 16 or 17).
      annotations: they must know the predictions' images.
      name: what the predictions are called in messages, e.g. their file.

    Returns:
      The mapped predictions, and which of their joints were predicted, bool [K]; the others are 0.

    Raises:
      UserError: no joint set has that number of joints, or an image id is unknown.
    """
    unknown = ~np.isin(predictions.image_ids, annotations.image_ids)
    if unknown.any():
        raise UserError(
            f"{name}: a prediction's 'image_id' {predictions.image_ids[unknown][0]} is not among the ground truth's "
            "images; check that both files belong together"
        )
    return map_to_skeleton(predictions, annotations.skeleton, name)


def map_to_skeleton(
    predictions: PosePredictions, skeleton: Skeleton, name: os.PathLike[str] | str = "predictions"
) -> tuple[PosePredictions, np.ndarray]:
    """As ``map_to``, with the joints of a ``Skeleton`` and whatever the images."""
    source = skeletons.with_num_joints(predictions.num_joints)
    if source is None:
        counts = ", ".join(str(skeleton.num_joints) for skeleton in skeletons.SKELETONS.values())
        raise UserError(f"{name}: poses have {predictions.num_joints} joints; known are poses of {counts} joints")
    order = skeleton.mapping_from(source)
    keypoints = np.where(order[None, :, None] >= 0, predictions.keypoints[:, order], 0.0)
    return dataclasses.replace(predictions, keypoints=keypoints), order >= 0


def joint_boxes(keypoints: np.ndarray, scored_only: bool) -> np.ndarray:
    """Boxes (x, y, w, h) around all joints or those of a score above 0: [N, K, 3] -> [N, 4]."""
    present = (keypoints[..., 2:] > 0.0) | (not scored_only)
    present |= ~present.any(axis=1, keepdims=True)
    low = np.where(present, keypoints[..., :2], np.inf).min(axis=1)
    high = np.where(present, keypoints[..., :2], -np.inf).max(axis=1)
    return np.concatenate([low, high - low], axis=-1)
