"""Pictures for annotation out of videos: sharp, distinct, at least so many seconds apart (the paper's section 4).

From the moment on that a frame is wanted the sharpest one of half a second is taken. Where it shows nothing, looks like
one that was taken before or, where people are asked for, no two of them overlap, the search goes on right behind it;
else ``every`` seconds later.
"""

from __future__ import annotations

import glob
import logging
import os
import pathlib
import time as clock
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np

from opec_tf.annotation.frames_manifest import FramesManifest
from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.common.progress import Progress
from opec_tf.data import picture_hashes
from opec_tf.evaluation import occlusion
from opec_tf.inference.videos import VIDEO_SUFFIXES, Video
from opec_tf.poses import drawing

# Bits of 255. Compressing a frame anew changes up to 7 (tests/annotation/test_video_frames.py); who only moves an arm
# in front of a camera that stands still changes some 50 (``data.leaks.search`` has it measured).
_SAME_PICTURE = 12
_WINDOW = 0.5  # seconds, of which the sharpest frame is taken
_MEASURED_SIDE = 640  # pixels of the longer side, at which sharpness is measured: noise is no sharpness
_SAVED_EVERY = 5.0  # seconds

# The boxes of the people in an RGB picture, float64 [N, 4], see ``inference.detectors``.
Boxes = Callable[[np.ndarray], np.ndarray]
_Frame = Callable[[], np.ndarray]


class Choice(NamedTuple):
    """Which frames are wanted.

    Attributes:
      every: least seconds between two of a video.
      min_iou: least IoU of two people's boxes; of no account without ``boxes``.
      boxes: finds people; None: who is in the frames is of no account.
      detector: what ``boxes`` is, for the manifest.
    """

    every: float
    min_iou: float = 0.0
    boxes: Boxes | None = None
    detector: str | None = None


class Sharpest(NamedTuple):
    """The sharpest frame of some.

    Attributes:
      time: when it is shown, seconds.
      picture: RGB uint8 [h, w, 3].
      sharpness: see ``sharpness``.
      begin: when the first of them is shown.
    """

    time: float
    picture: np.ndarray
    sharpness: float
    begin: float


def write(
    output_dir: os.PathLike[str] | str, pattern: str, choice: Choice, progress: bool = True
) -> tuple[list[dict[str, Any]], int]:
    """Writes the chosen frames of videos as OUTPUT_DIR/VIDEO/MILLISECONDS.jpg, and ``frames_manifest`` beside them.

    A run that breaks off goes on where it was, and one with more videos looks at the new ones alone. Videos without a
    readable frame are left out with a warning.

    Args:
      output_dir: the folder.
      pattern: a video, a folder, with its subfolders, or a pattern of some.
      choice: which frames are wanted.
      progress: report to stderr.

    Returns:
      The manifest's records of all frames, and the number of videos that have been looked at.

    Raises:
      UserError: no video matches, none can be read, or the folder's frames were chosen by other settings.
    """
    paths = _find(pattern)
    folder = files.make_folder(output_dir)
    settings = {"every": choice.every, "min_iou": choice.min_iou, "detector": choice.detector}
    manifest = FramesManifest(folder, settings)
    videos = [Video(path) for path in _readable(paths, pattern)]
    pending = [video for video in videos if not manifest.video(video.path)["done"]]
    with Progress("looking at videos", "frames", sum(map(len, pending)), progress) as report:
        for video in pending:
            record = manifest.video(video.path)
            _search(folder, manifest, record, _counted(video.timed(), report), choice)
            record["done"] = True
            manifest.write()
    manifest.write()
    return manifest.frames, len(videos)


