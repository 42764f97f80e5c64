"""A contact sheet of pasted pairs, for looking at them."""

from __future__ import annotations

import os

import cv2
import numpy as np

from opec_tf.poses import drawing, skeletons
from opec_tf.poses.boxes import iou
from opec_tf.poses.pose_annotations import PoseAnnotations

_PAIRS, _COLUMNS, _CELL = 12, 4, 360
_ROOM = 0.3  # shown on every side of a pair, of its longer side


def write(path: os.PathLike[str] | str, people: PoseAnnotations) -> None:
    """Writes a sheet of pairs spread over the data set, each bare and drawn over, hidden joints hollow.

    The title says the picture's id, the IoU of the boxes and how many of the joints of the person behind are hidden.

    Args:
      path: the picture to be written.
      people: of each image first the person behind, then the one in front.
    """
    rows_by_image = people.rows_by_image()
    shown = np.unique(np.linspace(0, people.num_images - 1, _PAIRS).astype(int))
    cells, titles = [], []
    for image in shown.tolist():
        cells += _draw(people, image, rows_by_image[image])
        behind, in_front = rows_by_image[image][:2]
        overlap = iou(people.boxes[[behind]], people.boxes[[in_front]])[0, 0]
        hidden = np.sum(people.keypoints[behind, :, 2] == skeletons.OCCLUDED)
        titles += [f"{people.image_ids[image]}", f"box IoU {overlap:.2f}, {hidden} hidden"]
    drawing.write_image(path, drawing.contact_sheet(cells, _COLUMNS, titles, (_CELL, _CELL)))


def _draw(people: PoseAnnotations, image: int, rows: np.ndarray) -> list[np.ndarray]:
    """The part of a picture around a pair, bare and with its people; in a cell's size, so that lines are as fine."""
    picture = cv2.cvtColor(cv2.imread(str(people.image_paths[image])), cv2.COLOR_BGR2RGB)
    left, top, right, bottom = _around(people.boxes[rows[:2]], picture.shape)
    scale = _CELL / max(right - left, bottom - top)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    part = cv2.resize(picture[top:bottom, left:right], None, fx=scale, fy=scale, interpolation=how)
    keypoints = people.keypoints[rows].copy()
    keypoints[..., :2] = (keypoints[..., :2] - [left, top] + 0.5) * scale - 0.5
    hidden = keypoints[..., 2] == skeletons.OCCLUDED
    return [part, drawing.draw_people(part, keypoints, people.skeleton, hidden)]


def _around(boxes: np.ndarray, shape: tuple[int, ...]) -> list[int]:
    """The window (left, top, right, bottom) of a picture around boxes [N, 4] (x, y, w, h), with room on all sides."""
    low, high = boxes[:, :2].min(axis=0), (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
    room = _ROOM * (high - low).max()
    extent = [shape[1], shape[0]]
    low, high = np.clip(low - room, 0, extent), np.clip(high + room, 0, extent)
    return [*np.floor(low).astype(int).tolist(), *np.ceil(high).astype(int).tolist()]
