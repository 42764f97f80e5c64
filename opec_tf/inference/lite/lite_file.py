"""A TFLite file with what its numbers mean.

Behind the model's own bytes lies a zip archive with ``metadata.json``: the way in which TFLite's metadata format packs
files with a model. Interpreters do not look beyond the model, and any zip reader finds the archive:
``unzip -p model.tflite metadata.json``.
"""

from __future__ import annotations

import json
import os
import pathlib
import zipfile
from typing import Any, NamedTuple

from opec_tf.common import files
from opec_tf.common.errors import UserError

METADATA_FILE = "metadata.json"
# A TFLite file has these four bytes behind its first four.
_IDENTIFIER = b"TFL3"


class LiteFile(NamedTuple):
    """A model as ``conversion.convert`` makes it.

    Attributes:
      content: what ``tf.lite.Interpreter`` takes.
      metadata: see ``conversion``.
    """

    content: bytes
    metadata: dict[str, Any]

    def write(self, path: os.PathLike[str] | str) -> None:
        """Writes the file, whole or not at all.

        Raises:
          UserError: it cannot be written.
        """
        with files.atomic_path(path) as temporary:
            pathlib.Path(temporary).write_bytes(self.content)
            with zipfile.ZipFile(temporary, "a") as archive:
                archive.writestr(METADATA_FILE, json.dumps(self.metadata, indent=2, allow_nan=False) + "\n")

    @classmethod
    def read(cls, path: os.PathLike[str] | str) -> LiteFile:
        """Reads a file that ``write`` has written.

        Raises:
          UserError: it is another, or cannot be read.
        """
        try:
            content = pathlib.Path(path).read_bytes()
            if content[4:8] != _IDENTIFIER:
                raise UserError(f"{os.fspath(path)}: is no TFLite file; name one of export --format=tflite")
            with zipfile.ZipFile(path) as archive:
                entry = archive.getinfo(METADATA_FILE)
                return cls(content[: entry.header_offset], json.loads(archive.read(entry)))
        except OSError as error:
            raise UserError(f"{os.fspath(path)}: cannot be read ({error.strerror}); check the path") from error
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise UserError(
                f"{os.fspath(path)}: has no {METADATA_FILE} in it ({error}); name one of export --format=tflite"
            ) from error
