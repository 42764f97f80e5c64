"""A process that renders couples (see ``data.processes``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypedDict

import cv2
import numpy as np

from opec_tf.data import processes
from opec_tf.data.synthetic import couple


class Picture(NamedTuple):
    """One picture of a job."""

    path: str  # of the JPEG
    split: int
    number: int
    new_kinds: bool
    new_clothes: bool


class Record(TypedDict):
    """What a worker says of a finished picture, as ``couple.Couple`` has it."""

    path: str
    keypoints: list
    hidden_by: list
    boxes: list
    interaction: str


def render(task: dict[str, Any]) -> Iterator[Record]:
    """Renders the ``jobs`` of a task, ``Picture``s, with its ``seed`` and ``image_size``; yields their records."""
    for job in task["jobs"]:
        asked = Picture(**job)
        # A generator of its own makes a picture the same whichever process draws it and whatever came before.
        rng = np.random.default_rng([task["seed"], asked.split, asked.number])
        picture = couple.make_couple(rng, task["image_size"], asked.new_kinds, asked.new_clothes)
        quality = int(rng.integers(78, 96))
        _, encoded = cv2.imencode(".jpg", picture.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        processes.write_picture(asked.path, encoded.tobytes())
        yield {
            "path": asked.path,
            "keypoints": np.round(picture.keypoints, 2).tolist(),
            "hidden_by": picture.hidden_by.tolist(),
            "boxes": np.round(picture.boxes, 2).tolist(),
            "interaction": picture.interaction,
        }


if __name__ == "__main__":
    processes.serve(render)
