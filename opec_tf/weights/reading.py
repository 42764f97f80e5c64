"""Weights files of other frameworks as NumPy arrays, read without those frameworks and without running their code."""

from __future__ import annotations

import os

import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.weights import keras_file, pytorch_file, safetensors_file, tfjs_file

_TAR_MARK = slice(257, 262)


def read(path: os.PathLike[str] | str) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint. The format is known by the file's first bytes, not by its name.

    Formats: PyTorch's zip files and the pickle streams before them (1.6), safetensors, Keras's HDF5, and the JSON file
    of a TensorFlow.js graph model, whose shards lie beside it.

    Returns:
      Name -> array, in the file's order; bfloat16 comes as float32.

    Raises:
      UserError: the file cannot be read, is of another format or damaged, or holds more than tensors and plain
        containers.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(512)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if start.startswith(b"PK\x03\x04"):
        return pytorch_file.read_zip(path)
    if start.startswith(pytorch_file.STREAM_START):
        return pytorch_file.read_stream(path)
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return keras_file.read(path)
    if tfjs_file.is_graph_model(start):
        return tfjs_file.read(path)
    if start[8:9] == b"{":
        return safetensors_file.read(path)
    if start[_TAR_MARK] == b"ustar":
        raise UserError(f"{path}: is a tar file, PyTorch's oldest format; load it with PyTorch and torch.save it anew")
    raise UserError(
        f"{path}: is no PyTorch, safetensors, Keras HDF5 or TensorFlow.js file; check that the download is whole"
    )
