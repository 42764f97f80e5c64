"""Files of ``torch.save``, read without PyTorch.

Both formats are a pickle that describes tensors by the storage they lie in, and the storages' bytes: since PyTorch 1.6
a zip file (NAME/data.pkl, NAME/data/KEY, NAME/byteorder), before that one stream (magic number, protocol version, facts
of the machine, the pickle, the storages' keys, and the storages, each after its length).

A pickle is a program. This one may only name what ``_GLOBALS`` lists, none of which does more than make a container or
a description of a tensor; the storages are read once it has ended.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import os
import pickle
import zipfile
import zlib
from collections.abc import Sequence
from typing import IO

import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.weights import elements

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
# The pickled magic number: protocol 2, a long of 10 bytes.
STREAM_START = b"\x80\x02\x8a\x0a" + _MAGIC.to_bytes(10, "little")

# Keys under which training scripts nest a network's tensors, beside epochs and optimizers.
_NESTS = ("state_dict", "model_state_dict", "model")

# What unpickling bytes that are no pickle may raise.
_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    MemoryError,
    RecursionError,
)


@dataclasses.dataclass(frozen=True)
class _Storage:
    """Where a tensor's elements lie: ``count`` elements of a kind (see ``elements``), of which the first ``offset`` are
    skipped."""

    kind: str
    key: str
    count: int
    offset: int = 0


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """A tensor that is not read yet; offset and strides in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _MakeTensor:
    """Stands for ``_rebuild_tensor_v2`` and the older ``_rebuild_tensor``.

    An object without attributes, because a pickle can set those of what it names.
    """

    __slots__ = ()

    def __call__(
        self, storage: object, offset: int, shape: Sequence[int], strides: Sequence[int], *unused: object
    ) -> _Tensor:
        if not isinstance(storage, _Storage):
            raise pickle.UnpicklingError("a tensor without a storage")
        return _Tensor(storage, offset, tuple(shape), tuple(strides))


class _MakeParameter:
    """Stands for ``_rebuild_parameter``: the tensor itself."""

    __slots__ = ()

    def __call__(self, tensor: object, *unused: object) -> object:
        return tensor


_STORAGES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": elements.BFLOAT16,
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
_GLOBALS = {
    "collections.OrderedDict": collections.OrderedDict,
    "torch._utils._rebuild_tensor": _MakeTensor(),
    "torch._utils._rebuild_tensor_v2": _MakeTensor(),
    "torch._utils._rebuild_parameter": _MakeParameter(),
    "torch.Size": tuple,
    **{f"{module}.{name}": kind for module in ("torch", "torch.cuda") for name, kind in _STORAGES.items()},
}


class _Unpickler(pickle.Unpickler):
    """Makes plain containers and ``_Tensor``; refuses every other global by name."""

    def __init__(self, file: IO[bytes], path: os.PathLike[str] | str) -> None:
        super().__init__(file, encoding="utf-8")
        self._path = path
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> object:
        try:
            return _GLOBALS[f"{module}.{name}"]
        except KeyError:
            raise UserError(
                f"{self._path}: refused: it asks for {module}.{name}, and only tensors and plain containers are read; "
                "keep only the state_dict when saving it"
            ) from None

    def persistent_load(self, pid: tuple) -> _Storage:
        mark, kind, key, _, count, *view = pid
        if mark != "storage" or kind not in _STORAGES.values():
            raise pickle.UnpicklingError(f"unknown persistent id {mark!r}")
        _, offset, _ = view[0] if view and view[0] else (None, 0, None)
        self.storages[key] = _Storage(kind, key, count)
        return _Storage(kind, key, count, offset)


