"""Files of ``torch.save``, read without PyTorch.

Both formats are a pickle that describes tensors by the storage they lie in, and the storages' bytes: since PyTorch 1.6
a zip file (NAME/data.pkl, NAME/data/KEY, NAME/byteorder), before that one stream (magic number, protocol version, facts
of the machine, the pickle, the storages' keys, and the storages, each after its length).

A pickle is a program. What it names is made only where ``_GLOBALS`` lists it, none of which does more than make a
container or a description of a tensor; the storages are read once it has ended. Whatever else it names, a training
script's optimizer or history, is a placeholder that does nothing: beside the network's tensors it is left out with a
warning, in their place it is an error.
"""

from __future__ import annotations

import collections
import dataclasses
import logging
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
_NAMED = 5  # placeholders that the warning names

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


class _Placeholder(type):
    """Stands for a class or function that is not known, and for everything that a pickle makes of it.

    Such a class is its own and only instance. What a pickle can do with an object (call it, make a new one of it, set
    its state, fill it) gives the class again and changes nothing.
    """

    def __new__(mcs, name: str) -> _Placeholder:
        return super().__new__(mcs, name, (), {"__new__": lambda cls, *args, **unused: cls})

    def __init__(cls, name: str) -> None:
        super().__init__(name, (), {})

    def __call__(cls, *args: object, **unused: object) -> _Placeholder:
        return cls

    def _ignore(cls, *unused: object) -> None:
        pass

    __setstate__ = __setitem__ = append = extend = add = _ignore


class _MakeTensor:
    """Stands for ``_rebuild_tensor_v2`` and the older ``_rebuild_tensor``.

    An object without attributes, because a pickle can set those of what it names.
    """

    __slots__ = ()

    def __call__(
        self, storage: object, offset: int, shape: Sequence[int], strides: Sequence[int], *unused: object
    ) -> _Tensor | _Placeholder:
        if isinstance(storage, _Placeholder):
            return storage
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
    """Makes plain containers and ``_Tensor``; a placeholder of every other global."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, _Storage] = {}
        self.placeholders: dict[str, _Placeholder] = {}

    def find_class(self, module: str, name: str) -> object:
        whole = f"{module}.{name}"
        if whole in _GLOBALS:
            return _GLOBALS[whole]
        return self.placeholders.setdefault(whole, _Placeholder(whole))

    def persistent_load(self, pid: tuple) -> _Storage | _Placeholder:
        mark, kind, key, _, count, *view = pid
        if isinstance(kind, _Placeholder):
            return kind
        if mark != "storage" or kind not in _STORAGES.values() or type(count) is not int:
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
                described = _described(_Unpickler(file), path)

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
        magic, version, machine = (_load(_Unpickler(file), path) for _ in range(3))
        if magic != _MAGIC or version != _PROTOCOL or not isinstance(machine, dict):
            raise UserError(f"{path}: is no file of torch.save; check that the download is whole")
        order = "<" if machine.get("little_endian", True) else ">"
        unpickler = _Unpickler(file)
        described = _described(unpickler, path)
        values = {}
        keys = _load(_Unpickler(file), path)
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


def _described(unpickler: _Unpickler, path: os.PathLike[str] | str) -> list[tuple[str, _Tensor]]:
    """(name, ``_Tensor``) of the network in a file; an optimizer or a history beside it is left out with a warning."""
    content = _network(_load(unpickler, path))
    for value in content.values() if isinstance(content, dict) else [content]:
        if isinstance(value, _Placeholder):
            raise UserError(
                f"{path}: refused: it asks for {value.__name__}, and only tensors and plain containers are read; keep "
                "only the state_dict when saving it"
            )
    if isinstance(content, dict):
        if described := [(str(name), value) for name, value in content.items() if isinstance(value, _Tensor)]:
            _tell(list(unpickler.placeholders), path)
            return described
    raise UserError(f"{path}: holds no mapping of names to tensors; save the network's state_dict()")


def _network(content: object) -> object:
    """What a training script saved, less what lies beside the network."""
    if isinstance(content, dict):
        return next((content[key] for key in _NESTS if isinstance(content.get(key), (dict, _Placeholder))), content)
    return content


def _tell(left_out: list[str], path: os.PathLike[str] | str) -> None:
    if left_out:
        more = f" and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
        logging.getLogger(__name__).warning(
            "%s: only the network's tensors are read; left out, and never run: %s%s",
            path,
            ", ".join(left_out[:_NAMED]),
            more,
        )


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
