"""Encoded pictures to pixels where nothing has to run without Python: what TensorFlow decodes, and WebP and TIFF."""

from __future__ import annotations

import cv2
import numpy as np
import tensorflow as tf

from opec_tf.common.limits import MAX_PIXELS
from opec_tf.poses import images

_HEAD_BYTES, _MOST_EXIF_BYTES = 12, 60000
_EXIF = b"Exif\0\0"
# A WebP file begins with RIFF and, after four bytes of its size, WEBP.
_RIFF, _WEBP, _TIFF = b"RIFF", b"WEBP", (b"II*\0", b"MM\0*")


def is_webp_or_tiff(head: bytes) -> bool:
    """Whether a file that begins so is WebP or TIFF."""
    return head[:4] in _TIFF or (head[:4] == _RIFF and head[8:_HEAD_BYTES] == _WEBP)


def decode(image_bytes: tf.Tensor, max_pixels: int = MAX_PIXELS) -> tf.Tensor:
    """``images.decode`` that takes WebP and TIFF pictures, too, by OpenCV.

    Of these OpenCV bounds the pixels, by the environment variable OPENCV_IO_MAX_IMAGE_PIXELS.

    Raises:
      tf.errors.InvalidArgumentError: the bytes are no such picture, or not a whole one.
      ValueError: the same, of a WebP or TIFF picture outside a graph.
    """
    head = tf.io.decode_raw(tf.strings.substr(image_bytes, 0, _HEAD_BYTES), tf.uint8)
    head = tf.pad(head, [[0, _HEAD_BYTES - tf.shape(head)[0]]])
    is_tiff = tf.reduce_any([tf.reduce_all(head[:4] == list(mark)) for mark in _TIFF])
    is_webp = tf.reduce_all(head[:4] == list(_RIFF)) & tf.reduce_all(head[8:] == list(_WEBP))
    return tf.cond(
        is_tiff | is_webp,
        lambda: tf.ensure_shape(
            tf.numpy_function(_decode_by_opencv, [tf.io.decode_raw(image_bytes, tf.uint8)], tf.uint8), [None, None, 3]
        ),
        lambda: images.decode(image_bytes, max_pixels),
    )


def _decode_by_opencv(image_bytes: np.ndarray) -> np.ndarray:
    # As numbers: an array of text loses the zeros at its end. OpenCV turns TIFF upright, WebP not.
    is_tiff = image_bytes[:4].tobytes() in _TIFF
    turned = 0 if is_tiff else cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(image_bytes, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | turned)
    except cv2.error as error:
        raise ValueError(f"cannot be decoded ({error})") from error
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise ValueError("is no picture of 8 or 16 bits a colour, or not a whole one")
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return image if is_tiff else images.upright(tf.constant(image), _webp_orientation(image_bytes.tobytes())).numpy()


def _webp_orientation(content: bytes) -> tf.Tensor:
    """The Exif orientation of a WebP file, int32, 1 to 8; 1 where it says none."""
    at = _HEAD_BYTES
    while at + 8 <= len(content):  # chunks of a name, a size and an even number of bytes
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        if content[at : at + 4] == b"EXIF":
            exif = content[at + 8 : at + 8 + min(size, _MOST_EXIF_BYTES)].removeprefix(_EXIF)
            as_jpeg = b"\xff\xd8\xff\xe1" + (len(exif) + 8).to_bytes(2, "big") + _EXIF + exif
            return images.exif_orientation(tf.constant(as_jpeg))
        at += 8 + size + size % 2
    return tf.constant(1)
