"""Pictures as a client sends them: encoded files, read and measured without TensorFlow."""

from __future__ import annotations

import os

import cv2
import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.serving import endpoint

_GIF = b"GIF8"
_FORMATS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", _GIF, b"BM")


def read_picture(image: bytes | os.PathLike[str] | str) -> bytes:
    """Content of an image file; bytes stay as they are.

    Raises:
      UserError: it cannot be read or is no JPEG, PNG, BMP or GIF.
    """
    name = "the picture" if isinstance(image, bytes) else os.fspath(image)
    content = image if isinstance(image, bytes) else endpoint.read_file(image)
    if not content.startswith(_FORMATS):
        raise UserError(f"{name}: is not a JPEG, PNG, BMP or GIF picture; convert it, or check the path")
    return content


def decode_picture(image_bytes: bytes) -> np.ndarray:
    """RGB uint8 [h, w, 3], upright, as the server sees it.

    Raises:
      UserError: the picture is damaged, or a GIF.
    """
    if image_bytes.startswith(_GIF):  # OpenCV reads none
        raise UserError("the picture is a GIF, which can be asked about but not drawn; convert it to JPEG or PNG")
    picture = cv2.imdecode(np.frombuffer(image_bytes, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise UserError("the picture is truncated or damaged; replace it")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def picture_size(image_bytes: bytes) -> tuple[int, int]:
    """(height, width) of the upright picture.

    Raises:
      UserError: the picture is damaged.
    """
    if not image_bytes.startswith(_GIF):
        height, width = decode_picture(image_bytes).shape[:2]
        return height, width
    width, height = (int.from_bytes(image_bytes[start : start + 2], "little") for start in (6, 8))
    if not width or not height:
        raise UserError("the picture is truncated or damaged; replace it")
    return height, width
