"""TensorFlow.js graph models: a JSON file with the graph and a weights manifest, and shards of the weights beside it.

The graph is read for the names of its constants only; none of its operations is run. Quantised weights are put back
into numbers as TensorFlow.js does: float16 is widened, uint8 and uint16 are value * scale + min.
Format: https://github.com/tensorflow/tfjs/blob/master/tfjs-core/src/io/types.ts (WeightsManifestEntry).
"""

from __future__ import annotations

import json
import math
import os
import pathlib
from typing import Any

import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.weights import elements

_KINDS = {"float32": "f4", "int32": "i4", "uint8": "u1", "bool": "?"}
_QUANTIZED_KINDS = {"float16": "f2", "uint8": "u1", "uint16": "u2"}


def is_graph_model(start: bytes) -> bool:
    """Whether a file that begins with these bytes may be one: a JSON object."""
    return start.lstrip()[:1] == b"{"


def read(path: os.PathLike[str] | str) -> dict[str, np.ndarray]:
    """name -> NumPy array of every weight of a graph model; see ``reading.read``. The scope that conversion puts
    before all names, StatefulPartitionedCall, is left out."""
    try:
        with open(path, encoding="utf-8") as file:
            model = json.load(file)
    except ValueError as error:
        raise UserError(f"{path}: is not valid JSON ({error}); check that the file is whole") from error
    if not isinstance(model, dict) or not isinstance(model.get("weightsManifest"), list):
        raise UserError(f"{path}: has no 'weightsManifest'; it is no TensorFlow.js graph model")
    tensors: dict[str, np.ndarray] = {}
    for number, group in enumerate(model["weightsManifest"]):
        try:
            shards, entries = [str(shard) for shard in group["paths"]], list(group["weights"])
        except (TypeError, KeyError) as error:
            raise UserError(f"{path}: weightsManifest[{number}] lacks 'paths' or 'weights'") from error
        raw = b"".join(_shard(path, shard) for shard in shards)
        tensors.update(_tensors(path, entries, raw))
    return tensors


def _shard(path: os.PathLike[str] | str, name: str) -> bytes:
    """The bytes of a shard, which lies beside the JSON file."""
    if pathlib.PurePath(name).name != name:
        raise UserError(f"{path}: shard {name!r} in 'paths' is not the name of a file beside it")
    shard = pathlib.Path(path).with_name(name)
    try:
        return shard.read_bytes()
    except OSError as error:
        raise UserError(f"{shard}: cannot be read ({error.strerror}); {path} needs it beside itself") from error


def _tensors(path: os.PathLike[str] | str, entries: list[dict[str, Any]], raw: bytes) -> dict[str, np.ndarray]:
    """The tensors of a group, whose bytes follow one another."""
    tensors, start = {}, 0
    for entry in entries:
        try:
            name, dtype, shape = str(entry["name"]), entry["dtype"], tuple(int(side) for side in entry["shape"])
            quantization = entry.get("quantization", {})
            kind = _QUANTIZED_KINDS[quantization["dtype"]] if quantization else _KINDS[dtype]
        except (TypeError, KeyError, ValueError) as error:
            raise UserError(f"{path}: a weight's entry in 'weightsManifest' is not understood: {entry}") from error
        end = start + math.prod(shape) * elements.size(kind)
        if end > len(raw):
            raise UserError(
                f"{path}: tensor {name}: its bytes lie beyond the end of the shards; check that all are whole"
            )
        values = elements.decode(raw[start:end], kind).reshape(shape)
        tensors[name.removeprefix("StatefulPartitionedCall/")] = _dequantized(values, quantization)
        start = end
    return tensors


def _dequantized(values: np.ndarray, quantization: dict[str, Any]) -> np.ndarray:
    if not quantization:
        return values
    if quantization["dtype"] == "float16":
        return values.astype(np.float32)
    return (values.astype(np.float64) * quantization["scale"] + quantization["min"]).astype(np.float32)
