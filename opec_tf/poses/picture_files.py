"""Encoded pictures to pixels where nothing has to run without Python: what TensorFlow decodes, and WebP and TIFF."""

from __future__ import annotations

import cv2
import numpy as np
import tensorflow as tf

from opec_tf.poses import images

_HEAD_BYTES = 12
# A WebP file begins with RIFF and, after four bytes of its size, WEBP.
_RIFF, _WEBP, _TIFF = b"RIFF", b"WEBP", (b"II*\0", b"MM\0*")


def is_webp_or_tiff(head: bytes) -> bool:
    """Whether a file that begins so is WebP or TIFF."""
    return head[:4] in _TIFF or (head[:4] == _RIFF and head[8:_HEAD_BYTES] == _WEBP)


def decode(image_bytes: tf.Tensor) -> tf.Tensor:
    """``images.decode`` that takes WebP and TIFF pictures, too, by OpenCV.

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
        lambda: images.decode(image_bytes),
    )


def _decode_by_opencv(image_bytes: np.ndarray) -> np.ndarray:
    # As numbers: an array of text loses the zeros at its end.
    image = cv2.imdecode(image_bytes, cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("is no picture, or not a whole one")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