def sharpness(picture: np.ndarray) -> float:
    """How sharp a picture is, RGB uint8 [h, w, 3]: the variance of its Laplacian. Only of like pictures it compares."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    scale = _MEASURED_SIDE / max(grey.shape)
    if scale < 1.0:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def pick(frames: Iterable[tuple[float, _Frame]], start: float, take: Callable[[Sharpest], float]) -> Iterator[float]:
    """Offers the sharpest frame of each half second that is wanted.

    Args:
      frames: (time, function that gives the picture) of a video, as ``Video.timed`` has them.
      start: from when on frames are wanted, seconds.
      take: looks at an offered frame, and says from when on the next one is wanted.

    Yields:
      What ``take`` said, whenever it did.
    """
    wanted, best = start, None
    for time, frame in frames:
        if best is not None and time >= best.begin + _WINDOW:
            wanted, best = take(best), None
            yield wanted
        if time >= wanted:
            picture = frame()
            value = sharpness(picture)
            if best is None or value > best.sharpness:
                best = Sharpest(time, picture, value, time if best is None else best.begin)
    if best is not None:
        yield take(best)


def _search(
    folder: pathlib.Path,
    manifest: FramesManifest,
    record: dict[str, Any],
    frames: Iterable[tuple[float, _Frame]],
    choice: Choice,
) -> None:
    """Writes the chosen frames of one video; ``record`` is the manifest's of it."""

    def take(best: Sharpest) -> float:
        frame = _describe(best, choice, manifest.hashes())
        if frame is None:
            return best.begin + _WINDOW
        name = f"{record['folder']}/{round(1000 * best.time):09d}.jpg"
        drawing.write_image(folder / name, best.picture)
        manifest.frames.append({"file_name": name, "video": record["video"], **frame})
        return best.time + choice.every

    files.remove_partial(folder / record["folder"])
    saved = clock.monotonic()
    for searched_to in pick(frames, record["searched_to"], take):
        record["searched_to"] = searched_to
        if clock.monotonic() - saved > _SAVED_EVERY:
            manifest.write()
            saved = clock.monotonic()


def _describe(best: Sharpest, choice: Choice, taken: np.ndarray) -> dict[str, Any] | None:
    """The manifest's record of a frame; None where it is not wanted."""
    value = picture_hashes.perceptual_hash(cv2.cvtColor(best.picture, cv2.COLOR_RGB2GRAY))
    if value is None or np.any(picture_hashes.distances(value, taken) <= _SAME_PICTURE):
        return None
    overlap = None if choice.boxes is None else occlusion.max_pair_iou(choice.boxes(best.picture))
    if overlap is not None and overlap < choice.min_iou:
        return None
    height, width = best.picture.shape[:2]
    return {
        "time": best.time,
        "hash": value.tobytes().hex(),
        "sharpness": round(best.sharpness, 2),
        "width": width,
        "height": height,
        "overlap": overlap,
    }


def _counted(frames: Iterable[tuple[float, _Frame]], report: Progress) -> Iterator[tuple[float, _Frame]]:
    for frame in frames:
        yield frame
        report.update()


def _find(pattern: str) -> list[str]:
    """The files that may be videos."""
    if os.path.isdir(pattern):
        found = [path for path in files.in_folder(pattern) if path.lower().endswith(VIDEO_SUFFIXES)]
    else:
        found = [pattern] if os.path.isfile(pattern) else glob.glob(pattern, recursive=True)
    found = sorted(path for path in found if os.path.isfile(path) and not files.is_partial(path))
    if not found:
        raise UserError(
            f"{pattern}: no video ({' '.join(VIDEO_SUFFIXES)}) matches; check --videos (quote a pattern, so that the "
            "shell leaves it alone)"
        )
    return found


def _readable(paths: list[str], pattern: str) -> list[str]:
    """The videos that have a frame."""
    readable = [path for path in paths if Video.is_video(path)]
    for path in sorted(set(paths) - set(readable)):
        logging.getLogger(__name__).warning("%s: has no readable frame; skipped", path)
    if not readable:
        raise UserError(f"{pattern}: not one of {len(paths)} videos has a readable frame; are they whole?")
    return readable
