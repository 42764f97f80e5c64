"""A large set of pictures as groups that are predicted one by one, wherever: a group, and what predicts it.

A group gives the same results as within ``results.write_predictions`` of the whole set, to the last digit on the same
kind of processor, since ``chunks`` estimates each group by itself and the batch size follows from the whole set.
"""

from __future__ import annotations

import atexit
import dataclasses
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from opec_tf.common.limits import MAX_PIXELS
from opec_tf.common.progress import Progress
from opec_tf.config import DetectorConfig, InferenceConfig
from opec_tf.data import image_files
from opec_tf.inference import chunks, people, pose_model, results
from opec_tf.inference.frames import ImageFiles
from opec_tf.inference.pose_estimator import Estimator
from opec_tf.poses import picture_files


@dataclasses.dataclass(frozen=True)
class PictureGroup:
    """Pictures that follow one another in a set.

    Attributes:
      paths, names, ids: of each picture, as ``frames.ImageFiles`` has them.
      set_size: how many pictures the whole set has.
      contents: the files' bytes; or, in words that go on after its name, why a file cannot be read.
    """

    paths: tuple[str, ...]
    names: tuple[str, ...]
    ids: tuple[int, ...]
    set_size: int
    contents: tuple[bytes | str, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)

    def with_contents(self, contents: Iterable[bytes | str]) -> PictureGroup:
        """The group with its files' contents."""
        return dataclasses.replace(self, contents=tuple(contents))


@dataclasses.dataclass(frozen=True)
class GroupResults:
    """What was found in a group.

    Attributes:
      people: COCO results with file names.
      unreadable: {"file_name", "path", "reason"} of each picture that could not be read.
    """

    people: list[dict[str, Any]]
    unreadable: list[dict[str, str]]


def split(paths: Sequence[str], root: str) -> Iterator[PictureGroup]:
    """The groups of a set, without contents; ``paths`` and ``root`` as of ``frames.ImageFiles``."""
    whole = ImageFiles(paths, root, strict=False)
    for first in range(0, len(whole), chunks.GROUP_FRAMES):
        rows = slice(first, first + chunks.GROUP_FRAMES)
        names, ids = tuple(whole.names[rows]), tuple(whole.ids[rows].tolist())
        yield PictureGroup(tuple(whole.paths[rows]), names, ids, len(whole))


class GroupPredictor:
    """A model and a detector, loaded once, that predict groups of pictures; threads take turns.

    Args:
      root, stage: as of ``pose_model.load``.
      detector: as of ``people.by_detector``.
      detector_config, inference_config: which boxes are kept, and how the model is run.
      max_pixels: a picture of more is not read.

    Raises:
      UserError: the model or the detector cannot be loaded.
    """

    def __init__(
        self,
        root: str,
        stage: str | None,
        detector: str,
        detector_config: DetectorConfig,
        inference_config: InferenceConfig,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self._people = people.by_detector(detector, detector_config)
        self._model = pose_model.load(root, stage).starting_from_poses_of(self._people)
        self._inference_config, self._max_pixels = inference_config, max_pixels
        self._estimators: dict[int, Estimator] = {}
        self._lock = threading.Lock()
        self._meter = Progress("predicting", "images")
        atexit.register(self._end)  # a worker is told of none

    def predict(self, group: PictureGroup) -> GroupResults:
        """The people of a group whose contents have been read.

        Raises:
          UserError: the model's poses are not finite numbers.
        """
        with self._lock:
            source, found = _Decoded(group, self._max_pixels), []
            estimator = self._estimator(group.set_size)
            for chunk, estimates in chunks.estimated(estimator, source, self._people):
                found += results.coco_results(chunk, estimates, source, self._model.skeleton)
            self._meter.update(len(group))
        return GroupResults(found, source.unreadable)

    def _end(self) -> None:
        """At the end of the process: whoever keeps this object longer than TensorFlow lives keeps no graph of its."""
        self._meter.close()
        self._estimators.clear()
        del self._model, self._people

    def _estimator(self, set_size: int) -> Estimator:
        if set_size not in self._estimators:
            expected = self._people.expected(set_size)
            self._estimators[set_size] = self._model.estimator(self._inference_config, expected)
        return self._estimators[set_size]


class _Decoded:
    """The pictures of a group as a ``frames.Source``.

    Attributes:
      unreadable: see ``GroupResults``, so far as they have been iterated over.
    """

    def __init__(self, group: PictureGroup, max_pixels: int) -> None:
        self._group, self._max_pixels = group, max_pixels
        self.names, self.ids = list(group.names), np.array(group.ids, np.int64)
        self.skipped: list[str] = []
        self.unreadable: list[dict[str, str]] = []

    def __len__(self) -> int:
        return len(self._group)

    def start_at(self, first: int) -> Iterator[tuple[int, np.ndarray]]:
        """Iterates over (row, RGB uint8 [h, w, 3]) from a row on."""
        for row in range(first, len(self)):
            image = _decode(self._group.contents[row], self._max_pixels)
            if isinstance(image, str):
                path = self._group.paths[row]
                self.skipped.append(path)
                self.unreadable.append({"file_name": self.names[row], "path": path, "reason": image})
            else:
                yield row, image


def _decode(content: bytes | str, max_pixels: int) -> np.ndarray | str:
    """A picture, RGB uint8 [h, w, 3]; or why it is none."""
    if isinstance(content, str):
        return content
    try:
        return picture_files.decode(tf.constant(content), max_pixels).numpy()
    except (ValueError, tf.errors.OpError) as error:
        return image_files.find_fault_of_content(content, max_pixels) or f"cannot be decoded ({error})"
