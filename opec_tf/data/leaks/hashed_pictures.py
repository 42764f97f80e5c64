"""Picture files as hashes of their bytes and of what they show, kept in a file so that nothing is read twice."""

from __future__ import annotations

import concurrent.futures
import hashlib
import itertools
import logging
import os
import pathlib
import time
import zipfile
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from opec_tf.common import files
from opec_tf.common.progress import Progress
from opec_tf.data import picture_hashes

# Cut off at the border to make the second hash of a picture, as a share of its sides: what was cropped is nearer to it.
_CUT = 0.05
_LARGE_FILE = 1 << 16  # bytes; such pictures have more pixels than a hash needs, and are decoded at half their size
_SAVED_EVERY, _AT_ONCE = 30.0, 256  # seconds, files
# What is known of a file.
_GONE, _BYTES_ONLY, _HASHED = 0, 1, 2
_Identity = tuple[str, int, int]  # path, bytes, time of the last change in nanoseconds


class Pictures(NamedTuple):
    """N picture files.

    Attributes:
      paths: N of them.
      digests: uint8 [N, 32], SHA-256 of the bytes.
      hashes: uint8 [N, 2, 32], perceptual hashes of the whole picture and of it without a border.
      has_hash: bool [N], false of plain pictures and of files that cannot be decoded.
    """

    paths: list[str]
    digests: np.ndarray
    hashes: np.ndarray
    has_hash: np.ndarray


class _Known(NamedTuple):
    """What is known of one file, as ``Pictures`` has it."""

    state: int
    digest: np.ndarray
    hashes: np.ndarray


_NOTHING = _Known(_GONE, np.zeros(32, np.uint8), np.zeros((2, picture_hashes.BYTES), np.uint8))


def read(paths: Sequence[str], cache: os.PathLike[str] | str, label: str, progress: bool = True) -> Pictures:
    """Hashes picture files; those that are missing are left out with a counted warning.

    Args:
      paths: the files.
      cache: file that keeps the hashes of files as they are, written now and then.
      label: what they are, for the progress report.
      progress: report to stderr.
    """
    known, saved = _load(cache), time.monotonic()
    identities = [_identity(path) for path in paths]
    pending = [identity for identity in dict.fromkeys(identities) if identity is not None and identity not in known]
    with (
        Progress(label, "pictures", len(pending), progress) as report,
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for part in _parts(pending):
            known.update(zip(part, pool.map(hash_file, [path for path, _, _ in part])))
            report.update(len(part))
            if time.monotonic() - saved > _SAVED_EVERY:
                _save(cache, known)
                saved = time.monotonic()
    if pending:
        _save(cache, known)
    rows = [_NOTHING if identity is None else known[identity] for identity in identities]
    return _table(paths, rows)


def hash_file(path: str) -> _Known:
    """What is known of one file."""
    try:
        content = pathlib.Path(path).read_bytes()
    except OSError:
        return _NOTHING
    digest = np.frombuffer(hashlib.sha256(content).digest(), np.uint8)
    grey = _decode(content)
    if grey is None:
        return _Known(_BYTES_ONLY, digest, _NOTHING.hashes)
    height, width = grey.shape
    top, left = int(0.5 * _CUT * height), int(0.5 * _CUT * width)
    hashes = [picture_hashes.perceptual_hash(part) for part in (grey, grey[top : height - top, left : width - left])]
    known = [value for value in hashes if value is not None]
    if len(known) < len(hashes):
        return _Known(_BYTES_ONLY, digest, _NOTHING.hashes)
    return _Known(_HASHED, digest, np.stack(known))


def _decode(content: bytes) -> np.ndarray | None:
    """The upright grey picture, uint8 [h, w]; None where OpenCV does not read it."""
    if not content:
        return None
    how = cv2.IMREAD_REDUCED_GRAYSCALE_2 if len(content) > _LARGE_FILE else cv2.IMREAD_GRAYSCALE
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), how)
    except cv2.error:
        return None


def _table(paths: Sequence[str], rows: Sequence[_Known]) -> Pictures:
    states = np.array([row.state for row in rows], np.int8)
    for state, fault, what in (
        (_GONE, "cannot be read", "are not compared"),
        (_BYTES_ONLY, "are plain or cannot be decoded", "are compared by their bytes alone"),
    ):
        odd = np.flatnonzero(states == state)
        if len(odd):
            text = "%d of %d pictures %s (first: %s); they %s"
            logging.getLogger(__name__).warning(text, len(odd), len(paths), fault, paths[odd[0]], what)
    there = np.flatnonzero(states != _GONE)
    return Pictures(
        [paths[row] for row in there],
        np.array([rows[row].digest for row in there], np.uint8).reshape(-1, 32),
        np.array([rows[row].hashes for row in there], np.uint8).reshape(-1, 2, picture_hashes.BYTES),
        states[there] == _HASHED,
    )


def _identity(path: str) -> _Identity | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # ValueError: a name with a zero byte
        return None
    return os.path.realpath(path), status.st_size, status.st_mtime_ns


def _parts(identities: Sequence[_Identity]) -> Iterator[list[_Identity]]:
    """Lists of ``_AT_ONCE``, so that a run that breaks off has saved what it did."""
    rest = iter(identities)
    while part := list(itertools.islice(rest, _AT_ONCE)):
        yield part


def _save(path: os.PathLike[str] | str, known: dict[_Identity, _Known]) -> None:
    names = "\n".join(identity[0].replace("\n", "\0") for identity in known)
    with files.atomic_path(path) as temporary:
        np.savez(
            temporary,
            paths=np.frombuffer(os.fsencode(names), np.uint8),
            dates=np.array([identity[1:] for identity in known], np.int64).reshape(-1, 2),
            states=np.array([row.state for row in known.values()], np.int8),
            digests=np.array([row.digest for row in known.values()], np.uint8),
            hashes=np.array([row.hashes for row in known.values()], np.uint8),
        )


def _load(path: os.PathLike[str] | str) -> dict[_Identity, _Known]:
    """What ``_save`` wrote; nothing where there is no such file or it is another's."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            columns = {name: stored[name] for name in ("paths", "dates", "states", "digests", "hashes")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}
    names = [name.replace("\0", "\n") for name in os.fsdecode(columns["paths"].tobytes()).split("\n")]
    rows = map(_Known, columns["states"].tolist(), columns["digests"], columns["hashes"])
    return {(name, size, date): row for name, (size, date), row in zip(names, columns["dates"].tolist(), rows)}
