"""The safetensors format: the header's length (8 bytes, little-endian), a JSON header, then the tensors' bytes."""

from __future__ import annotations

import json
import math
import os
from typing import BinaryIO

import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.weights import elements

_KINDS = {
    "F64": "f8",
    "F32": "f4",
    "F16": "f2",
    "BF16": elements.BFLOAT16,
    "I64": "i8",
    "I32": "i4",
    "I16": "i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}
# The format's own limit.
_LONGEST_HEADER = 100_000_000


def read(path: os.PathLike[str] | str) -> dict[str, np.ndarray]:
    """The tensors of a file; see ``reading.read``."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        end = os.fstat(file.fileno()).st_size - 8 - length
        if length > _LONGEST_HEADER or end < 0:
            raise UserError(f"{path}: its header of {length} bytes is longer than the file; check that it is whole")
        header = _header(path, file.read(length))
        return {name: _tensor(path, file, 8 + length, end, name, entry) for name, entry in header.items()}


def _header(path: os.PathLike[str] | str, text: bytes) -> dict[str, dict]:
    try:
        header = json.loads(text)
    except ValueError as error:
        raise UserError(f"{path}: its header is not valid JSON ({error}); check that the file is whole") from error
    if not isinstance(header, dict):
        raise UserError(f"{path}: its header is not a JSON object; check that the file is whole")
    header.pop("__metadata__", None)
    return header


def _tensor(path: os.PathLike[str] | str, file: BinaryIO, start: int, end: int, name: str, entry: dict) -> np.ndarray:
    """One tensor, whose bytes lie at an offset from ``start``; the file holds ``end`` bytes behind that."""
    try:
        kind, shape, (first, last) = _KINDS.get(entry["dtype"]), entry["shape"], entry["data_offsets"]
        count = math.prod(shape)
        sound = all(type(number) is int and number >= 0 for number in (*shape, first, last))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: tensor {name}: its header entry lacks dtype, shape or data_offsets") from error
    if kind is None:
        raise UserError(f"{path}: tensor {name}: elements of type {entry['dtype']} are not read; convert to F32")
    if not sound or last > end:
        raise UserError(f"{path}: tensor {name}: its bytes lie beyond the end of the file; check that it is whole")
    if last - first != count * elements.size(kind):
        raise UserError(f"{path}: tensor {name}: {last - first} bytes are not the {count} elements of shape {shape}")
    file.seek(start + first)
    return elements.decode(file.read(last - first), kind).reshape(shape)
