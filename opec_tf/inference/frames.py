"""Where pictures to predict on come from: image files or a video. Both give upright RGB frames, one after the other."""

from __future__ import annotations

import glob
import logging
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Protocol

import cv2
import numpy as np
import tensorflow as tf

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.data import image_files
from opec_tf.inference.videos import Video
from opec_tf.poses import images

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif")


class Source(Protocol):
    """Frames, one after the other.

    Attributes:
      names: a file name for each frame's record.
      ids: int64, one a frame.
      skipped: paths that could not be read, so far as they have been iterated over.
    """

    names: list[str]
    ids: np.ndarray
    skipped: list[str]

    def __len__(self) -> int: ...

    def sizes(self) -> np.ndarray:
        """The (height, width) of each frame, int [M, 2]; 0 where only decoding would tell."""
        ...

    def start_at(self, first: int) -> Iterator[tuple[int, np.ndarray]]:
        """Iterates over (row, RGB uint8 [h, w, 3]) from a row on."""
        ...


def open_source(pattern: str, strict: bool, but: str | None = None) -> ImageFiles | Video:
    """The pictures that a file name, a folder (with its subfolders) or a glob stands for.

    A single file whose content is no picture but a video is a video. Pictures in the folder ``but``, where drawings go,
    are left out, and so are files that are being written.

    Raises:
      UserError: nothing matches.
    """
    if os.path.isdir(pattern):
        found = [os.path.join(folder, name) for folder, _, names in os.walk(pattern) for name in names]
        paths = _inputs((path for path in found if path.lower().endswith(_IMAGE_SUFFIXES)), but)
        if not paths:
            raise UserError(f"{pattern}: the folder holds no image ({' '.join(_IMAGE_SUFFIXES)}); check --images")
        return ImageFiles(paths, pattern, strict)
    # A file's own name may contain the characters of a pattern.
    matches = filter(os.path.isfile, glob.glob(pattern, recursive=True))
    paths = [pattern] if os.path.exists(pattern) else _inputs(matches, but)
    if not paths:
        raise UserError(
            f"{pattern}: no file matches; check --images (quote a pattern, so that the shell leaves it alone)"
        )
    if len(paths) == 1 and image_files.find_fault(paths[0]) and Video.is_video(paths[0]):
        return Video(paths[0])
    return ImageFiles(paths, os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths]), strict)


def _inputs(paths: Iterable[str], but: str | None) -> list[str]:
    """Sorted, without what lies in the folder ``but`` or is an unfinished file of ours."""
    made = os.path.realpath(but) + os.sep if but else None
    return sorted(
        path for path in paths if not files.is_partial(path) and not (made and os.path.realpath(path).startswith(made))
    )


class ImageFiles:
    """Image files, decoded ahead in parallel. Unreadable ones are left out, or an error under ``strict``.

    Args:
      paths: the files.
      root: folder that they are all in; frames are named by their paths from there.
      strict: an unreadable file is an error.

    Attributes:
      ids: the numbers that the files are named by, as COCO and CrowdPose name theirs ("000000000785.jpg"), where all
        of them are; else 1, 2, ... in order.
      skipped: paths that could not be read, so far as they have been iterated over.
    """

    def __init__(self, paths: Sequence[str], root: str, strict: bool) -> None:
        self.paths, self.strict = paths, strict
        self.skipped: list[str] = []
        self.names = [os.path.relpath(path, root) for path in paths]
        stems = [os.path.splitext(os.path.basename(path))[0] for path in paths]
        numbers = {int(stem) for stem in stems if stem.isascii() and stem.isdecimal() and len(stem) < 18}
        named_by_number = len(numbers) == len(stems)
        self.ids = np.array([int(stem) for stem in stems] if named_by_number else range(1, len(stems) + 1), np.int64)

    def __len__(self) -> int:
        return len(self.paths)

    def sizes(self) -> np.ndarray:
        """The (height, width) of each file, int [M, 2]; 0 where its header does not tell."""
        return image_files.sizes(self.paths)

    def start_at(self, first: int) -> Iterator[tuple[int, np.ndarray]]:
        """Iterates over (row, RGB uint8 [h, w, 3]) from a row on."""
        paths = tf.constant(self.paths[first:], tf.string)
        dataset = tf.data.Dataset.from_tensor_slices(paths).enumerate(first)
        dataset = dataset.map(
            lambda row, path: (row, images.decode(tf.io.read_file(path))), num_parallel_calls=tf.data.AUTOTUNE
        )
        if not self.strict:
            dataset = dataset.ignore_errors()
        expected = first
        with image_files.naming_unreadable(self.paths[first:]):
            for row, image in dataset.prefetch(2):
                self._skip(range(expected, int(row)))
                expected = int(row) + 1
                yield int(row), image.numpy()
        self._skip(range(expected, len(self.paths)))

    def _skip(self, rows: Iterable[int]) -> None:
        for row in rows:
            path = self.paths[row]
            logging.getLogger(__name__).warning("%s: %s; skipped", path, image_files.find_fault(path, quick=False))
            self.skipped.append(path)


class VideoWriter:
    """Writes RGB frames of one size as an MP4 file that is whole once the block ends, or absent.

    Where the block ends by an error, NAME.partial.mp4 beside it has the frames so far.

    Args:
      path: the file, ending in ".mp4".
      rate: frames a second.
    """

    def __init__(self, path: pathlib.Path, rate: float) -> None:
        self.path, self.rate = pathlib.Path(path), rate
        self._partial = self.path.with_suffix(f".partial{self.path.suffix}")
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> VideoWriter:
        self._target = files.atomic_path(self.path)
        self._temporary = self._target.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._writer:
            self._writer.release()
            if kind:
                os.replace(self._temporary, self._partial)
            else:
                self._partial.unlink(missing_ok=True)
        self._target.__exit__(kind, error, traceback)

    def write(self, image: np.ndarray) -> None:
        """Appends a frame, RGB uint8 [h, w, 3].

        Raises:
          UserError: the video cannot be written.
        """
        # MPEG-4 halves the colour channels' resolution, hence sides must be even.
        height, width = image.shape[:2]
        image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        if self._writer is None:
            size = image.shape[1], image.shape[0]
            self._writer = cv2.VideoWriter(self._temporary, cv2.VideoWriter.fourcc(*"mp4v"), self.rate, size)
            if not self._writer.isOpened():
                raise UserError(f"{self.path}: cannot be written as a video; choose another folder")
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
