"""safetensors: numbers come out exactly, a header that does not fit its file is one line."""

import struct

import checkpoint_files
import numpy as np
import pytest

from opec_tf.common.errors import UserError
from opec_tf.weights import reading

TENSORS = {
    "a": np.random.default_rng(0).normal(size=[2, 3]).astype(np.float32),
    "count": np.array(5, np.int64),
    "half": np.array([[0.5, -2.0]], np.float16),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.safetensors"


def test_numbers_come_out_exactly(path):
    checkpoint_files.write_safetensors(path, TENSORS)
    found = reading.read(path)
    assert list(found) == list(TENSORS)
    for name, value in TENSORS.items():
        assert found[name].dtype == value.dtype and found[name].shape == value.shape
        np.testing.assert_array_equal(found[name], value)


def test_bfloat16(path):
    values = np.float32([1.0, -0.15625])
    entry = {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}
    checkpoint_files.write_header(path, {"b": entry}, checkpoint_files.bfloat16(values))
    np.testing.assert_array_equal(reading.read(path)["b"], values)


def test_what_does_not_fit(path):
    good = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    cases = [
        ({"data_offsets": [0, 12]}, "t: its bytes lie beyond the end"),
        ({"data_offsets": [-4, 4]}, "t: its bytes lie beyond"),
        ({"shape": [3]}, "t: 8 bytes are not the 3 elements"),
        ({"shape": "2"}, "t: its header entry lacks|t: its bytes"),
        ({"data_offsets": [8]}, "t: its header entry lacks"),
        ({"dtype": "F8_E4M3"}, "t: elements of type F8_E4M3 are not read"),
    ]
    for changes, message in cases:
        checkpoint_files.write_header(path, {"t": {**good, **changes}}, bytes(8))
        with pytest.raises(UserError, match=message):
            reading.read(path)


def test_a_truncated_file(path):
    checkpoint_files.write_safetensors(path, TENSORS)
    content = path.read_bytes()
    for length in range(9, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match="check that it is whole"):
            reading.read(path)
    path.write_bytes(struct.pack("<Q", 5) + b"{oops")
    with pytest.raises(UserError, match="its header is not valid JSON"):
        reading.read(path)
