"""Files of torch.save without PyTorch: numbers come out exactly, code does not run, damage is one line."""

import argparse
import collections
import datetime
import os
import pathlib
import pickle
import struct

import checkpoint_files
import numpy as np
import pytest

from opec_tf.common.errors import UserError
from opec_tf.weights import reading

RANDOM = np.random.default_rng(0)
TENSORS = {
    "conv.weight": RANDOM.normal(size=[4, 3, 2, 2]).astype(np.float32),
    "bn.num_batches_tracked": np.array(7, np.int64),
    "half": np.array([0.5, -2.0, 65504.0], np.float16),
    "double": RANDOM.normal(size=[2, 3]),
    "none": np.zeros([0, 3], np.float32),
}
WRITERS = {"zip": checkpoint_files.write_zip, "stream": checkpoint_files.write_stream}


def _same(found, expected):
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].shape == value.shape and found[name].dtype == value.dtype, name
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize("form", WRITERS)
def test_numbers_come_out_exactly(tmp_path, form):
    WRITERS[form](tmp_path / "a.pth", TENSORS)
    _same(reading.read(tmp_path / "a.pth"), TENSORS)


def test_the_network_is_found_beside_an_epoch(tmp_path):
    for nest in ("state_dict", "model"):
        checkpoint_files.write_zip(tmp_path / "a.pth", TENSORS, nest)
        _same(reading.read(tmp_path / "a.pth"), TENSORS)


def _write_one(path, opcodes, raw, byteorder=b"little"):
    checkpoint_files.write_archive(path, checkpoint_files.ordered_dict([("t", opcodes)]), {"0": raw}, byteorder)


def test_views_of_a_storage(tmp_path):
    """Column-major, and from an offset on: element (r, c) lies at 1 + r + 2 c."""
    raw = np.arange(7, dtype="<f4").tobytes()
    _write_one(tmp_path / "a.pth", checkpoint_files.tensor("0", "FloatStorage", 7, (2, 3), (1, 2), 1), raw)
    np.testing.assert_array_equal(reading.read(tmp_path / "a.pth")["t"], [[1, 3, 5], [2, 4, 6]])


def test_bfloat16_and_big_endian(tmp_path):
    values = [1.0, -0.15625, 2.0**100]
    opcodes = checkpoint_files.tensor("0", "BFloat16Storage", 3, (3,), (1,))
    _write_one(tmp_path / "a.pth", opcodes, checkpoint_files.bfloat16(values))
    np.testing.assert_array_equal(reading.read(tmp_path / "a.pth")["t"], np.float32(values))
    opcodes = checkpoint_files.tensor("0", "FloatStorage", 2, (2,), (1,))
    _write_one(tmp_path / "a.pth", opcodes, np.array([1.5, -2.0], ">f4").tobytes(), b"big")
    np.testing.assert_array_equal(reading.read(tmp_path / "a.pth")["t"], np.float32([1.5, -2.0]))


class _Touch:
    """Pickled, it is a call of os.system that makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("form", WRITERS)
def test_code_is_refused_by_name_and_not_run(tmp_path, form):
    mark = tmp_path / "mark"
    content = pickle.dumps({"state_dict": _Touch(mark)}, 2)
    if form == "zip":
        checkpoint_files.write_archive(tmp_path / "a.pth", content, {})
    else:
        checkpoint_files.write_stream(tmp_path / "a.pth", {})
        good = (tmp_path / "a.pth").read_bytes()
        (tmp_path / "a.pth").write_bytes(good.replace(checkpoint_files.ordered_dict([]), content))
    with pytest.raises(UserError, match=r"a.pth: refused: it asks for posix.system, and only tensors"):
        reading.read(tmp_path / "a.pth")
    assert not mark.exists()
    pickle.loads(content)
    assert mark.exists()


class _History:
    """As mmengine's HistoryBuffer: an object with a state, of a class that is made and filled."""

    class Inner(list):
        """Found by getattr in the pickles of PyTorch's protocol 2."""

    def __init__(self):
        self.inner, self.log = self.Inner([1, 2]), np.arange(3.0)


class _Keyword:
    def __new__(cls, *, size):
        return super().__new__(cls)

    def __getnewargs_ex__(self):
        return (), {"size": 3}


class _Slots:
    __slots__ = ("a",)

    def __init__(self):
        self.a = 1


