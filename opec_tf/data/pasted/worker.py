"""A process that makes pasted pairs (see ``data.processes``): of each job it tries every person who could be laid over.

A job, as ``dataset`` writes it: ``path`` of the JPEG to be made, ``number`` of split and picture, ``iou`` that the
boxes should have, ``behind`` and the alternatives ``in_front``. Each of these people has ``path`` and ``size`` (width,
height) of the own picture and ``box``; the one behind, besides, ``joints`` [P, K, 3] of everybody in the picture; the
others ``row``, ``scale`` at which they are as tall as the one behind, ``segmentation`` and ``name``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.data import processes
from opec_tf.data.pasted import masks, paste, placement
from opec_tf.data.pasted.placement import CutOut, Place, Placement
from opec_tf.poses import skeletons

_MARGIN = 3  # pixels of the window around a mask: the soft edge
_JPEG_QUALITY = (85, 96)


def make(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Makes the pictures of a task's ``jobs`` with its ``seed``; yields of each what ``labels.Pair`` needs."""
    for job in task["jobs"]:
        # A generator of its own makes a picture the same whichever process makes it and whatever came before.
        rng = np.random.default_rng([task["seed"], *job["number"]])
        place = _place(job["behind"])
        chosen, cut_out, where = _choose(rng, job, place)
        picture, other = _read(job["behind"]), _read(chosen)
        pasted, opacity = paste.paste(picture, other, cut_out.mask, where)
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(*_JPEG_QUALITY))]
        processes.write_picture(job["path"], cv2.imencode(".jpg", pasted, quality)[1].tobytes())
        hidden = masks.covered(opacity > 0.5, place.joints) & place.labelled
        yield {
            "path": job["path"],
            "in_front": chosen["row"],
            "placement": where.to_json(),
            "hidden": hidden.tolist(),
        }


def _place(behind: dict[str, Any]) -> Place:
    joints = np.array(behind["joints"])
    points, width_height = joints[..., :2], np.array(behind["size"])
    inside = ((points >= -0.5) & (points <= width_height - 0.5)).all(axis=-1)
    labelled = inside & (joints[..., 2] != skeletons.UNLABELLED)
    return Place(tuple(behind["size"]), np.array(behind["box"]), points, labelled)


def _choose(rng: np.random.Generator, job: dict[str, Any], place: Place) -> tuple[dict[str, Any], CutOut, Placement]:
    """The first of the people who could be laid over that has a good place, or else the one with the best."""
    tried = []
    for person in job["in_front"]:
        cut_out = _cut_out(person)
        where, cost = placement.choose(rng, cut_out, place, person["scale"], job["iou"])
        tried.append((cost, len(tried), person, cut_out, where))
        if cost < placement.GOOD_COST:
            break
    _, _, person, cut_out, where = min(tried, key=lambda attempt: attempt[:2])
    return person, cut_out, where


def _cut_out(person: dict[str, Any]) -> CutOut:
    width, height = person["size"]
    mask = masks.decode(person["segmentation"], height, width, person["name"])
    left, top, extent_x, extent_y = cv2.boundingRect(mask)
    low = np.maximum([left - _MARGIN, top - _MARGIN], 0)
    high = np.minimum([left + extent_x + _MARGIN, top + extent_y + _MARGIN], [width, height])
    return CutOut(mask, np.concatenate([low, high - low]), np.array(person["box"]))


def _read(person: dict[str, Any]) -> np.ndarray:
    """A person's picture, BGR uint8 [h, w, 3], upright.

    Raises:
      UserError: it is damaged or has another size than the file says.
    """
    picture = cv2.imread(person["path"], cv2.IMREAD_COLOR)
    if picture is None:
        raise UserError(f"{person['path']}: cannot be decoded; replace it or take it out of the annotation file")
    size = [picture.shape[1], picture.shape[0]]
    if size != list(person["size"]):
        stated, found = (f"{width} x {height}" for width, height in (person["size"], size))
        raise UserError(f"{person['path']}: is {found} pixels, its annotations say {stated}; correct either")
    return picture


if __name__ == "__main__":
    processes.serve(make)
