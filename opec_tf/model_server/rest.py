"""The REST paths: predict, status and metadata of a model, as TensorFlow Serving has them."""

import base64
import binascii
import http.server
import json
import re

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format

from opec_tf import serving_api
from opec_tf.model_server import grpc_services, predict
from opec_tf.model_server.statuses import ServingError, invalid

_PATH = re.compile(r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?(?P<verb>.*)")
_HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400, grpc.StatusCode.NOT_FOUND: 404, grpc.StatusCode.FAILED_PRECONDITION: 412,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504, grpc.StatusCode.UNAVAILABLE: 503,
}  # fmt: skip
_LARGEST_BODY = 256 * 2**20


def handler(versions, gate):
    """The ``http.server`` handler class of a model; ``versions`` and ``gate`` as ``PredictionService`` has them."""

    class Handler(http.server.BaseHTTPRequestHandler):
        # One request a connection, so that the end of the server waits for answers and for nobody who is silent.
        protocol_version = "HTTP/1.0"
        timeout = 30

        def do_GET(self):
            self._answer(lambda match: _get(versions, match))

        def do_POST(self):
            length = int(self.headers.get("Content-Length", 0))
            if length > _LARGEST_BODY:
                self._send(413, {"error": f"the request has more than {_LARGEST_BODY} bytes"})
                return
            body = self.rfile.read(length)
            self._answer(lambda match: _post(versions, gate, match, body))

        def log_message(self, format, *arguments):
            """No line for each request."""

        def _answer(self, answer):
            match = _PATH.fullmatch(self.path)
            try:
                if not match:
                    raise invalid(f"Malformed request: {self.command} {self.path}")
                self._send(200, answer(match))
            except ServingError as error:
                self._send(_HTTP_STATUS.get(error.code, 500), {"error": error.message})

        def _send(self, code, content):
            body = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _get(versions, match):
    if match["verb"] == "/metadata":
        request = serving_api.get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        _fill_spec(request.model_spec, match)
        answer = grpc_services.metadata(versions, request)
    elif not match["verb"]:
        request = serving_api.get_model_status_pb2.GetModelStatusRequest()
        _fill_spec(request.model_spec, match)
        answer = grpc_services.status(versions, request)
    else:
        raise invalid(f"Malformed request: GET {match.string}")
    return json_format.MessageToDict(
        answer, preserving_proto_field_name=True, including_default_value_fields=not match["verb"]
    )


def _post(versions, gate, match, body):
    if match["verb"] != ":predict":
        raise invalid(f"Malformed request: POST {match.string}")
    try:
        content = json.loads(body)
    except ValueError as error:
        raise invalid(f"JSON Parse error: {error}") from error
    if not isinstance(content, dict) or ("instances" in content) == ("inputs" in content):
        raise invalid("Missing 'inputs' or 'instances' key, or both are there")
    request = serving_api.predict_pb2.PredictRequest()
    _fill_spec(request.model_spec, match)
    request.model_spec.signature_name = content.get("signature_name", "")
    with gate:
        with versions.version(request.model_spec) as version:
            signature = version.signatures.get(request.model_spec.signature_name or predict.DEFAULT_SIGNATURE)
            # An unknown signature is refused by predict, in the same words as over gRPC.
            for name, value in _columns(content, signature).items() if signature else ():
                request.inputs[name].CopyFrom(_to_proto(name, value, signature))
        response = predict.predict(versions, request)
    outputs = {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}
    if "inputs" in content:
        return {"outputs": {name: array.tolist() for name, array in outputs.items()}}
    rows = range(len(content["instances"]))
    return {"predictions": [{name: array[row].tolist() for name, array in outputs.items()} for row in rows]}


def _fill_spec(spec, match):
    spec.name = match["name"]
    if match["version"]:
        spec.version.value = int(match["version"])
    elif match["label"]:
        spec.version_label = match["label"]


def _columns(content, signature):
    """Input name -> value, from either form of the request."""
    if "inputs" in content:
        columns = content["inputs"]
        # A signature of one input may be given without its name.
        if len(signature.inputs) == 1 and (not isinstance(columns, dict) or set(columns) == {"b64"}):
            return {next(iter(signature.inputs)): columns}
    else:
        rows = content["instances"]
        if not isinstance(rows, list) or not rows:
            raise invalid("JSON Value: 'instances' must be a list with at least one value")
        if len(signature.inputs) == 1 and not isinstance(rows[0], dict):
            return {next(iter(signature.inputs)): rows}
        if not all(isinstance(row, dict) and set(row) == set(rows[0]) for row in rows):
            raise invalid("JSON Value: 'instances' must be objects with the same names")
        columns = {name: [row[name] for row in rows] for name in rows[0]}
    if not isinstance(columns, dict):
        raise invalid("JSON Value: 'inputs' must be an object of the signature's inputs")
    return columns


def _to_proto(name, value, signature):
    """The ``TensorProto`` of a JSON value, of the type that the signature's input has."""
    info = signature.inputs.get(name)
    dtype = tf.float32 if info is None else tf.dtypes.as_dtype(info.dtype)
    try:
        decoded = _decoded(value)
        array = np.array(decoded, object) if dtype is tf.string else np.array(decoded, dtype.as_numpy_dtype)
        return tf.make_tensor_proto(array, dtype)
    except (TypeError, ValueError, binascii.Error) as error:
        raise invalid(f"JSON Value of input {name!r} is not of type {dtype.name}: {error}") from error


def _decoded(value):
    """JSON with every {"b64": ...} as bytes."""
    if isinstance(value, dict) and set(value) == {"b64"}:
        return base64.b64decode(value["b64"], validate=True)
    return [_decoded(item) for item in value] if isinstance(value, list) else value
