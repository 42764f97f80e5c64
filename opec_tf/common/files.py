"""Reading and writing files so that a fault is one clear line and a file is either whole or absent."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from typing import Any

from opec_tf.common.errors import UserError

_PARTIAL = ".partial-"
# What TensorFlow takes for a pattern where it looks for its checkpoints, in its own code and in a model server's: no
# escape would get past all of them.
_GLOB_CHARACTERS = frozenset("*?[\\")


@contextlib.contextmanager
def atomic_path(path: os.PathLike[str] | str) -> Iterator[str]:
    """Yields a temporary path beside ``path`` that takes its place when the block ends without an error.

    The temporary name keeps the suffix (OpenCV and Keras choose a format by it). Missing parent folders are made.

    Raises:
      UserError: the folder cannot be written or the disk is full.
    """
    path = pathlib.Path(path)
    temporary = os.fspath(path.parent / f"{_PARTIAL}{uuid.uuid4().hex}{''.join(path.suffixes)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # An empty file now, so that a folder that cannot be written is known before the work of the block.
        with open(temporary, "xb"):
            pass
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose a folder you can write to") from error
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.filename not in (None, temporary):
            raise  # the block failed to read or write another file
        reason = error.strerror or error
        raise UserError(f"{path}: cannot be written ({reason}); free some space or choose another folder") from error
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


@contextlib.contextmanager
def atomic_folder(path: os.PathLike[str] | str) -> Iterator[pathlib.Path]:
    """Yields a temporary folder beside ``path`` that takes its place when the block ends without an error.

    Raises:
      UserError: ``path`` exists, its parent folder cannot be written, or the disk is full.
    """
    path = pathlib.Path(path)
    if path.exists():
        raise UserError(f"{path}: exists already; choose another name or remove it")
    temporary = make_folder(path.parent / f"{_PARTIAL}{uuid.uuid4().hex}")
    try:
        yield temporary
        os.rename(temporary, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); choose another folder") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_partial(path: os.PathLike[str] | str) -> bool:
    """Whether a file is one that ``atomic_path`` has not finished, or never will."""
    return os.path.basename(path).startswith(_PARTIAL)


def in_folder(folder: os.PathLike[str] | str) -> list[str]:
    """The files of a folder and its subfolders, sorted; without unfinished ones of ours."""
    found = [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names]
    return sorted(path for path in found if not is_partial(path))


def remove_partial(folder: os.PathLike[str] | str) -> None:
    """Removes what ``atomic_path`` and ``atomic_folder`` left in a folder when their process was killed."""
    for path in pathlib.Path(folder).glob(_PARTIAL + "*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def write_text(path: os.PathLike[str] | str, text: str) -> None:
    """Writes text atomically."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text)


def write_json(path: os.PathLike[str] | str, value: object, indent: int | None = None) -> None:
    """Writes JSON atomically; NaN and infinity are refused, since JSON has neither."""
    write_text(path, json.dumps(value, indent=indent, allow_nan=False) + "\n")


def read_json(path: os.PathLike[str] | str) -> Any:
    """Parses a JSON file.

    Raises:
      UserError: the file is missing, unreadable, empty or no JSON.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:  # some editors begin a file with a byte order mark
            return json.load(file)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (ValueError, RecursionError) as error:  # also: bytes that are no text, a number of 5000 digits
        raise UserError(f"{path}: is not valid JSON ({error}); check that the file is whole") from error


def refuse_pattern(path: os.PathLike[str] | str) -> None:
    """Refuses a folder for TensorFlow's own checkpoints and exports whose name TensorFlow takes for a pattern.

    It would write there and find nothing again, or the files of others.

    Raises:
      UserError: the path has one of the characters.
    """
    found = sorted(_GLOB_CHARACTERS.intersection(os.fspath(path)))
    if found:
        raise UserError(
            f"{os.fspath(path)}: {' and '.join(found)} in a folder's name would be a pattern to TensorFlow, which then "
            "does not find its files again; choose a name without"
        )


@contextlib.contextmanager
def new_folder(path: os.PathLike[str] | str) -> Iterator[pathlib.Path]:
    """``make_folder`` for a block; what it made is taken away again where the block leaves it empty, as by failing."""
    path = pathlib.Path(path)
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        yield make_folder(path)
    finally:
        with contextlib.suppress(OSError):  # not empty, or not there
            for folder in made:
                folder.rmdir()


def make_folder(path: os.PathLike[str] | str) -> pathlib.Path:
    """Makes a folder, with parents, that can be written to; returns its path."""
    path = pathlib.Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose a folder you can write to") from error
    return path
