"""Refuses a picture that is too large before it is decoded: TensorFlow operations only, as in ``images``.

A file of some kilobytes can say that it holds a picture of gigabytes, or ten thousand of them.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

_HEADER_BYTES = 32
# A GIF has a header and screen, then extensions and images, each of which ends with an empty sub-block (GIF89a,
# sections 18 to 26).
_GIF_HEADER, _SCREEN_FLAGS, _EXTENSION, _IMAGE, _TRAILER = 13, 10, 0x21, 0x2C, b";"
_IMAGE_HEADER, _IMAGE_SIZE, _IMAGE_FLAGS = 10, 5, 9
_BETWEEN, _IN_EXTENSION, _IN_IMAGE, _ENDED = range(4)


def bounded(image_bytes: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """The file of a picture that is not too large, of a GIF the first frame alone.

    Args:
      image_bytes: scalar string, the content of a JPEG, PNG, BMP or GIF file; anything else passes.
      max_pixels: how many pixels it may have.

    Raises:
      tf.errors.InvalidArgumentError: it has more, by its header.
    """
    is_gif = tf.strings.substr(image_bytes, 0, 4) == b"GIF8"
    nothing = tf.zeros([2], tf.int64)
    image_bytes, frame = tf.cond(is_gif, lambda: _first_frame(image_bytes), lambda: (image_bytes, nothing))
    size = tf.maximum(_size_by_header(image_bytes), frame)
    message = f"the picture has more than max_pixels={max_pixels}; make it smaller; its stored (height, width) is"
    # As a quotient, since the product of two sizes may be beyond the range of integers.
    fits = size[0] <= max_pixels // tf.maximum(size[1], 1)
    with tf.control_dependencies([tf.debugging.Assert(fits, [message, size])]):
        return tf.identity(image_bytes)


def _size_by_header(image_bytes: tf.Tensor) -> tf.Tensor:
    """(height, width), int64 [2], as it is stored; 0 where the bytes are no such file."""
    header = tf.cast(tf.io.decode_raw(tf.strings.substr(image_bytes, 0, _HEADER_BYTES), tf.uint8), tf.int64)
    header = tf.pad(header, [[0, _HEADER_BYTES - tf.shape(header)[0]]])

    def numbers(*places: range) -> tf.Tensor:
        """Of the bytes at some places, the smallest first, int64 [N]."""
        powers = tf.constant([256**power for power in range(len(places[0]))], tf.int64)
        return tf.reduce_sum(tf.gather(header, [list(place) for place in places]) * powers, axis=1)

    def of_bmp() -> tf.Tensor:
        size = numbers(range(22, 26), range(18, 22))
        return tf.where(size < 1 << 31, size, (1 << 32) - size)  # a negative height: the first row is the top one

    kinds: list[tuple[bytes, Callable[[], tf.Tensor]]] = [
        (b"\xff\xd8\xff", lambda: tf.cast(tf.image.extract_jpeg_shape(image_bytes)[:2], tf.int64)),
        (b"\x89PNG", lambda: numbers(range(23, 19, -1), range(19, 15, -1))),
        (b"BM", of_bmp),
        (b"GIF8", lambda: numbers(range(8, 10), range(6, 8))),
    ]
    cases = [(tf.reduce_all(header[: len(mark)] == list(mark)), size) for mark, size in kinds]
    return tf.case(cases, default=lambda: tf.zeros([2], tf.int64))


def _first_frame(gif: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """A GIF that ends after its first image, and that image's (height, width), int64 [2].

    ``tf.image.decode_image`` would unpack all of them. A file that is cut off stays as it is.
    """
    content = tf.io.decode_raw(gif, tf.uint8)
    length = tf.size(content)

    def byte(at: tf.Tensor | int) -> tf.Tensor:
        return tf.cast(content[tf.minimum(at, length - 1)], tf.int32)

    def colors(flags: tf.Tensor) -> tf.Tensor:
        """Bytes of the colour table that follows."""
        return tf.where(flags >= 0x80, 3 * tf.bitwise.left_shift(2, flags & 7), 0)

    def go_on(at: tf.Tensor, where: tf.Tensor, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        first = byte(at)

        def sub_block() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            after = tf.where(where == _IN_IMAGE, _ENDED, _BETWEEN)
            return at + 1 + first, tf.where(first == 0, after, where), image

        def block() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            is_extension, is_image = first == _EXTENSION, first == _IMAGE
            image_bytes = _IMAGE_HEADER + colors(byte(at + _IMAGE_FLAGS)) + 1
            skipped = tf.where(is_extension, 2, tf.where(is_image, image_bytes, 0))
            kind = tf.where(is_extension, _IN_EXTENSION, tf.where(is_image, _IN_IMAGE, _ENDED))
            return at + skipped, kind, tf.where(is_image, at, image)

        return tf.cond(where == _BETWEEN, block, sub_block)

    end, where, image = tf.while_loop(
        lambda at, where, image: (where != _ENDED) & (at < length),
        go_on,
        (_GIF_HEADER + colors(byte(_SCREEN_FLAGS)), tf.constant(_BETWEEN), tf.constant(0)),
    )
    low_w, high_w, low_h, high_h = (byte(image + _IMAGE_SIZE + i) for i in range(4))
    size = tf.cast(tf.stack([256 * high_h + low_h, 256 * high_w + low_w]), tf.int64)
    is_whole = (where == _ENDED) & (image > 0)
    cut = tf.cond(is_whole, lambda: tf.strings.substr(gif, 0, end) + _TRAILER, lambda: gif)
    return cut, tf.where(image > 0, size, 0)
