"""``opec_tf.serve`` over real sockets: every row of the table of statuses that TensorFlow Serving's clients rely on."""

import base64
import ctypes
import http.client
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import grpc
import numpy as np
import pytest
import serving_run
import tensorflow as tf

from opec_tf import serving_api
from opec_tf.model_server import predict
from opec_tf.model_server.server import Gate, ModelServer
from opec_tf.model_server.statuses import ServingError
from opec_tf.model_server.versions import ModelVersions

ROOT = pathlib.Path(__file__).resolve().parents[1]
NAME = serving_run.NAME
MODEL_STATUS = serving_api.get_model_status_pb2.GetModelStatusRequest
METADATA = serving_api.get_model_metadata_pb2.GetModelMetadataRequest


@pytest.fixture(scope="module")
def stubs(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield (
            serving_api.prediction_service_pb2_grpc.PredictionServiceStub(channel),
            serving_api.model_service_pb2_grpc.ModelServiceStub(channel),
        )


def request(signature="serving_default", model=NAME, **changes):
    """A good request, some inputs of which are others."""
    inputs = {"image_bytes": [serving_run.jpeg()], "boxes": serving_run.BOXES[:1], **changes}
    return serving_api.predict_request(model, signature, inputs)


def changed(change):
    message = request()
    change(message)
    return message


def refusal(method, message):
    with pytest.raises(grpc.RpcError) as error:
        method(message, timeout=60)
    return error.value.code().name, error.value.details()


PREDICT = {
    "no model_spec": (lambda m: m.ClearField("model_spec"), "INVALID_ARGUMENT", "Missing ModelSpec"),
    "no name": (lambda m: m.model_spec.ClearField("name"), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    "model": (
        lambda m: setattr(m.model_spec, "name", "other"),
        "NOT_FOUND", "Servable not found for request: Latest(other)",
    ),
    "version": (
        lambda m: setattr(m.model_spec.version, "value", 7),
        "NOT_FOUND", f"Servable not found for request: Specific({NAME}, 7)",
    ),
    "label": (
        lambda m: setattr(m.model_spec, "version_label", "canary"),
        "INVALID_ARGUMENT", "Unrecognized servable version label: canary",
    ),
    "signature": (
        lambda m: setattr(m.model_spec, "signature_name", "other"),
        "FAILED_PRECONDITION", 'Serving signature key "other" not found.',
    ),
    "number of inputs": (
        lambda m: m.inputs.clear(),
        "INVALID_ARGUMENT",
        "input size does not match signature: 0!=2 len({}) != len({boxes,image_bytes}). Sent extra: {}. "
        "Missing but required: {boxes,image_bytes}.",
    ),
    "another input": (
        lambda m: m.inputs["extra"].CopyFrom(m.inputs["boxes"]),
        "INVALID_ARGUMENT", "3!=2 len({boxes,extra,image_bytes}) != len({boxes,image_bytes}). Sent extra: {extra}.",
    ),
    "undecodable tensor": (
        lambda m: setattr(m.inputs["boxes"], "tensor_content", b"abc"),
        "INVALID_ARGUMENT", "tensor parsing error: boxes",
    ),
    "type": (
        lambda m: m.inputs["boxes"].CopyFrom(m.inputs["image_bytes"]),
        "INVALID_ARGUMENT", "to be float but string is provided",
    ),
    "output filter": (
        lambda m: m.output_filter.append("z"),
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: z Outputs expected to be in the set "
        "{initial_keypoints,keypoints,pose_score,visibility}.",
    ),
    "repeated filter": (
        lambda m: m.output_filter.extend(["keypoints", "keypoints"]),
        "INVALID_ARGUMENT", "duplicate output tensor alias: keypoints",
    ),
    "no image": (
        lambda m: m.inputs["image_bytes"].CopyFrom(serving_api.to_tensor_proto([b"no image"])),
        "INVALID_ARGUMENT", "Unknown image file format. One of JPEG, PNG, GIF, BMP required.",
    ),
    # The graph's own: a server does not hold requests to a signature's shapes.
    "five numbers a box": (
        lambda m: m.inputs["boxes"].CopyFrom(serving_api.to_tensor_proto(np.ones([1, 5]))),
        "INVALID_ARGUMENT", "boxes must have the shape [B, 4]; it has] [1 5]",
    ),
    "rank": (
        lambda m: m.inputs["boxes"].CopyFrom(serving_api.to_tensor_proto(np.ones([4]))),
        "INVALID_ARGUMENT", "boxes must have the shape [B, 4]; it has] [4]",
    ),
    "a box without area": (
        lambda m: m.inputs["boxes"].CopyFrom(serving_api.to_tensor_proto(np.zeros([1, 4]))),
        "INVALID_ARGUMENT", "boxes holds a box without area",
    ),
    "truncated": (
        lambda m: m.inputs["image_bytes"].CopyFrom(serving_api.to_tensor_proto([serving_run.jpeg()[:200]])),
        "INVALID_ARGUMENT", "Invalid JPEG data",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PREDICT)
def test_predict_refuses(stubs, case):
    change, code, message = PREDICT[case]
    found = refusal(stubs[0].Predict, changed(change))
    assert found[0] == code and message in found[1]
    if "image" not in case and code != "INVALID_ARGUMENT":
        assert found[1] == message


def test_long_messages_are_cut(stubs):
    code, message = refusal(stubs[0].Predict, changed(lambda m: setattr(m.model_spec, "signature_name", "s" * 2000)))
    assert code == "FAILED_PRECONDITION" and len(message) == 1024 + len("...TRUNCATED")
    assert message.endswith("s...TRUNCATED")


def test_status_and_its_refusals(stubs):
    message = MODEL_STATUS()
    message.model_spec.name = NAME
    (version,) = stubs[1].GetModelStatus(message, timeout=60).model_version_status
    assert (version.version, version.state, version.status.error_code) == (1, version.AVAILABLE, 0)
    message.model_spec.version.value = 7
    expected = "NOT_FOUND", f"Could not find version 7 of model {NAME}"
    assert refusal(stubs[1].GetModelStatus, message) == expected
    message = MODEL_STATUS()
    message.model_spec.name = "other"
    assert refusal(stubs[1].GetModelStatus, message) == ("NOT_FOUND", "Could not find any versions of model other")


def test_metadata_and_its_refusals(stubs):
    message = METADATA(metadata_field=["signature_def"])
    message.model_spec.name = NAME
    response = stubs[0].GetModelMetadata(message, timeout=60)
    signatures = serving_api.get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) == {"serving_default", "image", "crops"}
    del message.metadata_field[:]
    expected = "GetModelMetadataRequest must specify at least one metadata_field"
    assert refusal(stubs[0].GetModelMetadata, message) == ("INVALID_ARGUMENT", expected)
    message.metadata_field.append("other")
    expected = "Metadata field other is not supported"
    assert refusal(stubs[0].GetModelMetadata, message) == ("INVALID_ARGUMENT", expected)


def test_answer(stubs):
    message = request(signature="")
    message.output_filter.append("keypoints")
    response = stubs[0].Predict(message, timeout=60)
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == (NAME, 1, "serving_default")
    assert list(response.outputs) == ["keypoints"]
    proto = response.outputs["keypoints"]
    assert len(proto.float_val) == 36 and not proto.tensor_content
    assert [dim.size for dim in proto.tensor_shape.dim] == [1, 12, 3]


def rest(server, method, path, content=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=60)
    connection.request(method, path, content if isinstance(content, (bytes, type(None))) else json.dumps(content))
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    return response.status, body


def test_rest_answers_as_grpc(server, stubs):
    image = {"b64": base64.b64encode(serving_run.jpeg()).decode()}
    boxes = serving_run.BOXES.tolist()
    expected = stubs[0].Predict(
        request(image_bytes=[serving_run.jpeg()] * 2, boxes=serving_run.BOXES), timeout=60
    ).outputs["keypoints"]
    path = f"/v1/models/{NAME}:predict"
    code, rows = rest(server, "POST", path, {"instances": [{"image_bytes": image, "boxes": box} for box in boxes]})
    assert code == 200 and set(rows["predictions"][0]) == {
        "keypoints", "initial_keypoints", "pose_score", "visibility",
    }  # fmt: skip
    found = [row["keypoints"] for row in rows["predictions"]]
    np.testing.assert_allclose(found, serving_api.to_array(expected), atol=1e-3)
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
        ("GET", "/elsewhere", None, 400, "Malformed request: GET /elsewhere"),
        ("POST", "/v1/models/other:predict", {"instances": [1]}, 404, "Servable not found for request: Latest(other)"),
        ("POST", f"/v1/models/{NAME}:predict", b"{", 400, "JSON Parse error"),
        ("POST", f"/v1/models/{NAME}:predict", {}, 400, "Missing 'inputs' or 'instances' key"),
        ("POST", f"/v1/models/{NAME}:predict", {"instances": []}, 400, "at least one value"),
        ("POST", f"/v1/models/{NAME}:predict", {"signature_name": "s", "inputs": {}}, 412, 'key "s" not found'),
        ("POST", f"/v1/models/{NAME}:predict", {"inputs": {}}, 400, "Missing but required: {boxes,image_bytes}"),
        (
            "POST", f"/v1/models/{NAME}:predict",
            {"inputs": {"image_bytes": [{"b64": "?"}], "boxes": [[1, 1, 2, 2]]}}, 400, "input 'image_bytes'",
        ),
        (
            "POST", f"/v1/models/{NAME}:predict",
            {"inputs": {"image_bytes": ["no image"], "boxes": [[1, 1, 2, 2]]}}, 400, "Unknown image file format",
        ),
        (
            "POST", f"/v1/models/{NAME}:predict",
            {"inputs": {"image_bytes": ["x"], "boxes": [[1, "a"], [2]]}}, 400, "input 'boxes'",
        ),
    ],
)  # fmt: skip
def test_rest_refuses(server, method, path, content, code, message):
    found, body = rest(server, method, path, content)
    assert found == code and message in body["error"]


