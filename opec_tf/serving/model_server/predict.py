"""One Predict request answered."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from opec_tf.serving import api
from opec_tf.serving.model_server import requests
from opec_tf.serving.model_server.versions import ModelVersions


def predict(versions: ModelVersions, request: api.Message) -> api.Message:
    """Answers a ``PredictRequest``.

    Returns:
      ``PredictResponse``; its numbers lie in float_val or int_val, as some clients read nothing else.

    Raises:
      ServingError: the request is refused.
    """
    requests.check_spec(request)
    with versions.version(request.model_spec) as version:
        signature, inputs, names = requests.parse(request, version.signatures)
        outputs = version.run(signature, inputs, names)
    response = api.predict_pb2.PredictResponse()
    response.model_spec.name, response.model_spec.signature_name = request.model_spec.name, signature
    response.model_spec.version.value = version.number
    for name in names:
        response.outputs[name].CopyFrom(_to_fields(outputs[name]))
    return response


def _to_fields(array: np.ndarray) -> api.Message:
    """A ``TensorProto`` of a float array with its numbers in float_val."""
    proto = api.tensor_pb2.TensorProto(dtype=tf.dtypes.as_dtype(array.dtype).as_datatype_enum)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    field = proto.float_val if array.dtype == np.float32 else proto.int_val
    field.extend(array.ravel().tolist())
    return proto
