"""A process that renders couples: a job as JSON on stdin, the annotations of one picture per line on stdout.

Its own small program rather than ``multiprocessing``, whose children would import the parent's main module, and
TensorFlow with it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import NamedTuple, TypedDict

import cv2
import numpy as np

from opec_tf.data.synthetic import couple


class Picture(NamedTuple):
    """One picture of a job."""

    path: str  # of the JPEG
    split: int
    number: int
    held_out: bool


class Job(TypedDict):
    """What a worker is told; JSON makes a plain list of a ``Picture``."""

    seed: int
    image_size: int
    pictures: list[Picture]


class Record(TypedDict):
    """What a worker says of a finished picture, as ``couple.Couple`` has it."""

    path: str
    keypoints: list
    boxes: list
    interaction: str


CANNOT_WRITE = 3  # exit status of a worker whose disk is full or folder gone; stderr says which file


def render(job: Job) -> Iterator[Record]:
    """Renders the pictures of a job and yields the record of each."""
    for path, split, number, held_out in job["pictures"]:
        # A generator of its own makes a picture the same whichever process draws it and whatever came before.
        rng = np.random.default_rng([job["seed"], split, number])
        picture = couple.make_couple(rng, job["image_size"], held_out)
        quality = int(rng.integers(78, 96))
        _, encoded = cv2.imencode(".jpg", picture.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        try:
            with open(path, "wb") as file:
                file.write(encoded.tobytes())
        except OSError as error:
            # A full disk's error does not say which file.
            raise OSError(error.errno, error.strerror, path) from error
        yield {
            "path": path,
            "keypoints": np.round(picture.keypoints, 2).tolist(),
            "boxes": np.round(picture.boxes, 2).tolist(),
            "interaction": picture.interaction,
        }


def main() -> None:
    cv2.setNumThreads(1)  # one process a core: threads of their own would only fight
    try:
        for record in render(json.load(sys.stdin)):
            print(json.dumps(record), flush=True)
    except OSError as error:
        print(
            f"{error.filename}: cannot be written ({error.strerror}); free some space or choose another folder",
            file=sys.stderr,
        )
        sys.exit(CANNOT_WRITE)


if __name__ == "__main__":
    main()