def test_gate_bounds_the_queue():
    gate, release = Gate(running=1, waiting=1), threading.Event()

    def work():
        with gate:
            release.wait()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 10
    while gate._places._value and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(ServingError, match="queue is full") as error:
        gate.__enter__()
    assert error.value.code is grpc.StatusCode.UNAVAILABLE
    release.set()
    for thread in threads:
        thread.join()
    with gate:
        pass


@pytest.mark.parametrize("over_rest", [False, True], ids=["gRPC", "REST"])
def test_the_end_waits_for_what_is_under_way(exported, monkeypatch, over_rest):
    entered, release, answers = threading.Event(), threading.Event(), []
    answer = predict.predict

    def slow(*arguments):
        entered.set()
        release.wait()
        return answer(*arguments)

    monkeypatch.setattr(predict, "predict", slow)
    server = ModelServer(exported[1]).start()
    channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")

    def ask():
        if over_rest:
            inputs = {"image_bytes": [{"b64": base64.b64encode(serving_run.jpeg()).decode()}], "boxes": [[1, 1, 9, 9]]}
            answers.append(rest(server, "POST", f"/v1/models/{NAME}:predict", {"inputs": inputs})[0])
        else:
            stub = serving_api.prediction_service_pb2_grpc.PredictionServiceStub(channel)
            answers.append(len(stub.Predict(request(), timeout=120).outputs))

    asking, ending = threading.Thread(target=ask), threading.Thread(target=server.stop, args=[60.0])
    asking.start()
    assert entered.wait(60)
    ending.start()
    time.sleep(0.2)
    assert ending.is_alive() and not answers
    release.set()
    asking.join(120)
    ending.join(120)
    channel.close()
    assert answers == [200 if over_rest else 4] and not ending.is_alive()


