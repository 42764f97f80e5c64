"""Files as ``torch.save`` and safetensors write them, put together byte by byte. Shared by several tests."""

import json
import pickle
import struct
import zipfile

import numpy as np

_STORAGES = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage", "u1": "ByteStorage"}
_SAFE = {"f4": "F32", "f8": "F64", "f2": "F16", "i8": "I64", "u1": "U8"}


def bfloat16(values):
    """The raw bytes of float32 numbers that bfloat16 can hold."""
    return (np.asarray(values, np.float32).view(np.uint32) >> 16).astype("<u2").tobytes()


def text(value):
    """The opcode of a text."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value):
    """The opcode of an integer."""
    return b"J" + struct.pack("<i", value)


def tensor(key, storage, count, shape, strides, offset=0, stream=False):
    """The opcodes of a tensor in storage ``key``."""
    view = b"N" if stream else b""
    kind = f"ctorch\n{storage}\n".encode()
    persistent = b"(" + text("storage") + kind + text(key) + text("cpu") + number(count) + view
    ints = [b"(" + b"".join(map(number, values)) + b"t" for values in (shape, strides)]
    call = persistent + b"tQ" + number(offset) + ints[0] + ints[1] + b"\x89" + b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + call + b"tR"


def ordered_dict(items):
    """A whole pickle: an OrderedDict of (name, opcodes of the value)."""
    body = b"".join(text(name) + value for name, value in items)
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + body + b"u."


def write_zip(path, tensors, nest=None, beside=()):
    """A file of PyTorch from 1.6 on; see ``_saved``."""
    storages = {str(i): np.ascontiguousarray(value).tobytes() for i, value in enumerate(tensors.values())}
    write_archive(path, _saved(tensors, nest, beside, stream=False), storages)


def write_archive(path, content, storages, byteorder=b"little"):
    """A zip file with the given pickle and storages."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/byteorder", byteorder)
        for key, raw in storages.items():
            archive.writestr(f"archive/data/{key}", raw)
        archive.writestr("archive/version", b"3\n")


def write_stream(path, tensors, nest=None, beside=()):
    """A file of PyTorch before 1.6; see ``_saved``."""
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, machine)]
    parts.append(_saved(tensors, nest, beside, stream=True))
    parts.append(pickle.dumps([str(i) for i in range(len(tensors))], 2))
    parts += [struct.pack("<q", value.size) + np.ascontiguousarray(value).tobytes() for value in tensors.values()]
    path.write_bytes(b"".join(parts))


def write_safetensors(path, tensors):
    """A safetensors file."""
    header, raw = {"__metadata__": {"format": "pt"}}, b""
    for name, value in tensors.items():
        content = np.ascontiguousarray(value).tobytes()
        offsets = [len(raw), len(raw) + len(content)]
        header[name] = {"dtype": _SAFE[value.dtype.str[1:]], "shape": list(value.shape), "data_offsets": offsets}
        raw += content
    write_header(path, header, raw)


def write_header(path, header, raw):
    """A safetensors file of a given header."""
    content = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(content)) + content + raw)


def _saved(tensors, nest, beside, stream):
    """A whole pickle of tensors. ``nest``: the key under which they lie, after an epoch and before ``beside``, of
    (name, the pickle of an object) each."""
    content = ordered_dict(_described(tensors, stream))
    if not nest:
        return content
    others = b"".join(text(name) + pickled[2 : -len(b".")] for name, pickled in beside)
    return b"\x80\x02}(" + text("epoch") + number(3) + text(nest) + content[2 : -len(b".")] + others + b"u."


def _described(tensors, stream):
    for i, (name, value) in enumerate(tensors.items()):
        strides = [stride // value.itemsize for stride in np.ascontiguousarray(value).reshape(value.shape).strides]
        storage = _STORAGES[value.dtype.str[1:]]
        yield name, tensor(str(i), storage, value.size, value.shape, strides, stream=stream)
