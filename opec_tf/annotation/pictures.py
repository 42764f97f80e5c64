"""The pictures of a folder as a browser gets them: those that lie in it, upright, in a format that it shows."""

from __future__ import annotations

import os
import pathlib

import cv2
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.data import image_files
from opec_tf.inference import frames
from opec_tf.poses import images, picture_files

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG"


class Pictures:
    """The pictures in a folder and its subfolders; a link that leads out of it is none of them.

    Args:
      folder: the folder.

    Attributes:
      names: their paths in the folder, sorted.

    Raises:
      UserError: the folder is missing or holds no picture.
    """

    def __init__(self, folder: os.PathLike[str] | str) -> None:
        self.folder = pathlib.Path(os.path.realpath(folder))
        if not self.folder.is_dir():
            raise UserError(f"{folder}: is no folder; give the folder of pictures as --images")
        names = frames.open_source(str(self.folder), strict=False).names
        self.names = [name for name in names if self._stays_inside(self.folder / name)]
        if not self.names:
            raise UserError(f"{folder}: all its pictures are links that lead out of it; copy them into it")
        self._known = frozenset(self.names)
        self._sizes: dict[str, tuple[int, int]] = {}

    def path(self, name: str) -> pathlib.Path:
        """A picture's file.

        Raises:
          KeyError: there is no such picture, or it has become a link that leads out of the folder.
        """
        if name not in self._known or not self._stays_inside(self.folder / name):
            raise KeyError(name)
        return self.folder / name

    def size(self, name: str) -> tuple[int, int]:
        """A picture's (width, height), upright.

        Raises:
          KeyError: there is no such picture.
          UserError: it cannot be read.
        """
        path = self.path(name)
        if name not in self._sizes:
            if fault := image_files.find_fault(path, with_opencv=True):
                raise UserError(f"{name}: {fault}; replace the file, or go on with the next picture")
            height, width = image_files.sizes([str(path)])[0].tolist()
            if not height:
                height, width = picture_files.decode(path.read_bytes()).shape[:2]
            self._sizes[name] = width, height
        return self._sizes[name]

    def content(self, name: str) -> tuple[bytes, str]:
        """A picture as (bytes, media type): its file where every browser shows that upright, else a PNG made of it.

        Raises:
          KeyError: there is no such picture.
          UserError: it cannot be read.
        """
        path = self.path(name)
        try:
            content = path.read_bytes()
            if content.startswith(_JPEG) and int(images.exif_orientation(tf.constant(content))) == 1:
                return content, "image/jpeg"
            if content.startswith(_PNG) and b"eXIf" not in content:
                return content, "image/png"
            pixels = picture_files.decode(content).numpy()
        except OSError as error:
            raise UserError(f"{name}: cannot be read ({error.strerror}); check the file") from error
        except (tf.errors.InvalidArgumentError, ValueError) as error:
            raise UserError(f"{name}: is truncated or damaged; replace the file") from error
        return cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes(), "image/png"

    def _stays_inside(self, path: pathlib.Path) -> bool:
        return self.folder in pathlib.Path(os.path.realpath(path)).parents
