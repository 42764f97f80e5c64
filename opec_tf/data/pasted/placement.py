"""Where a cut-out goes in another person's picture."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from opec_tf.data.pasted import masks
from opec_tf.poses.boxes import iou

_CANDIDATES = 256
# People are as tall as each other, with this deviation of the logarithm, within these bounds.
_SCALE_SPREAD, _MAX_SCALE_CHANGE = 0.1, 1.25
# How many joints of the person behind are to be hidden.
HIDDEN_JOINTS = (2, 8)
# The cost of a placement: what is off, in units of these. Below GOOD_COST nothing is off by much.
_IOU_TOLERANCE = 0.1
_MAX_OUTSIDE = 0.15  # share of the cut-out's box that may lie outside the picture
GOOD_COST = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Placement:
    """A window of one picture, resized, mirrored or not, laid over another at whole pixels; or many, [...], of them.

    Attributes:
      window: int [4], (x, y, width, height) of the window in the picture it is cut from, pixels.
      size: int [..., 2], (width, height) it is resized to.
      corner: int [..., 2], (x, y) of its upper left pixel in the other picture; may lie outside.
      mirrored: bool [...], whether left and right are swapped, after resizing.
    """

    window: np.ndarray
    size: np.ndarray
    corner: np.ndarray
    mirrored: np.ndarray

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Placement:
        """The placement that ``to_json`` gave."""
        return cls(**{name: np.array(numbers) for name, numbers in value.items()})

    def to_json(self) -> dict[str, Any]:
        """The placement as a JSON object."""
        return {field.name: getattr(self, field.name).tolist() for field in dataclasses.fields(self)}

    def __getitem__(self, index: int) -> Placement:
        """One of many."""
        return Placement(self.window, self.size[index], self.corner[index], self.mirrored[index])

    @functools.cached_property
    def _affine(self) -> tuple[np.ndarray, np.ndarray]:
        """Scale and offset [..., 2] of x and y: pixel centres at integers, outer edges on outer edges (geometry.py)."""
        scale = self.size / self.window[2:]
        offset = (0.5 - self.window[:2]) * scale - 0.5
        mirrored = np.stack([self.mirrored, np.zeros_like(self.mirrored)], axis=-1)
        offset = np.where(mirrored, self.size - 1.0 - offset, offset)
        return np.where(mirrored, -scale, scale), offset + self.corner

    def points(self, points: np.ndarray) -> np.ndarray:
        """Points [N, 2] (x, y) of the one picture -> of the other, [..., N, 2]."""
        scale, offset = self._affine
        return points * scale[..., None, :] + offset[..., None, :]

    def inverse_points(self, points: np.ndarray) -> np.ndarray:
        """Points [N, 2] (x, y) of the other picture -> of the one, [..., N, 2]."""
        scale, offset = self._affine
        return (points - offset[..., None, :]) / scale[..., None, :]

    def box(self, box: np.ndarray) -> np.ndarray:
        """A box [4] (x, y, w, h) of the one picture -> of the other, [..., 4]."""
        first, second = np.moveaxis(self.points(np.stack([box[:2], box[:2] + box[2:]]) - 0.5) + 0.5, -2, 0)
        low = np.minimum(first, second)
        return np.concatenate([low, np.maximum(first, second) - low], axis=-1)


@dataclasses.dataclass(frozen=True, eq=False)
class CutOut:
    """A person to be cut out.

    Attributes:
      mask: uint8 [h, w] over the whole picture.
      window: int [4], (x, y, width, height) around the mask.
      box: [4], (x, y, w, h), what the file gives.
    """

    mask: np.ndarray
    window: np.ndarray
    box: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Place:
    """The picture of the person behind.

    Attributes:
      picture: (width, height).
      box: [4], (x, y, w, h) of the person behind.
      joints: [P, K, 2], (x, y) of everybody in it; the first is the person behind.
      labelled: bool [P, K], the joints that are labelled, within the picture.
    """

    picture: tuple[int, int]
    box: np.ndarray
    joints: np.ndarray
    labelled: np.ndarray


def choose(
    rng: np.random.Generator, cut_out: CutOut, place: Place, scale: float, target_iou: float
) -> tuple[Placement, float]:
    """The best of random placements, and its cost.

    The two boxes are to have an IoU near the target, the person behind 2 to 8 hidden joints where it can be had,
    nobody else loses every joint, and not much of the cut-out lies outside the picture. The feet stand on about the
    same line, those of the person in front rather below.

    Args:
      rng: the source of chance.
      cut_out: who is laid over.
      place: what over.
      scale: pixels in the place per pixel of the cut-out at which both people are of one size.
      target_iou: wanted IoU of the two boxes.
    """
    candidates = _draw(rng, cut_out, place, scale)
    whole = candidates.box(cut_out.box)
    boxes = clip(whole, place.picture)
    cost = np.abs(iou(boxes, place.box[None])[:, 0] - target_iou) / _IOU_TOLERANCE
    outside = 1.0 - np.prod(boxes[:, 2:], axis=1) / np.prod(whole[:, 2:], axis=1)
    cost += 10.0 * np.maximum(outside - _MAX_OUTSIDE, 0.0)
    hidden = masks.covered(cut_out.mask, candidates.inverse_points(place.joints.reshape(-1, 2)))
    cost += _cost_of_hiding(hidden.reshape(-1, *place.labelled.shape) & place.labelled, place.labelled)
    best = int(np.argmin(cost))
    return candidates[best], float(cost[best])


def clip(boxes: np.ndarray, picture: tuple[int, int]) -> np.ndarray:
    """Boxes [..., 4] (x, y, w, h) cut to a picture of (width, height); without extent where they miss it."""
    low = np.clip(boxes[..., :2], 0.0, picture)
    high = np.clip(boxes[..., :2] + boxes[..., 2:], 0.0, picture)
    return np.concatenate([low, high - low], axis=-1)


def _draw(rng: np.random.Generator, cut_out: CutOut, place: Place, scale: float) -> Placement:
    """Random placements near the person behind."""
    change = np.exp(_SCALE_SPREAD * rng.normal(size=[_CANDIDATES, 1]))
    change = np.clip(change, 1.0 / _MAX_SCALE_CHANGE, _MAX_SCALE_CHANGE)
    size = np.maximum(np.round(cut_out.window[2:] * scale * change), 2).astype(int)
    candidates = Placement(cut_out.window, size, np.zeros_like(size), rng.random(_CANDIDATES) < 0.5)
    x, y, width, height = candidates.box(cut_out.box).T
    left, top, behind_width, behind_height = place.box
    aside = rng.uniform(-0.6, 0.6, _CANDIDATES) * (width + behind_width) / 2.0
    below = rng.normal(0.03, 0.1, _CANDIDATES) * behind_height
    move_x = left + behind_width / 2.0 + aside - (x + width / 2.0)
    move_y = top + behind_height + below - (y + height)
    corner = np.round(np.stack([move_x, move_y], axis=-1)).astype(int)
    return dataclasses.replace(candidates, corner=corner)


def _cost_of_hiding(hidden: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """The cost [C] of joints bool [C, P, K] being hidden, of those labelled, bool [P, K]."""
    least, most = HIDDEN_JOINTS
    count = hidden.sum(axis=2)
    gone = (count == labelled.sum(axis=1)) & (count > 0)
    return np.maximum(least - count[:, 0], 0) + np.maximum(count[:, 0] - most, 0) + 4.0 * gone[:, 1:].sum(axis=1)