class _Counts(dict):
    pass


class _Colours(set):
    pass


# What training scripts save beside the network, and what a pickle says of it: the classes that it names.
BESIDE = {
    "message_hub": (lambda: {"loss": _History()}, ["_History", "getattr", "numpy"]),
    "optimizer": (lambda: {"state": collections.defaultdict(dict, {0: {"step": 1}})}, ["collections.defaultdict"]),
    "args": (lambda: argparse.Namespace(lr=0.1, path=pathlib.PurePosixPath("a")), ["argparse.Namespace"]),
    "scheduler": (lambda: [_Keyword(size=3), _Slots()], ["_Keyword", "_Slots"]),
    "meta": (lambda: {"counts": _Counts(a=1), "colours": _Colours("ab")}, ["_Counts", "_Colours"]),
    "error": (lambda: {"last": ValueError("a"), "time": datetime.timedelta(1)}, ["ValueError", "datetime.timedelta"]),
}


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("what", BESIDE)
def test_other_objects_beside_the_network_are_left_out(tmp_path, form, what, caplog):
    make, names = BESIDE[what]
    WRITERS[form](tmp_path / "a.pth", TENSORS, "state_dict", [(what, pickle.dumps(make(), 2))])
    _same(reading.read(tmp_path / "a.pth"), TENSORS)
    [message] = caplog.messages
    assert message.startswith(f"{tmp_path / 'a.pth'}: only the network's tensors are read; left out, and never run: ")
    assert all(name in message for name in names), message


def test_few_of_many_are_named(tmp_path, caplog):
    beside = [(name, f"\x80\x02c{module}\nmake\n.".encode("latin1")) for name, module in zip("abcdefg", "ABCDEFG")]
    checkpoint_files.write_zip(tmp_path / "a.pth", TENSORS, "state_dict", beside)
    reading.read(tmp_path / "a.pth")
    [message] = caplog.messages
    assert message.endswith("never run: A.make, B.make, C.make, D.make, E.make and 2 more")


@pytest.mark.parametrize("form", WRITERS)
def test_code_beside_the_network_does_not_run(tmp_path, form, caplog):
    mark = tmp_path / "mark"
    content = pickle.dumps(_Touch(mark), 2)
    WRITERS[form](tmp_path / "a.pth", TENSORS, "state_dict", [("optimizer", content)])
    _same(reading.read(tmp_path / "a.pth"), TENSORS)
    assert not mark.exists()
    assert caplog.messages[0].endswith("left out, and never run: posix.system")
    pickle.loads(content)
    assert mark.exists()


def test_an_optimizers_tensors_of_a_kind_that_is_not_known(tmp_path):
    other = b"\x80\x02" + checkpoint_files.tensor("9", "ComplexFloatStorage", 3, (3,), (1,)) + b"."
    checkpoint_files.write_zip(tmp_path / "a.pth", TENSORS, "state_dict", [("optimizer", other)])
    _same(reading.read(tmp_path / "a.pth"), TENSORS)
    _write_one(tmp_path / "a.pth", other[2:-1], b"")
    with pytest.raises(UserError, match=r"a.pth: refused: it asks for torch.ComplexFloatStorage"):
        reading.read(tmp_path / "a.pth")


def test_a_placeholder_cannot_be_changed(tmp_path):
    """BUILD with a state of slots would set attributes of the class; the next call would then be what the file says."""
    state = checkpoint_files.text("__call__") + checkpoint_files.number(1)
    built = b"\x80\x02cA\nmake\nN}(" + state + b"u\x86b)R)\x81."
    checkpoint_files.write_zip(tmp_path / "a.pth", TENSORS, "state_dict", [("optimizer", built)])
    _same(reading.read(tmp_path / "a.pth"), TENSORS)


@pytest.mark.parametrize(
    "name", ["builtins eval", "builtins getattr", "functools partial", "torch.nn.modules.conv Conv2d", "numpy dtype"]
)
def test_other_globals_are_refused(tmp_path, name):
    module, _, attribute = name.partition(" ")
    checkpoint_files.write_archive(tmp_path / "a.pth", f"\x80\x02c{module}\n{attribute}\n.".encode("latin1"), {})
    with pytest.raises(UserError, match=f"it asks for {module}.{attribute}"):
        reading.read(tmp_path / "a.pth")