def read_zip(path: os.PathLike[str] | str) -> dict[str, np.ndarray]:
    """The tensors of a zip file; see ``reading.read``."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            pickles = [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
            if len(pickles) != 1:
                raise UserError(f"{path}: is a zip file, but not one of torch.save: it has no data.pkl")
            root = pickles[0][: -len("data.pkl")]
            order = archive.read(f"{root}byteorder") if f"{root}byteorder" in names else b"little"
            with archive.open(pickles[0]) as file:
                described = _tensors(_load(_Unpickler(file, path), path), path)

            def values(storage: _Storage) -> np.ndarray:
                entry = archive.getinfo(f"{root}data/{storage.key}")
                if entry.file_size != storage.count * elements.size(storage.kind):
                    raise UserError(f"{path}: storage {storage.key} has not {storage.count} elements; it is damaged")
                return elements.decode(archive.read(entry), storage.kind, "<" if order == b"little" else ">")

            return {name: _materialize(tensor, values(tensor.storage), name, path) for name, tensor in described}
    except KeyError as error:
        raise UserError(f"{path}: {error.args[0]}; check that the file is whole") from error
    # RuntimeError is what zipfile says of encryption and, by a subclass, of a compression that it does not know.
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:
        raise UserError(f"{path}: cannot be read as a zip file ({error}); check that the download is whole") from error


def read_stream(path: os.PathLike[str] | str) -> dict[str, np.ndarray]:
    """The tensors of a file of PyTorch before 1.6; see ``reading.read``."""
    file_size = os.path.getsize(path)
    with open(path, "rb") as file:
        magic, version, machine = (_load(_Unpickler(file, path), path) for _ in range(3))
        if magic != _MAGIC or version != _PROTOCOL or not isinstance(machine, dict):
            raise UserError(f"{path}: is no file of torch.save; check that the download is whole")
        order = "<" if machine.get("little_endian", True) else ">"
        unpickler = _Unpickler(file, path)
        described = _tensors(_load(unpickler, path), path)
        values = {}
        keys = _load(_Unpickler(file, path), path)
        if not isinstance(keys, list):
            raise UserError(f"{path}: has no list of storages; check that the download is whole")
        for key in keys:
            storage = unpickler.storages.get(key)
            count = int.from_bytes(file.read(8), "little" if order == "<" else "big")
            if storage is None or count != storage.count:
                raise UserError(f"{path}: storage {key} has not the length that its tensors say; it is damaged")
            length = count * elements.size(storage.kind)
            if length > file_size - file.tell():
                raise UserError(f"{path}: ends within storage {key}; check that the download is whole")
            values[key] = elements.decode(file.read(length), storage.kind, order)
    if missing := [name for name, tensor in described if tensor.storage.key not in values]:
        raise UserError(f"{path}: has no bytes for tensor {missing[0]}; check that the download is whole")
    return {name: _materialize(tensor, values[tensor.storage.key], name, path) for name, tensor in described}


def _load(unpickler: _Unpickler, path: os.PathLike[str] | str) -> object:
    try:
        return unpickler.load()
    except _DAMAGE as error:
        raise UserError(f"{path}: is damaged or no checkpoint ({error}); check that the download is whole") from error


def _tensors(content: object, path: os.PathLike[str] | str) -> list[tuple[str, _Tensor]]:
    """(name, ``_Tensor``) of the network in what was unpickled; the tensors of an optimizer beside it are left."""
    if isinstance(content, dict):
        content = next((content[key] for key in _NESTS if isinstance(content.get(key), dict)), content)
        if described := [(str(name), value) for name, value in content.items() if isinstance(value, _Tensor)]:
            return described
    raise UserError(f"{path}: holds no mapping of names to tensors; save the network's state_dict()")


def _materialize(tensor: _Tensor, values: np.ndarray, name: str, path: os.PathLike[str] | str) -> np.ndarray:
    """The array of a tensor whose storage holds ``values``."""
    shape, strides = tensor.shape, tensor.strides
    numbers = (tensor.offset, tensor.storage.offset, *shape, *strides)
    if len(shape) != len(strides) or not all(type(number) is int and number >= 0 for number in numbers):
        raise UserError(f"{path}: tensor {name}: shape {shape} with strides {strides} is damaged")
    count, first = math.prod(shape), tensor.offset + tensor.storage.offset
    if count == 0:
        return np.zeros(shape, values.dtype)
    last = first + sum((length - 1) * stride for length, stride in zip(shape, strides))
    # No more elements than the storage has: what PyTorch calls expanded is none of a network's weights.
    if last >= len(values) or count > len(values):
        raise UserError(f"{path}: tensor {name} of shape {shape} reaches beyond its storage; the file is damaged")
    strides_in_bytes = [stride * values.itemsize for stride in strides]
    return np.array(np.lib.stride_tricks.as_strided(values[first:], shape, strides_in_bytes))
