"""The REST paths: predict, status and metadata of a model, as TensorFlow Serving has them."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format

from opec_tf.serving import api
from opec_tf.serving.model_server import grpc_services, predict, requests
from opec_tf.serving.model_server.gate import Gate
from opec_tf.serving.model_server.statuses import Answering, ServingError, invalid
from opec_tf.serving.model_server.versions import ModelVersions

_PATH = re.compile(r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?(?P<verb>.*)")
_HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.FAILED_PRECONDITION: 412,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.UNAVAILABLE: 503,
}
# Outside /v1/ the server has nothing, and says so in the words of its HTTP library.
_API_PATH = re.compile(r"/v1/.*", re.IGNORECASE)
_NOT_FOUND_PAGE = b"<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n"
_LENGTH = re.compile(r"[0-9]{1,18}")
_LARGEST_BODY = 256 * 2**20


class RestServer(http.server.ThreadingHTTPServer):
    """Listens, and answers each connection's request in a thread of its own.

    Args:
      address: (host, port).
      versions, gate: as ``PredictionService`` has them.
    """

    # Nobody waits for the thread of a client that is silent or slow: ``wait`` does for those that have asked.
    daemon_threads = True

    def __init__(self, address: tuple[str, int], versions: ModelVersions, gate: Gate) -> None:
        self.versions, self.gate = versions, gate
        self._under_way, self._changed = 0, threading.Condition()
        super().__init__(address, _Handler)

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """The block answers a request."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Waits until all requests that have come whole are answered, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way, seconds)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a client that has gone."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: RestServer
    timeout = 30

    def do_GET(self) -> None:
        self._answer(lambda match: _get(self.server.versions, match))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not _LENGTH.fullmatch(length):
            self._send(400, {"error": f"Malformed request: the Content-Length {length[:99]!r} is no number of bytes"})
            return
        if int(length) > _LARGEST_BODY:
            self._send(413, {"error": f"the request has more than {_LARGEST_BODY} bytes"})
            return
        body = self.rfile.read(int(length))
        self._answer(lambda match: _post(self.server.versions, self.server.gate, match, body))

    def log_message(self, format: str, *arguments: object) -> None:
        """No line for each request."""

    def _answer(self, answer: Callable[[re.Match[str]], object]) -> None:
        with self.server.under_way():
            if not _API_PATH.fullmatch(self.path.partition("?")[0]):
                self._send_body(404, _NOT_FOUND_PAGE, "text/html")
                return
            code, match = 200, _PATH.fullmatch(self.path)
            try:
                with Answering():
                    if not match:
                        raise invalid(f"Malformed request: {self.command} {self.path}")
                    content = answer(match)
            except ServingError as error:
                code, content = _HTTP_STATUS.get(error.code, 500), {"error": error.message}
            self._send(code, content)

    def _send(self, code: int, content: object) -> None:
        self._send_body(code, json.dumps(content).encode(), "application/json")

    def _send_body(self, code: int, body: bytes, content_type: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _get(versions: ModelVersions, match: re.Match[str]) -> dict[str, Any]:
    if match["verb"] == "/metadata":
        request = api.get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        _fill_spec(request.model_spec, match)
        answer = grpc_services.metadata(versions, request)
    elif not match["verb"]:
        request = api.get_model_status_pb2.GetModelStatusRequest()
        _fill_spec(request.model_spec, match)
        answer = grpc_services.status(versions, request)
    else:
        raise invalid(f"Malformed request: GET {match.string}")
    return json_format.MessageToDict(
        answer, preserving_proto_field_name=True, including_default_value_fields=not match["verb"]
    )


def _post(versions: ModelVersions, gate: Gate, match: re.Match[str], body: bytes) -> dict[str, Any]:
    if match["verb"] != ":predict":
        raise invalid(f"Malformed request: POST {match.string}")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid(f"JSON Parse error: {error}") from error
    if not isinstance(content, dict) or ("instances" in content) == ("inputs" in content):
        raise invalid("Missing 'inputs' or 'instances' key, or both are there")
    signature_name = content.get("signature_name", "")
    if not isinstance(signature_name, str):
        value = json.dumps(signature_name)
        raise invalid(f"JSON Value: {value} not formatted correctly. 'signature_name' key must be a string value.")
    request = api.predict_pb2.PredictRequest()
    _fill_spec(request.model_spec, match)
    request.model_spec.signature_name = signature_name
    with gate:
        with versions.version(request.model_spec) as version:
            signature_name = signature_name or requests.DEFAULT_SIGNATURE
            signature = version.signatures.get(signature_name)
            if signature is None:  # over gRPC it is another status and sentence
                raise invalid(f'Serving signature name: "{signature_name}" not found in signature def')
            for name, value in _columns(content, signature).items():
                request.inputs[name].CopyFrom(_to_proto(name, value, signature))
        response = predict.predict(versions, request)
    outputs = {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}
    if "inputs" in content:
        return {"outputs": {name: array.tolist() for name, array in outputs.items()}}
    rows = range(len(content["instances"]))
    return {"predictions": [{name: array[row].tolist() for name, array in outputs.items()} for row in rows]}


def _fill_spec(spec: api.Message, match: re.Match[str]) -> None:
    spec.name = match["name"]
    if match["version"]:
        try:
            spec.version.value = int(match["version"])
        except ValueError as error:  # it does not fit into int64
            raise invalid(f"Failed to convert version: {match['version']} to numeric.") from error
    elif match["label"]:
        spec.version_label = match["label"]


def _columns(content: Mapping[str, Any], signature: api.Message) -> dict[str, Any]:
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


def _to_proto(name: str, value: object, signature: api.Message) -> api.Message:
    """The ``TensorProto`` of a JSON value, of the type that the signature's input has."""
    info = signature.inputs.get(name)
    dtype = tf.float32 if info is None else tf.dtypes.as_dtype(info.dtype)
    try:
        decoded = _decoded(value)
        array = np.array(decoded, object) if dtype is tf.string else np.array(decoded, dtype.as_numpy_dtype)
        return tf.make_tensor_proto(array, dtype)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise invalid(f"JSON Value of input {name!r} is not of type {dtype.name}: {error}") from error


def _decoded(value: Any) -> Any:
    """JSON with every {"b64": ...} as bytes."""
    if isinstance(value, dict) and set(value) == {"b64"}:
        return base64.b64decode(value["b64"], validate=True)
    return [_decoded(item) for item in value] if isinstance(value, list) else value
