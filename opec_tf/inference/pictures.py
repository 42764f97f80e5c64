"""What a caller of ``PoseModel.predict`` hands over, checked: pictures, boxes and poses, as files or arrays."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Union

import numpy as np
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.data import image_files
from opec_tf.inference import person_boxes
from opec_tf.inference.people import ListedPeople
from opec_tf.inference.person_boxes import PersonBoxes
from opec_tf.poses import picture_files, predictions
from opec_tf.poses.predictions import PosePredictions
from opec_tf.poses.skeletons import Skeleton

# A file, or RGB uint8 [h, w, 3].
Picture = Union[str, "os.PathLike[str]", np.ndarray]
# Numbers of one picture's people, an array or lists; or of several pictures, a list of such.
Numbers = Union[np.ndarray, Sequence]


class Pictures:
    """Some pictures as a ``frames.Source``; one that cannot be used is an error.

    Args:
      pictures: files or arrays.

    Raises:
      UserError: one is neither a readable image file nor RGB uint8 [h, w, 3].
    """

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self._pictures = [_checked_picture(i, picture) for i, picture in enumerate(pictures)]
        self.names = ["" if isinstance(picture, np.ndarray) else picture.name for picture in self._pictures]
        self.ids = np.arange(1, len(self._pictures) + 1, dtype=np.int64)
        self.skipped: list[str] = []

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, row: int) -> np.ndarray | pathlib.Path:
        return self._pictures[row]

    def start_at(self, first: int) -> Iterator[tuple[int, np.ndarray]]:
        """Iterates over (row, RGB uint8 [h, w, 3]) from a row on."""
        for row in range(first, len(self._pictures)):
            yield row, self.pixels(row)

    def pixels(self, row: int) -> np.ndarray:
        """A picture, decoded, RGB uint8 [h, w, 3].

        Raises:
          UserError: the file is damaged.
        """
        picture = self._pictures[row]
        if isinstance(picture, np.ndarray):
            return picture
        try:
            return picture_files.decode(picture.read_bytes()).numpy()
        except (OSError, ValueError, tf.errors.InvalidArgumentError) as error:
            fault = image_files.find_fault(picture, quick=False, with_opencv=True) or f"cannot be decoded ({error})"
            raise UserError(f"{picture}: {fault}; replace the file") from error


def people(pictures: Pictures, boxes: Numbers | None, poses: Numbers | None, skeleton: Skeleton) -> ListedPeople:
    """The people whose boxes are given, or whose poses are, which are to be refined.

    Args:
      pictures: M pictures.
      boxes: M arrays [N, 4], (x, y, w, h); None: the boxes around the joints that are given.
      poses: M arrays [N, K, 3], (x, y, score), a score of 0 for a joint that is not given; None: the network makes its
        own. K is the number of the model's joints or of another joint set, which is mapped by name.
      skeleton: the model's joints.

    Raises:
      UserError: an array is missing or has another shape, a number is not finite, or a box is none.
    """
    keypoints, name = None, "boxes"
    if poses is not None:
        _check_count(pictures, poses, "initial_poses")
        keypoints = [_checked_poses(row, given, skeleton) for row, given in enumerate(poses)]
    if boxes is None:
        name, boxes = "initial_poses", [predictions.joint_boxes(given, scored_only=True) for given in keypoints or ()]
    _check_count(pictures, boxes, name)
    checked = [_checked_boxes(pictures, row, given, name) for row, given in enumerate(boxes)]
    for row, (own, given) in enumerate(zip(checked, keypoints or ())):
        if len(own) != len(given):
            raise UserError(f"boxes of picture {row}: {len(own)} boxes for {len(given)} poses; give one a pose")
    rows = np.repeat(np.arange(len(checked)), [len(own) for own in checked])
    people_boxes = np.concatenate([np.zeros([0, 4]), *checked])
    return ListedPeople(PersonBoxes(rows, people_boxes, poses=_joined(keypoints, skeleton)), name)


def _joined(keypoints: list[np.ndarray] | None, skeleton: Skeleton) -> np.ndarray | None:
    return None if keypoints is None else np.concatenate([np.zeros([0, skeleton.num_joints, 3]), *keypoints])


def _checked_picture(row: int, picture: Picture) -> np.ndarray | pathlib.Path:
    if isinstance(picture, (str, os.PathLike)):
        fault = image_files.find_fault(picture, with_opencv=True)
        if fault:
            raise UserError(f"{os.fspath(picture)}: {fault}; give a JPEG, PNG, BMP, GIF, WebP or TIFF file")
        return pathlib.Path(picture)
    name = f"picture {row}"
    if not isinstance(picture, np.ndarray):
        raise UserError(f"{name}: is {type(picture).__name__}; give a path, an RGB uint8 array, or a list of them")
    if picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 1):
        raise UserError(f"{name}: is grey, {list(picture.shape)}; give RGB, such as np.dstack([image] * 3)")
    if picture.ndim == 4:
        raise UserError(f"{name}: has the shape {list(picture.shape)}; give a batch as a list of pictures")
    if picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise UserError(f"{name}: has the shape {list(picture.shape)}; give RGB, [height, width, 3]")
    if picture.dtype != np.uint8:
        raise UserError(f"{name}: holds {picture.dtype}; give uint8, 0 to 255, such as (255 * image).astype('uint8')")
    return picture


def _check_count(pictures: Pictures, given: Numbers, name: str) -> None:
    if len(given) != len(pictures):
        raise UserError(f"{name}: {len(given)} arrays for {len(pictures)} pictures; give one a picture")


def _checked_boxes(pictures: Pictures, row: int, given: Numbers, name: str) -> np.ndarray:
    """float64 [N, 4], all of which have an area and meet their picture."""
    name, boxes = f"{name} of picture {row}", _numbers(given)
    if boxes is None or (boxes.size and (boxes.ndim != 2 or boxes.shape[1] != 4)):
        shape = "no array of numbers" if boxes is None else f"of the shape {list(boxes.shape)}"
        raise UserError(f"{name}: is {shape}; give [N, 4], (x, y, w, h) in pixels, a row a person")
    boxes = boxes.reshape(-1, 4)
    usable = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    if not usable.all():
        raise UserError(f"{name}: {boxes[~usable][0].tolist()} has no area; give (x, y, w, h) with w and h above 0")
    if len(boxes):
        inside = person_boxes.inside(boxes, pictures.pixels(row).shape[:2])
        if not inside.all():
            raise UserError(f"{name}: {boxes[~inside][0].tolist()} lies outside the picture; give pixels of it")
    return boxes


def _checked_poses(row: int, given: Numbers, skeleton: Skeleton) -> np.ndarray:
    """float64 [N, K, 3] of the model's joints, scores within 0..1."""
    name, poses = f"initial_poses of picture {row}", _numbers(given)
    if poses is not None and not poses.size:
        return np.zeros([0, skeleton.num_joints, 3])
    if poses is None or poses.ndim != 3 or poses.shape[2] != 3 or not np.isfinite(poses).all():
        shape = "no array of numbers" if poses is None else f"of the shape {list(poses.shape)} or not finite"
        raise UserError(f"{name}: is {shape}; give [N, K, 3], (x, y, score), a score of 0 for a joint not found")
    poses = np.concatenate([poses[..., :2], poses[..., 2:].clip(0.0, 1.0)], axis=-1)
    ones = np.ones(len(poses))
    found = PosePredictions(ones, poses, ones, np.zeros([len(poses), 4]))
    return predictions.map_to_skeleton(found, skeleton, name)[0].keypoints


def _numbers(given: Numbers) -> np.ndarray | None:
    """The numbers as float64; None where they are none or of no regular shape."""
    try:
        return np.asarray(given, np.float64)
    except (TypeError, ValueError):
        return None
