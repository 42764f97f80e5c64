"""Missing, damaged and mismatched image files: found before a run rather than hours into it, named, left out."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import logging
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.common.limits import MAX_PIXELS
from opec_tf.poses import images, picture_files

_HEAD_BYTES = 65536
_TAIL_BYTES = 4096
_THREADS = 8
_NAMED = 3  # files that the warning names
_JPEG_SIZE_MARKERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame: baseline, progressive, ...
_DAMAGED = "is truncated or damaged"
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")

# What reading and decoding raise: damaged, missing, a folder, not allowed.
_READING_ERRORS = (
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.FailedPreconditionError,
    tf.errors.PermissionDeniedError,
)


def _graph(function: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[bytes], tf.Tensor]:
    """A function of a file's content as a graph, traced by the first of the threads that call it.

    Called as it is, a ``tf.function`` warns of retracing when several threads wait for its first trace, because it
    counts each of them as one.
    """
    graph = tf.function(function, input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
    return lambda content: graph.get_concrete_function()(tf.constant(content))


_orientation = _graph(images.exif_orientation)


@functools.cache
def _decoder(max_pixels: int) -> Callable[[bytes], tf.Tensor]:
    return _graph(functools.partial(images.decode, max_pixels=max_pixels))


def check(paths: Sequence[str], sizes: np.ndarray, strict: bool) -> np.ndarray:
    """Which image files can be used.

    A file is looked at from both ends (some microseconds); only one that this leaves in doubt is decoded. Damage in the
    middle of a file is found where it is decoded.

    Args:
      paths: M paths.
      sizes: int [M, 2], the (height, width) that the annotations state; 0 where they state none. A picture of another
        size counts as unusable, since its boxes and joints cannot be right.
      strict: raise an error at the first unusable file; otherwise one warning counts them and names the first.

    Returns:
      bool [M], true where the file can be used.

    Raises:
      UserError: a file cannot be used and ``strict``.
    """
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        faults = list(pool.map(find_fault, paths, np.asarray(sizes).tolist()))
    faulty = [(path, fault) for path, fault in zip(paths, faults) if fault]
    if faulty and strict:
        raise _error(*faulty[0])
    if faulty:
        named = "; ".join(f"{path} {fault}" for path, fault in faulty[:_NAMED])
        more = f"; and {len(faulty) - _NAMED} more" if len(faulty) > _NAMED else ""
        logging.getLogger(__name__).warning("left out %d of %d images: %s%s", len(faulty), len(paths), named, more)
    return np.array([fault is None for fault in faults], bool)


def sizes(paths: Sequence[str]) -> np.ndarray:
    """The (height, width) of image files by their headers, int [M, 2]; 0 where these do not tell."""
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(_size_by_header, paths))
    return np.array([size or (0, 0) for size in found], np.int64).reshape(-1, 2)


def check_one_decodes(paths: Sequence[str]) -> None:
    """Raises a ``UserError`` where not one of some image files can be decoded; mostly the first one can."""
    fault = find_fault(paths[0], quick=False)
    if fault and all(find_fault(path, quick=False) for path in paths[1:]):
        raise UserError(f"{paths[0]}: {fault}, and not one of the {len(paths)} images can be decoded; check the files")


def leave_out_undecodable(
    dataset: tf.data.Dataset, path_at: Callable[[tf.Tensor], tf.Tensor], num_images: int
) -> tf.data.Dataset:
    """Leaves out the elements of a data set that raise, with a warning for each image.

    Args:
      dataset: (0, 1, 2, ..., anything).
      path_at: TensorFlow function of an index that gives the image's path.
      num_images: how many images there are, for the warning.
    """
    left_out = set()

    def warn(paths: np.ndarray) -> None:
        for path in paths.tolist():
            if path not in left_out:
                left_out.add(path)
                logging.getLogger(__name__).warning(
                    "left out %d of %d images so far: %s %s",
                    len(left_out),
                    num_images,
                    path.decode(),
                    "cannot be decoded" if os.path.exists(path) else "is missing",
                )

    def follow(expected: tf.Tensor, element: tuple[tf.Tensor, dict[str, tf.Tensor]]) -> tuple[tf.Tensor, tuple]:
        index, _ = element

        def tell() -> tf.Tensor:
            skipped = tf.range(expected, index)
            tf.numpy_function(warn, [tf.map_fn(path_at, skipped, fn_output_signature=tf.string)], [])
            return index + 1

        return tf.cond(index > expected, tell, lambda: index + 1), element

    return dataset.ignore_errors().scan(tf.constant(0, tf.int64), follow)


@contextlib.contextmanager
def naming_unreadable(
    paths: Sequence[str] | np.ndarray, with_opencv: bool = False, max_pixels: int = MAX_PIXELS
) -> Iterator[None]:
    """Turns a decoding error of the block into a ``UserError`` that names the file.

    TensorFlow's message does not say which file it was, so the files are decoded again, one after the other, until one
    fails. An error that no file explains is passed on.
    """
    try:
        yield
    except _READING_ERRORS as error:
        for path in paths:
            fault = find_fault(path, quick=False, with_opencv=with_opencv, max_pixels=max_pixels)
            if fault:
                raise _error(path, fault) from error
        raise


def find_fault(
    path: os.PathLike[str] | str,
    size: Sequence[int] = (0, 0),
    quick: bool = True,
    with_opencv: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> str | None:
    """What is wrong with an image file, in words that go on after its name; None where nothing is.

    Args:
      path: the file.
      size: (height, width) it should have; 0 where unknown.
      quick: trust a whole header and a proper end instead of decoding.
      with_opencv: the file is decoded by ``picture_files.decode``, which takes WebP and TIFF too.
      max_pixels: how many pixels it may have.
    """
    try:
        head, tail, length = _both_ends(path)
    except IsADirectoryError:
        return "is a folder, not an image file"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    found = _size_of_whole_file(head, tail, length)
    fault = _fault_of_head(head, with_opencv) or _fault_of_size(found, max_pixels)
    if fault:
        return fault
    if found is None or not quick:
        found = _decoded_size(pathlib.Path(path).read_bytes(), max_pixels)
    if found is None:
        return _DAMAGED
    if all(size) and tuple(found) != tuple(size):
        turned = tuple(found) == tuple(size[::-1]) and head.startswith(b"\xff\xd8") and _orientation(head) >= 5
        said = f"is {found[1]}x{found[0]} pixels, but the annotations say {size[1]}x{size[0]}"
        return said + turned * ", as before it is turned by its Exif orientation: swap them, or annotate it upright"
    return None


def find_fault_of_content(content: bytes, max_pixels: int = MAX_PIXELS) -> str | None:
    """What ``find_fault`` says of a file with this content, which ``picture_files.decode`` is to decode."""
    head = content[:_HEAD_BYTES]
    size = _size_of_whole_file(head, content[-_TAIL_BYTES:], len(content))
    fault = _fault_of_head(head, with_opencv=True) or _fault_of_size(size, max_pixels)
    return fault or (None if _decoded_size(content, max_pixels) else _DAMAGED)


def _fault_of_head(head: bytes, with_opencv: bool) -> str | None:
    if not head:
        return "is empty"
    if not head.startswith(_SIGNATURES) and not (with_opencv and picture_files.is_webp_or_tiff(head)):
        return "is not a JPEG, PNG, BMP or GIF picture"
    return None


def _fault_of_size(size: tuple[int, int] | None, max_pixels: int) -> str | None:
    if size and size[0] * size[1] > max_pixels:
        return f"has {size[1]}x{size[0]} pixels, more than max_pixels={max_pixels}"
    return None


def _decoded_size(content: bytes, max_pixels: int) -> tuple[int, int] | None:
    """(height, width) of a picture, decoded; None where it is damaged."""
    try:
        decode = picture_files.decode if picture_files.is_webp_or_tiff(content[:_HEAD_BYTES]) else _decoder(max_pixels)
        height, width, _ = decode(content).shape
    except (tf.errors.InvalidArgumentError, ValueError):
        return None
    return height, width


def begins_as_picture(path: os.PathLike[str] | str) -> bool:
    """Whether a file has the signature of a picture, be it whole or not, of those that ``picture_files`` decodes."""
    try:
        head = _both_ends(path)[0]
    except OSError:
        return False
    return head.startswith(_SIGNATURES) or picture_files.is_webp_or_tiff(head)


def _error(path: os.PathLike[str] | str, fault: str) -> UserError:
    return UserError(f"{path}: {fault}; replace the file, or run without --strict to leave it out")


def _both_ends(path: os.PathLike[str] | str) -> tuple[bytes, bytes, int]:
    """The beginning and the end of a file, and its length."""
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
        length = file.seek(0, 2)
        file.seek(max(0, length - _TAIL_BYTES))
        return head, file.read(), length


def _size_by_header(path: str) -> tuple[int, int] | None:
    try:
        return _size_of_whole_file(*_both_ends(path))
    except OSError:
        return None


def _size_of_whole_file(head: bytes, tail: bytes, length: int) -> tuple[int, int] | None:
    """(height, width) of the upright picture, or None where header and end do not show that the file is whole."""
    if head.startswith(b"\x89PNG"):
        return (_integer(head[20:24], "big"), _integer(head[16:20], "big")) if b"IEND" in tail else None
    if head.startswith(b"BM"):
        # A negative height means rows from top to bottom.
        height, width = abs(_integer(head[22:26], "little", signed=True)), _integer(head[18:22], "little")
        return (height, width) if _integer(head[2:6], "little") == length else None
    if head.startswith(b"GIF8"):
        return (_integer(head[8:10], "little"), _integer(head[6:8], "little")) if tail.endswith(b";") else None
    size = _jpeg_size(head)
    # Some cameras append data after the end marker, hence not only the last two bytes.
    if size is None or b"\xff\xd9" not in tail:
        return None
    turned = b"Exif\0\0" in head and _orientation(head) >= 5
    return size[::-1] if turned else size


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    """(height, width) from the start-of-frame segment, or None where it is not within ``head``."""
    at = 2
    while head[at : at + 1] == b"\xff" and len(head) >= at + 9:
        if head[at + 1] in _JPEG_SIZE_MARKERS:
            return _integer(head[at + 5 : at + 7], "big"), _integer(head[at + 7 : at + 9], "big")
        at += 2 + _integer(head[at + 2 : at + 4], "big")
    return None


def _integer(data: bytes, order: Literal["little", "big"], signed: bool = False) -> int:
    return int.from_bytes(data, order, signed=signed)
