"""The pictures of a folder as a browser gets them: those that lie in it, upright, in a format that it shows."""

from __future__ import annotations

import logging
import os
import pathlib

import cv2
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.data import image_files
from opec_tf.inference import frames
from opec_tf.poses import images, picture_files

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG"
_EARLY = 400  # where Exif data begin that the project reads; mostly the first segment of the file
_QUALITY = 95  # of pictures that are encoded anew; a lossless format takes seconds for a photograph


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
        self.names = [name for name in names if self._stays_inside(self.folder / name) and _is_text(name)]
        if not self.names:
            raise UserError(f"{folder}: all its pictures are links that lead out of it; copy them into it")
        self._known = frozenset(self.names)
        # name -> (the file's state, size)
        self._sizes: dict[str, tuple[tuple[int, int] | None, tuple[int, int]]] = {}

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
        state = _state(path)
        known, size = self._sizes.get(name, (None, (0, 0)))
        # Of a file that was removed while it is open the size stays known.
        if not any(size) or state not in (known, None):
            if fault := image_files.find_fault(path, with_opencv=True):
                raise UserError(f"{name}: {fault}; replace the file, or go on with the next picture")
            height, width = image_files.sizes([str(path)])[0].tolist()
            if not height:
                height, width = picture_files.decode(path.read_bytes()).shape[:2]
            size = width, height
            self._sizes[name] = state, size
        return size

    def content(self, name: str) -> tuple[bytes, str]:
        """A picture as (bytes, media type): its file where every browser shows that upright, else a JPEG made of it.

        Raises:
          KeyError: there is no such picture.
          UserError: it cannot be read.
        """
        path = self.path(name)
        try:
            content = path.read_bytes()
            if content.startswith(_JPEG) and _is_upright(content):
                return content, "image/jpeg"
            if content.startswith(_PNG) and b"eXIf" not in content:
                return content, "image/png"
            pixels = picture_files.decode(content).numpy()
        except OSError as error:
            raise UserError(f"{name}: cannot be read ({error.strerror}); check the file") from error
        except (tf.errors.InvalidArgumentError, ValueError) as error:
            raise UserError(f"{name}: is truncated or damaged; replace the file") from error
        encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
        return encoded.tobytes(), "image/jpeg"

    def _stays_inside(self, path: pathlib.Path) -> bool:
        return self.folder in pathlib.Path(os.path.realpath(path)).parents


def _is_upright(jpeg: bytes) -> bool:
    """Whether a browser, too, shows a JPEG as it is stored; it reads Exif data wherever they are in the file."""
    is_stated_late = jpeg.find(b"Exif\0\0") >= _EARLY
    return not is_stated_late and int(images.exif_orientation(tf.constant(jpeg))) == 1


def _is_text(name: str) -> bool:
    """Whether a file's name is text, as the page and the annotators' files need it; says so where not."""
    try:
        name.encode()
    except UnicodeEncodeError:
        logging.getLogger(__name__).warning("%a: left out, since its name is not UTF-8; rename the file", name)
        return False
    return True


def _state(path: pathlib.Path) -> tuple[int, int] | None:
    """What changes when a file is replaced; None where it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
