"""What the outputs of the YOLO family mean, as plain functions of arrays.

A network divides its input of H x W pixels into grids of cells of 8, 16 and 32 pixels (and 64 in the larger ones) and
says of each cell, or of each of its three anchors, where a box lies and what is in it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_ANCHORS = 3  # of a YOLOv5 cell


@dataclasses.dataclass(frozen=True)
class Family:
    """What the networks of one family take and give.

    Attributes:
      name: for messages.
      decode: function of (outputs: the network's output arrays; size (height, width) of its input; class index)
        -> boxes [N, 4], (x, y, w, h) in pixels of the input, and scores [N].
      rgb: takes RGB, else BGR.
      scale: factor on values of 0..255.
      centered: the picture lies in the middle of the input, else at its top left.
      padding: grey value of the rest, 0..255.
    """

    name: str
    decode: Callable[[Sequence[np.ndarray], tuple[int, int], int], tuple[np.ndarray, np.ndarray]]
    rgb: bool
    scale: float
    centered: bool
    padding: int = 114


def grid_cells(size: tuple[int, int], strides: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Corners and sides of all cells of the grids, fine to coarse, row by row: [N, 2] (x, y) and [N, 1], pixels."""
    corners, sides = [], []
    for stride in strides:
        rows, columns = size[0] // stride, size[1] // stride
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        corners.append(stride * np.stack([x, y], axis=-1).reshape(-1, 2))
        sides.append(np.full([rows * columns, 1], stride))
    return np.concatenate(corners), np.concatenate(sides)


def decode_yolox(
    outputs: Sequence[np.ndarray], size: tuple[int, int], class_index: int
) -> tuple[np.ndarray, np.ndarray]:
    """YOLOX: [1, N, 5 + C], centre as an offset from the cell's corner in cells, log of (w, h) in cells, likelihoods
    of an object and of each class. (Ge et al., 2021; the official export leaves the decoding to its user.)"""
    (rows,) = outputs[0].astype(np.float64)
    strides = _strides(len(rows), size)
    if strides is None:
        raise ValueError(f"{len(rows)} rows are no grids of an input of {size}")
    corners, sides = grid_cells(size, strides)
    centers = rows[:, :2] * sides + corners
    # A box larger than e^20 cells is none; the bound keeps it finite.
    extents = np.exp(np.minimum(rows[:, 2:4], 20.0)) * sides
    return _boxes(centers, extents), rows[:, 4] * rows[:, 5 + class_index]


def decode_yolov5(
    outputs: Sequence[np.ndarray], size: tuple[int, int], class_index: int
) -> tuple[np.ndarray, np.ndarray]:
    """YOLOv5: [1, 3 N, 5 + C], (x, y) of the centre and (w, h) in pixels, likelihoods of an object and of classes."""
    (rows,) = outputs[0].astype(np.float64)
    return _boxes(rows[:, :2], rows[:, 2:4]), rows[:, 4] * rows[:, 5 + class_index]


def decode_yolov8(
    outputs: Sequence[np.ndarray], size: tuple[int, int], class_index: int
) -> tuple[np.ndarray, np.ndarray]:
    """YOLOv8 and its successors: [1, 4 + C, N], (x, y) of the centre and (w, h) in pixels, likelihoods of classes."""
    rows = outputs[0][0].T.astype(np.float64)
    return _boxes(rows[:, :2], rows[:, 2:4]), rows[:, 4 + class_index]


def decode_darknet(
    outputs: Sequence[np.ndarray], size: tuple[int, int], class_index: int
) -> tuple[np.ndarray, np.ndarray]:
    """Darknet's yolo layers as OpenCV gives them: [N, 5 + C] each, (x, y) of the centre and (w, h) as shares of the
    input, likelihood of an object, and the product of that and each class's (0 where it is below 0.2)."""
    rows = np.concatenate(outputs).astype(np.float64)
    extent = np.array(size[::-1], float)
    return _boxes(rows[:, :2] * extent, rows[:, 2:4] * extent), rows[:, 5 + class_index]


YOLOX = Family("YOLOX", decode_yolox, rgb=False, scale=1.0, centered=False)
YOLOV5 = Family("YOLOv5", decode_yolov5, rgb=True, scale=1 / 255, centered=True)
YOLOV8 = Family("YOLOv8", decode_yolov8, rgb=True, scale=1 / 255, centered=True)
# Darknet embeds a picture in the middle of grey.
DARKNET = Family("Darknet", decode_darknet, rgb=True, scale=1 / 255, centered=True, padding=127)


def family_of(shapes: Sequence[tuple[int, ...]], size: tuple[int, int]) -> tuple[Family, int] | None:
    """The family of an ONNX network by the shapes of its outputs, and its number of classes.

    Args:
      shapes: of all outputs.
      size: (height, width) of the input.

    Returns:
      (``Family``, number of classes), or None where no family has such outputs.
    """
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][0] != 1:
        return None
    _, rows, columns = shapes[0]
    if _strides(rows, size) and columns > 5:
        return YOLOX, columns - 5
    if rows % _ANCHORS == 0 and _strides(rows // _ANCHORS, size) and columns > 5:
        return YOLOV5, columns - 5
    if _strides(columns, size) and rows > 4:
        return YOLOV8, rows - 4
    return None


def _strides(count: int, size: tuple[int, int]) -> tuple[int, ...] | None:
    """The strides at which an input of ``size`` has ``count`` cells, or None."""
    height, width = size
    for strides in _STRIDES:
        if count == sum((height // stride) * (width // stride) for stride in strides):
            return strides
    return None


def _boxes(centers: np.ndarray, extents: np.ndarray) -> np.ndarray:
    return np.concatenate([centers - extents / 2.0, extents], axis=1)
