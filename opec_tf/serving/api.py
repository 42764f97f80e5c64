"""The messages and stubs of TensorFlow Serving's API, without starting TensorFlow.

``tensorflow-serving-api`` refers to message modules inside the ``tensorflow`` package, whose own import takes seconds
and hundreds of megabytes. A client needs neither: the message modules are plain protobuf, and are imported past it.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from opec_tf.common.errors import UserError

# The messages are made at run time: nothing is known of their fields.
Message = Any


def _import_messages() -> tuple[Any, ...]:
    """Imports the stubs; where TensorFlow has not been imported, its ``__init__`` does not run."""
    if "tensorflow" in sys.modules:
        return _modules()
    found = importlib.machinery.PathFinder.find_spec("tensorflow")
    if found is None or found.submodule_search_locations is None:
        raise UserError("the tensorflow package is not installed; pip install tensorflow-serving-api==2.15.1")
    package = types.ModuleType("tensorflow")
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["tensorflow"] = package
    try:
        return _modules()
    finally:
        # Whoever imports TensorFlow later in this process gets the whole of it.
        del sys.modules["tensorflow"]


def _modules() -> tuple[Any, ...]:
    from tensorflow.core.framework import tensor_pb2, types_pb2
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_service_pb2_grpc,
        predict_pb2,
        prediction_log_pb2,
        prediction_service_pb2_grpc,
    )

    return (
        tensor_pb2,
        types_pb2,
        predict_pb2,
        prediction_log_pb2,
        get_model_metadata_pb2,
        get_model_status_pb2,
        prediction_service_pb2_grpc,
        model_service_pb2_grpc,
    )


(
    tensor_pb2,
    types_pb2,
    predict_pb2,
    prediction_log_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    prediction_service_pb2_grpc,
    model_service_pb2_grpc,
) = _import_messages()


def to_tensor_proto(value: npt.ArrayLike | list[bytes]) -> Message:
    """A ``TensorProto`` of a float array [...] or of a list of byte strings [B]."""
    if isinstance(value, list):
        proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=value)
    else:
        value = np.asarray(value, "<f4")
        proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_content=value.tobytes())
    for size in np.shape(value):
        proto.tensor_shape.dim.add(size=size)
    return proto


def to_array(proto: Message) -> np.ndarray:
    """The float32 array of a float ``TensorProto``, whichever of its two fields holds the numbers."""
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, "<f4").reshape(shape)
    return np.array(proto.float_val, np.float32).reshape(shape)


def predict_request(model: str, signature: str, inputs: Mapping[str, Any], version: int | None = None) -> Message:
    """A ``PredictRequest``.

    Args:
      model: name of the model.
      signature: name of the signature.
      inputs: input name -> what ``to_tensor_proto`` takes.
      version: the model's version; None: the newest.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    if version is not None:
        request.model_spec.version.value = version
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(to_tensor_proto(value))
    return request