def test_versions_are_taken_up_and_a_broken_one_is_not(exported, tmp_path):
    model_dir = tmp_path / NAME
    shutil.copytree(exported[1], model_dir)
    versions = ModelVersions(NAME, model_dir)
    versions.poll()
    states = serving_api.get_model_status_pb2.ModelVersionStatus

    def state():
        return {number: status.state for number, status in versions.statuses.items()}

    with versions.version(request().model_spec) as version:
        assert version.number == 1
    # A warmup record that fails makes the load fail; the version before stays.
    shutil.copytree(model_dir / "1", tmp_path / "broken")
    with tf.io.TFRecordWriter(str(tmp_path / "broken" / "assets.extra" / "tf_serving_warmup_requests")) as writer:
        log = serving_api.prediction_log_pb2.PredictionLog()
        log.predict_log.request.CopyFrom(request(image_bytes=[b"no image"]))
        writer.write(log.SerializeToString())
    (tmp_path / "broken").rename(model_dir / "2")
    versions.poll()
    assert state() == {1: states.AVAILABLE, 2: states.END}
    assert "Unknown image file format" in versions.statuses[2].message
    shutil.copytree(model_dir / "1", tmp_path / "good")
    (tmp_path / "good").rename(model_dir / "3")
    versions.poll()
    assert state() == {1: states.END, 2: states.END, 3: states.AVAILABLE}
    with versions.version(request().model_spec) as version:
        assert version.number == 3
    versions.close()
    assert state()[3] == states.END


def test_a_folder_that_cannot_be_read_is_looked_at_again(exported, monkeypatch):
    polled = threading.Semaphore(0)

    def poll():
        polled.release()
        raise PermissionError("Permission denied")

    with ModelServer(exported[1], port=0, rest_port=0, poll_seconds=0.01) as server:
        monkeypatch.setattr(server.versions, "poll", poll)
        assert all(polled.acquire(timeout=60) for _ in range(3))


def _signal_another_thread(process):
    """SIGTERM to the last thread of a process: which one gets a signal is the system's choice."""
    threads = sorted(int(folder.name) for folder in pathlib.Path(f"/proc/{process.pid}/task").iterdir())
    assert threads[-1] != process.pid
    assert ctypes.CDLL(None).tgkill(process.pid, threads[-1], signal.SIGTERM) == 0


@pytest.mark.parametrize("end", [subprocess.Popen.terminate, _signal_another_thread])
def test_command_serves_and_ends_on_sigterm(exported, end):
    command = [sys.executable, "-W", "ignore", "-m", "opec_tf.serve", f"--model_dir={exported[1]}"]
    process = subprocess.Popen([*command, "--port=0", "--rest_port=0"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert line.startswith(f"serving {NAME}: gRPC 127.0.0.1:")
    port = int(line.split(", ")[0].rpartition(":")[2])
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = serving_api.prediction_service_pb2_grpc.PredictionServiceStub(channel)
        assert stub.Predict(request(), timeout=60).outputs["keypoints"].float_val
        end(process)
    try:
        assert process.wait(120) == 0
    finally:
        process.kill()
    assert process.stdout.read() == "stopped\n"
