"""The stand-in over REST: the answers of gRPC, and refusals in JSON."""

import base64
import http.client
import json
import socket
import struct
import time

import grpc
import numpy as np
import pytest
import serving_run
from serving_run import NAME, rest

from opec_tf.serving import api
from opec_tf.serving.model_server import predict

pytestmark = pytest.mark.slow

PREDICT = f"/v1/models/{NAME}:predict"
FAR = "9" * 20


def test_rest_answers_as_grpc(server):
    image = {"b64": base64.b64encode(serving_run.jpeg()).decode()}
    boxes = serving_run.BOXES.tolist()
    request = serving_run.request(image_bytes=[serving_run.jpeg()] * 2, boxes=serving_run.BOXES)
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = api.prediction_service_pb2_grpc.PredictionServiceStub(channel)
        expected = stub.Predict(request, timeout=60).outputs["keypoints"]
    code, rows = rest(server, "POST", PREDICT, {"instances": [{"image_bytes": image, "boxes": box} for box in boxes]})
    assert code == 200 and set(rows["predictions"][0]) == {
        "keypoints",
        "initial_keypoints",
        "pose_score",
        "visibility",
    }
    found = [row["keypoints"] for row in rows["predictions"]]
    np.testing.assert_allclose(found, api.to_array(expected), atol=1e-3)
    content = {"signature_name": "image", "inputs": {"image_bytes": [image], "boxes": [boxes]}}
    code, columns = rest(server, "POST", f"/v1/models/{NAME}/versions/1:predict", content)
    assert code == 200
    np.testing.assert_allclose(columns["outputs"]["keypoints"][0], found, atol=1e-3)


def test_rest_status_and_metadata(server):
    code, status = rest(server, "GET", f"/v1/models/{NAME}")
    assert code == 200
    assert status["model_version_status"] == [
        {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    ]
    code, metadata = rest(server, "GET", f"/v1/models/{NAME}/metadata")
    assert code == 200 and "image" in metadata["metadata"]["signature_def"]["signature_def"]


@pytest.mark.parametrize(
    "method, path, content, code, message",
    [
        ("GET", "/v1/models/other", None, 404, "Could not find any versions of model other"),
        ("GET", "/v1/elsewhere", None, 400, "Malformed request: GET /v1/elsewhere"),
        ("GET", f"/v1/models/{NAME}/versions/{FAR}", None, 400, f"Failed to convert version: {FAR} to numeric."),
        ("POST", "/v1/models/other:predict", {"instances": [1]}, 404, "Servable not found for request: Latest(other)"),
        ("POST", PREDICT, b"{", 400, "JSON Parse error"),
        ("POST", PREDICT, {}, 400, "Missing 'inputs' or 'instances' key"),
        ("POST", PREDICT, {"instances": []}, 400, "at least one value"),
        (
            "POST",
            PREDICT,
            {"signature_name": "s", "inputs": {}},
            400,
            'Serving signature name: "s" not found in signature def',
        ),
        ("POST", PREDICT, {"signature_name": None, "inputs": {}}, 400, "must be a string value."),
        ("POST", PREDICT, {"signature_name": 3, "inputs": {}}, 400, "JSON Value: 3 not formatted"),
        pytest.param("POST", PREDICT, b"[" * 100_000, 400, "JSON Parse error", id="nested too deep"),
        ("POST", PREDICT, {"inputs": {}}, 400, "Missing but required: {boxes,image_bytes}"),
        (
            "POST",
            PREDICT,
            {"inputs": {"image_bytes": [{"b64": "?"}], "boxes": [[1, 1, 2, 2]]}},
            400,
            "input 'image_bytes'",
        ),
        (
            "POST",
            PREDICT,
            {"inputs": {"image_bytes": ["no image"], "boxes": [[1, 1, 2, 2]]}},
            400,
            "Unknown image file format",
        ),
        (
            "POST",
            PREDICT,
            {"inputs": {"image_bytes": ["x"], "boxes": [[1, "a"], [2]]}},
            400,
            "input 'boxes'",
        ),
        (
            "POST",
            PREDICT,
            {"inputs": {"image_bytes": ["x"], "boxes": [[1, 1, 2, 10**400]]}},
            400,
            "input 'boxes'",
        ),
    ],
)
def test_rest_refuses(server, method, path, content, code, message):
    found, body = rest(server, method, path, content)
    assert found == code and message in body["error"]


@pytest.mark.parametrize("method, path", [("GET", "/"), ("GET", "/elsewhere"), ("POST", "/")])
def test_outside_the_api_is_nothing(server, method, path):
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=60)
    connection.request(method, path)
    response = connection.getresponse()
    assert (response.status, response.headers["Content-Type"]) == (404, "text/html")
    assert b"<TITLE>404 Not Found</TITLE>" in response.read()
    connection.close()


@pytest.mark.parametrize("length", ["many", "-1", FAR])
def test_a_length_that_is_no_number_is_refused(server, length):
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=60) as connection:
        connection.sendall(f"POST {PREDICT} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode())
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 400 ")
    assert f"the Content-Length '{length}' is no number of bytes" in json.loads(body)["error"]


def test_a_fault_of_the_server_is_answered(server, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("out of order")

    monkeypatch.setattr(predict, "predict", fail)
    content = {"inputs": {"image_bytes": ["x"], "boxes": [[1, 1, 2, 2]]}}
    assert rest(server, "POST", PREDICT, content) == (500, {"error": "RuntimeError: out of order"})


def test_nothing_is_said_of_clients_that_have_gone(server, capfd):
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", server.rest_port)) as connection:
            # Closed so, the connection is reset and what is sent back fails.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(f"GET /v1/models/{NAME}/metadata HTTP/1.1\r\n\r\n".encode())
    time.sleep(1.0)
    assert capfd.readouterr().err == ""
