"""TensorFlow.js graph models: numbers as they were, quantised ones put back, damaged files in one line."""

import json

import numpy as np
import pytest
import tfjs_graph

from opec_tf.common.errors import UserError
from opec_tf.weights import reading

VALUES = np.array([[-1.5, 0.25], [3.0, 7.0]], np.float32)


def test_numbers_are_read_as_tensorflow_js_reads_them(tmp_path):
    tensors = {
        "a/plain": VALUES,
        "b/half": VALUES.astype(np.float16),
        "c/bytes": np.array([0, 1, 255], np.uint8),
        "d/words": np.array([0, 65535], np.uint16),
    }
    quantized = {
        "b/half": {"dtype": "float16", "original_dtype": "float32"},
        "c/bytes": {"dtype": "uint8", "scale": 0.5, "min": -2.0, "original_dtype": "float32"},
        "d/words": {"dtype": "uint16", "scale": 0.001, "min": 1.0, "original_dtype": "float32"},
    }
    found = reading.read(tfjs_graph.write(tmp_path, tensors, quantized))
    assert list(found) == list(tensors) and {values.dtype for values in found.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(found["a/plain"], VALUES)
    np.testing.assert_array_equal(found["b/half"], VALUES)
    np.testing.assert_allclose(found["c/bytes"], [-2.0, -1.5, 125.5])
    np.testing.assert_allclose(found["d/words"], [1.0, 66.535], rtol=1e-6)


def _without_shard(model, folder):
    (folder / "shard2.bin").unlink()


def _outside(model, folder):
    model["weightsManifest"][0]["paths"][0] = "../shard1.bin"


def _longer(model, folder):
    model["weightsManifest"][0]["weights"][0]["shape"] = [2, 3]


def _unknown(model, folder):
    model["weightsManifest"][0]["weights"][0]["dtype"] = "string"


def _no_manifest(model, folder):
    del model["weightsManifest"]


FAULTS = {
    _without_shard: "shard2.bin: cannot be read .* needs it beside itself",
    _outside: "'../shard1.bin' in 'paths' is not the name of a file beside it",
    _longer: "tensor StatefulPartitionedCall/a: its bytes lie beyond the end of the shards",
    _unknown: "a weight's entry in 'weightsManifest' is not understood",
    _no_manifest: "has no 'weightsManifest'",
}


@pytest.mark.parametrize("damage", FAULTS)
def test_damaged_files_are_named(tmp_path, damage):
    path = tfjs_graph.write(tmp_path, {"a": VALUES})
    model = json.loads(path.read_text())
    damage(model, tmp_path)
    path.write_text(json.dumps(model))
    with pytest.raises(UserError, match=FAULTS[damage]) as caught:
        reading.read(path)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_json_that_is_cut_off_is_no_traceback(tmp_path):
    path = tmp_path / "model.json"
    path.write_text('{"weightsManifest": [')
    with pytest.raises(UserError, match="is not valid JSON"):
        reading.read(path)