def test_what_a_pickle_names_cannot_be_changed(tmp_path):
    """BUILD sets attributes of the object below it; of those that a file may name there are none to set."""
    for name in ("torch._utils\n_rebuild_tensor_v2", "collections\nOrderedDict", "torch\nFloatStorage"):
        state = checkpoint_files.text("__call__") + checkpoint_files.number(1)
        content = b"\x80\x02c" + name.encode() + b"\nN}(" + state + b"u\x86b."
        checkpoint_files.write_archive(tmp_path / "a.pth", content, {})
        with pytest.raises(UserError, match="is damaged or no checkpoint"):
            reading.read(tmp_path / "a.pth")


@pytest.mark.parametrize("form", WRITERS)
def test_a_truncated_file(tmp_path, form):
    WRITERS[form](tmp_path / "a.pth", TENSORS)
    content = (tmp_path / "a.pth").read_bytes()
    for length in range(0, len(content) - 1, max(1, len(content) // 40)):
        (tmp_path / "a.pth").write_bytes(content[:length])
        with pytest.raises(UserError, match="a.pth: .*(whole|damaged|anew)"):
            reading.read(tmp_path / "a.pth")


@pytest.mark.parametrize(("field", "value"), [(8, 1), (10, 99)], ids=["encrypted", "unknown compression"])
def test_a_zip_file_that_cannot_be_unpacked(tmp_path, field, value):
    """The entries' flags and compression stand 8 and 10 bytes behind PK 1 2 in the archive's directory."""
    WRITERS["zip"](tmp_path / "a.pth", TENSORS)
    content = bytearray((tmp_path / "a.pth").read_bytes())
    entry = content.find(b"PK\x01\x02")
    while entry >= 0:
        content[entry + field] = value
        entry = content.find(b"PK\x01\x02", entry + 4)
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(UserError, match="a.pth: cannot be read as a zip file .*; check that the download is whole"):
        reading.read(tmp_path / "a.pth")


def test_damaged_descriptions(tmp_path):
    raw = np.zeros(6, "<f4").tobytes()
    cases = [
        (checkpoint_files.tensor("0", "FloatStorage", 6, (2, 3), (3, 1), 1), "t of shape \\(2, 3\\) reaches beyond"),
        (checkpoint_files.tensor("0", "FloatStorage", 6, (9, 9), (0, 0)), "reaches beyond"),
        (checkpoint_files.tensor("0", "FloatStorage", 6, (2, -3), (3, 1)), "shape \\(2, -3\\) with strides \\(3, 1\\)"),
        (checkpoint_files.tensor("0", "FloatStorage", 6, (2,), (3, 1)), "with strides"),
        (checkpoint_files.tensor("0", "FloatStorage", 5, (5,), (1,)), "storage 0 has not 5 elements"),
        (checkpoint_files.tensor("1", "FloatStorage", 6, (6,), (1,)), "There is no item named 'archive/data/1'"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR", "is damaged or no checkpoint"),
        (checkpoint_files.number(3), "holds no mapping of names to tensors"),
    ]
    for opcodes, message in cases:
        _write_one(tmp_path / "a.pth", opcodes, raw)
        with pytest.raises(UserError, match=message):
            reading.read(tmp_path / "a.pth")


def test_other_files_and_none(tmp_path):
    with pytest.raises(UserError, match="gone.pth: cannot be read .No such file"):
        reading.read(tmp_path / "gone.pth")
    (tmp_path / "a.pth").write_bytes(b"<html>not found</html>" + bytes(600))
    with pytest.raises(UserError, match="is no PyTorch, safetensors, Keras HDF5 or TensorFlow.js file"):
        reading.read(tmp_path / "a.pth")
    (tmp_path / "a.pth").write_bytes(bytes(257) + b"ustar" + bytes(300))
    with pytest.raises(UserError, match="is a tar file"):
        reading.read(tmp_path / "a.pth")


def test_a_stream_whose_storage_has_another_length(tmp_path):
    checkpoint_files.write_stream(tmp_path / "a.pth", {"t": np.zeros(3, np.float32)})
    content = (tmp_path / "a.pth").read_bytes()
    (tmp_path / "a.pth").write_bytes(content[:-20] + struct.pack("<q", 2) + content[-12:])
    with pytest.raises(UserError, match="storage 0 has not the length"):
        reading.read(tmp_path / "a.pth")
