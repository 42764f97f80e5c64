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
from opec_tf.common.limits import MAX_PIXELS
from opec_tf.data import image_files
from opec_tf.inference.videos import VIDEO_SUFFIXES, Video, looks_like_video
from opec_tf.poses import picture_files
from opec_tf.poses.picture_names import IMAGE_SUFFIXES

# What a folder may hold, too: said, so that nobody takes it for read.
_OTHER_SUFFIXES = (".heic", ".heif", ".avif", ".jp2", ".dng", ".cr2", ".nef")


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

    def start_at(self, first: int) -> Iterator[tuple[int, np.ndarray]]:
        """Iterates over (row, RGB uint8 [h, w, 3]) from a row on."""
        ...


def open_source(
    pattern: str, strict: bool, but: str | None = None, max_pixels: int = MAX_PIXELS, flag: str = "--images"
) -> ImageFiles | Video:
    """The pictures that a file name, a folder (with its subfolders) or a glob stands for.

    A single file whose content is no picture but a video is a video. Pictures in the folder ``but``, where drawings go,
    are left out, and so are files that are being written. Of what else a folder holds a warning counts pictures of
    formats that are not read, and videos. Errors name ``flag``.

    Raises:
      UserError: nothing matches, or a single video has no frame that can be read.
    """
    paths = _inputs(pattern, but)
    if os.path.isdir(pattern):
        left_out = [path for path in paths if path.lower().endswith((*_OTHER_SUFFIXES, *VIDEO_SUFFIXES))]
        paths = [path for path in paths if path.lower().endswith(IMAGE_SUFFIXES)]
        if not paths:
            raise UserError(f"{pattern}: the folder holds no image ({' '.join(IMAGE_SUFFIXES)}); check {flag}")
        if left_out:
            logging.getLogger(__name__).warning(
                "%s: skipped %d files beside the pictures (first: %s); give videos by themselves, convert pictures",
                pattern,
                len(left_out),
                left_out[0],
            )
        return ImageFiles(paths, pattern, strict, max_pixels)
    if not paths:
        raise UserError(
            f"{pattern}: no file matches; check {flag} (quote a pattern, so that the shell leaves it alone)"
        )
    # Of a damaged picture OpenCV gets a frame, too.
    if len(paths) == 1 and not image_files.begins_as_picture(paths[0]):
        if Video.is_video(paths[0]):
            return Video(paths[0])
        if looks_like_video(paths[0]):
            raise UserError(f"{paths[0]}: has no readable frame; is it whole, and has it a picture beside sound?")
    return ImageFiles(paths, common_folder(paths), strict, max_pixels)


def common_folder(paths: Sequence[str]) -> str:
    """The folder that some files are all in, directly or below."""
    return os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths])


def videos_of(pattern: str, strict: bool, but: str | None = None) -> list[str]:
    """The videos of a folder or pattern that has no pictures; none of anything else. Arguments as of ``open_source``.

    Raises:
      UserError: none of several has a frame that can be read, or one has not and ``strict``.
    """
    paths = _inputs(pattern, but)
    videos = [path for path in paths if path.lower().endswith(VIDEO_SUFFIXES)]
    pictures = [path for path in paths if path.lower().endswith(IMAGE_SUFFIXES)]
    if pictures or paths == [pattern]:
        return []
    readable = []
    for path in videos:
        if Video.is_video(path):
            readable.append(path)
        elif strict or path == videos[-1] and not readable:
            raise UserError(f"{path}: has no readable frame; is it whole, and has it a picture beside sound?")
        else:
            logging.getLogger(__name__).warning("%s: has no readable frame; skipped", path)
    return readable


def _inputs(pattern: str, but: str | None) -> list[str]:
    """The files that match, sorted, without what lies in folders like ``but`` or is an unfinished file of ours."""
    if os.path.isdir(pattern):
        found = files.in_folder(pattern)
    elif os.path.exists(pattern):  # a file's own name may contain the characters of a pattern
        return [pattern]
    else:
        found = [path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)]
    return sorted(path for path in found if not files.is_partial(path) and not (but and _is_made(path, but)))


def _is_made(path: str, drawings: str) -> bool:
    """Whether a file lies in the folder of drawings, or in one of its name of one of several videos beside it."""
    made, folder = os.path.realpath(drawings), os.path.dirname(os.path.realpath(path))
    if os.path.join(folder, "").startswith(os.path.join(made, "")):
        return True
    return os.path.basename(folder) == os.path.basename(made) and os.path.dirname(os.path.dirname(folder)) == (
        os.path.dirname(made)
    )


class ImageFiles:
    """Image files, decoded ahead in parallel. Unreadable ones are left out, or an error under ``strict``.

    Args:
      paths: the files.
      root: folder that they are all in; frames are named by their paths from there.
      strict: an unreadable file is an error.
      max_pixels: a picture of more is not read.

    Attributes:
      ids: the numbers that the files are named by, as COCO and CrowdPose name theirs ("000000000785.jpg"), where all
        of them are; else 1, 2, ... in order.
      skipped: paths that could not be read, so far as they have been iterated over.
    """

    def __init__(self, paths: Sequence[str], root: str, strict: bool, max_pixels: int = MAX_PIXELS) -> None:
        self.paths, self.strict, self._max_pixels = paths, strict, max_pixels
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
        # Converting the functions that decode takes longer than a picture does, and they have nothing to convert.
        decoded = tf.autograph.experimental.do_not_convert(
            lambda row, path: (row, picture_files.decode(tf.io.read_file(path), self._max_pixels))
        )
        dataset = dataset.map(decoded, num_parallel_calls=tf.data.AUTOTUNE)
        if not self.strict:
            dataset = dataset.ignore_errors()
        expected = first
        with image_files.naming_unreadable(self.paths[first:], with_opencv=True, max_pixels=self._max_pixels):
            for row, image in dataset.prefetch(2):
                self._skip(range(expected, int(row)))
                expected = int(row) + 1
                yield int(row), image.numpy()
        self._skip(range(expected, len(self.paths)))

    def _skip(self, rows: Iterable[int]) -> None:
        for row in rows:
            path = self.paths[row]
            fault = image_files.find_fault(path, quick=False, with_opencv=True, max_pixels=self._max_pixels)
            logging.getLogger(__name__).warning("%s: %s; skipped", path, fault)
            if path not in self.skipped:  # a run that goes on may meet it again
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
