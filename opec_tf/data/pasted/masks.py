"""COCO segmentations as masks, and whether a mask shows a whole person."""

from __future__ import annotations

from typing import Union

import cv2
import numpy as np
from pycocotools import mask as rle

from opec_tf.common.errors import UserError

# What a COCO file holds: polygons, lists of x, y, x, y, ...; or {"size": [height, width], "counts": runs}, the runs a
# list of numbers or COCO's compressed text.
Segmentation = Union[list, dict]

# A mask that runs along its picture's border for more than this share of the window around it is cut off there. A
# toe or a hand may touch it.
_MAX_CUT = 0.12
_BORDER = 2  # pixels: segmentations often stop short of the border by one
_MIN_LARGEST_PART = 0.9
_MIN_COVERED_JOINTS = 0.75


def decode(segmentation: Segmentation, height: int, width: int, name: str) -> np.ndarray:
    """A segmentation as a mask, uint8 [height, width] of 0 and 1.

    Args:
      segmentation: polygons or runs.
      height: of the picture, pixels.
      width: of the picture, pixels.
      name: of the annotation, for messages: "FILE: annotation ID".

    Raises:
      UserError: it is neither, or of another size than the picture.
    """
    try:
        if isinstance(segmentation, dict):
            runs = segmentation
            if isinstance(runs["counts"], list):
                runs = rle.frPyObjects(runs, *runs["size"])
        else:
            outlines = [polygon for polygon in segmentation if len(polygon) >= 6]
            runs = rle.merge(rle.frPyObjects(outlines, height, width)) if outlines else {}
        mask = rle.decode(runs) if runs else np.zeros([height, width], np.uint8)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise UserError(f"{name}: 'segmentation' is neither polygons nor COCO's RLE; correct or remove it") from error
    if mask.shape != (height, width):
        size = f"{mask.shape[1]} x {mask.shape[0]}"
        raise UserError(f"{name}: 'segmentation' is of {size} pixels, its image of {width} x {height}; correct it")
    return np.ascontiguousarray(mask)


def is_whole(mask: np.ndarray, joints: np.ndarray) -> bool:
    """Whether a mask can be cut out: in one part, hardly touching its picture's border, and over most of the joints.

    A mask that the border cuts would show that straight cut in the middle of another picture; one that leaves out
    joints belongs to somebody whose legs stand behind a table.

    Args:
      mask: uint8 [h, w].
      joints: [J, 2], (x, y) in pixels, the labelled ones.
    """
    if not mask.any() or not len(joints):
        return False
    left, top, width, height = cv2.boundingRect(mask)
    sides = (mask[:, :_BORDER], mask[:, -_BORDER:], mask[:_BORDER].T, mask[-_BORDER:].T)
    touched = [side.any(axis=1).sum() for side in sides]
    if max(touched[0], touched[1]) > _MAX_CUT * height or max(touched[2], touched[3]) > _MAX_CUT * width:
        return False
    part = mask[top : top + height, left : left + width]
    _, _, parts, _ = cv2.connectedComponentsWithStats(part)
    areas = parts[1:, cv2.CC_STAT_AREA]
    return areas.max() >= _MIN_LARGEST_PART * areas.sum() and covered(mask, joints).mean() >= _MIN_COVERED_JOINTS


def excess(mask: np.ndarray, limbs: np.ndarray, width: float) -> float:
    """The share of a mask that belongs to no limb: what else it shows, such as a horse or somebody else.

    Args:
      mask: uint8 [h, w].
      limbs: [L, 2, 2], the two ends (x, y) of each.
      width: what belongs to a limb lies within half of this of it, pixels.
    """
    body = np.zeros_like(mask)
    for start, end in np.round(limbs).astype(int).tolist():
        cv2.line(body, start, end, 1, max(1, round(width)))
    return 1.0 - float(cv2.countNonZero(mask & body)) / max(cv2.countNonZero(mask), 1)


def covered(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether a mask [h, w] is set at the pixels of points [..., 2] (x, y); bool [...], False outside the picture."""
    x, y = np.moveaxis(np.round(points).astype(np.int64), -1, 0)
    height, width = mask.shape
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return inside & (mask[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] > 0)
