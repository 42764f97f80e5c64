"""frames.json: which picture of a folder is which moment of which video, and how far the search for more has come.

``{"version": 1, "settings": {...}, "videos": [{"video", "bytes", "folder", "searched_to", "done"}], "frames":
[{"file_name", "video", "time", "hash", "sharpness", "width", "height", "overlap"}]}``: ``video`` is the file's whole
path; ``searched_to`` and ``time`` are seconds; ``hash`` is the perceptual hash in hexadecimal digits; ``overlap`` is
the largest IoU of two people's boxes, null where none were asked for.
"""

from __future__ import annotations

import os
import pathlib
from typing import Any

import numpy as np

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.common.records import Records
from opec_tf.data import picture_hashes

NAME = "frames.json"
_VERSION = 1


class FramesManifest:
    """The manifest of one folder of frames.

    Args:
      folder: the folder; its manifest is read where it has one.
      settings: what the frames are chosen by.

    Attributes:
      frames: the records of frames.

    Raises:
      UserError: the folder has a manifest that is malformed or of other settings.
    """

    def __init__(self, folder: os.PathLike[str] | str, settings: dict[str, Any]) -> None:
        self._path = pathlib.Path(folder) / NAME
        self._settings = settings
        self._videos: dict[tuple[str, int], dict[str, Any]] = {}
        self.frames: list[dict[str, Any]] = []
        if self._path.exists():
            self._read()

    def video(self, path: str) -> dict[str, Any]:
        """The record of a video, to be changed as the search goes on; a new one has a folder of its own for frames."""
        whole = os.path.realpath(path)
        key = whole, os.path.getsize(path)
        if key not in self._videos:
            folder = self._new_folder(pathlib.Path(path).stem)
            self._videos[key] = {
                "video": whole,
                "bytes": key[1],
                "folder": folder,
                "searched_to": 0.0,
                "done": False,
            }
        return self._videos[key]

    def hashes(self) -> np.ndarray:
        """The hashes of all frames, uint8 [N, 32]."""
        digits = "".join(frame["hash"] for frame in self.frames)
        return np.frombuffer(bytes.fromhex(digits), np.uint8).reshape(-1, picture_hashes.BYTES)

    def write(self) -> None:
        """Writes the manifest."""
        content = {
            "version": _VERSION,
            "settings": self._settings,
            "videos": list(self._videos.values()),
            "frames": self.frames,
        }
        files.write_json(self._path, content, indent=1)

    def _read(self) -> None:
        content = _content(self._path)
        if content.get("settings") != self._settings:
            raise UserError(
                f"{self._path}: its frames were chosen with other settings, {content.get('settings')}, not "
                f"{self._settings}; give the same ones, or another --output_dir"
            )
        if content["videos"]:
            videos = Records(self._path, "video", content["videos"], "video")
            keys = zip(videos.texts("video"), videos.integers("bytes").tolist())
            videos.texts("folder"), videos.numbers("searched_to"), videos.flags("done")
            self._videos = dict(zip(keys, videos.items))
        if content["frames"]:
            frames = Records(self._path, "frame", content["frames"], "file_name")
            frames.texts("file_name"), frames.texts("video"), frames.numbers("time")
            for row, digits in enumerate(frames.texts("hash")):
                if len(digits) != 2 * picture_hashes.BYTES or set(digits) - set("0123456789abcdef"):
                    frames.fail(row, "'hash' is not 64 hexadecimal digits")
            self.frames = frames.items

    def _new_folder(self, stem: str) -> str:
        taken = {video["folder"].casefold() for video in self._videos.values()}
        names = [stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 3))]
        return next(name for name in names if name.casefold() not in taken)


def videos_of_pictures(folder: os.PathLike[str] | str) -> dict[str, str]:
    """The video of each picture of a folder, by the picture's path from there; nothing where it has no manifest.

    Raises:
      UserError: the manifest is malformed.
    """
    path = pathlib.Path(folder) / NAME
    if not path.exists() or not (items := _content(path)["frames"]):
        return {}
    frames = Records(path, "frame", items, "file_name")
    return dict(zip(frames.texts("file_name"), frames.texts("video")))


def _content(path: pathlib.Path) -> dict[str, Any]:
    content = files.read_json(path)
    if not isinstance(content, dict) or content.get("version") != _VERSION:
        raise UserError(f"{path}: is no manifest of frames of version {_VERSION}; remove it, or choose another folder")
    for field in ("videos", "frames"):
        if not isinstance(content.get(field), list):
            raise UserError(f"{path}: has no list {field!r}; remove it, or choose another folder")
    return content
