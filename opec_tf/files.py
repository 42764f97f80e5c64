"""Reading and writing files so that a fault is one clear line and a file is either whole or absent."""

import contextlib
import json
import os
import pathlib
import tempfile

from opec_tf.errors import UserError


@contextlib.contextmanager
def atomic_path(path):
    """Yields a temporary path beside ``path`` that takes its place when the block ends without an error.

    The temporary name keeps the suffix (OpenCV and Keras choose a format by it). Missing parent folders are made.

    Raises:
      UserError: the folder cannot be written or the disk is full.
    """
    path = pathlib.Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".partial-", suffix="".join(path.suffixes), dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose a folder you can write to") from error
    try:
        yield temporary
        # mkstemp makes files private; an output should follow the user's umask, as any other file does.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); free some space or choose another folder") from error
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def write_text(path, text):
    """Writes text atomically."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text)


def write_json(path, value, indent=None):
    """Writes JSON atomically; NaN and infinity are refused, since JSON has neither."""
    write_text(path, json.dumps(value, indent=indent, allow_nan=False) + "\n")


def read_json(path):
    """Parses a JSON file.

    Raises:
      UserError: the file is missing, unreadable, empty or no JSON.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is not valid JSON ({error}); check that the file is whole") from error


def make_folder(path):
    """Makes a folder, with parents, that can be written to; returns it as a ``pathlib.Path``."""
    path = pathlib.Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose a folder you can write to") from error
    return path
