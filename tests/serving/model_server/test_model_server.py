"""The stand-in over gRPC: every row of the table of statuses that clients rely on; its queue and its versions."""

import shutil
import threading
import time

import grpc
import numpy as np
import pytest
import serving_run
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.serving import api
from opec_tf.serving.model_server.server import Gate, ModelServer
from opec_tf.serving.model_server.statuses import ServingError
from opec_tf.serving.model_server.versions import ModelVersions

pytestmark = pytest.mark.slow

NAME = serving_run.NAME
MODEL_STATUS = api.get_model_status_pb2.GetModelStatusRequest
METADATA = api.get_model_metadata_pb2.GetModelMetadataRequest


@pytest.fixture(scope="module")
def stubs(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield (
            api.prediction_service_pb2_grpc.PredictionServiceStub(channel),
            api.model_service_pb2_grpc.ModelServiceStub(channel),
        )


def changed(change):
    message = serving_run.request()
    change(message)
    return message


def renamed(message):
    message.inputs["people"].CopyFrom(message.inputs["boxes"])
    del message.inputs["boxes"]


def refusal(method, message):
    with pytest.raises(grpc.RpcError) as error:
        method(message, timeout=60)
    return error.value.code().name, error.value.details()


PREDICT = {
    "no model_spec": (lambda m: m.ClearField("model_spec"), "INVALID_ARGUMENT", "Missing ModelSpec"),
    "no name": (lambda m: m.model_spec.ClearField("name"), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    "model": (
        lambda m: setattr(m.model_spec, "name", "other"),
        "NOT_FOUND",
        "Servable not found for request: Latest(other)",
    ),
    "version": (
        lambda m: setattr(m.model_spec.version, "value", 7),
        "NOT_FOUND",
        f"Servable not found for request: Specific({NAME}, 7)",
    ),
    "label": (
        lambda m: setattr(m.model_spec, "version_label", "canary"),
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: canary",
    ),
    "signature": (
        lambda m: setattr(m.model_spec, "signature_name", "other"),
        "FAILED_PRECONDITION",
        'Serving signature key "other" not found.',
    ),
    "number of inputs": (
        lambda m: m.inputs.clear(),
        "INVALID_ARGUMENT",
        "input size does not match signature: 0!=2 len({}) != len({boxes,image_bytes}). Sent extra: {}. "
        "Missing but required: {boxes,image_bytes}.",
    ),
    "another input": (
        lambda m: m.inputs["extra"].CopyFrom(m.inputs["boxes"]),
        "INVALID_ARGUMENT",
        "3!=2 len({boxes,extra,image_bytes}) != len({boxes,image_bytes}). Sent extra: {extra}.",
    ),
    "another name of an input": (
        renamed,
        "INVALID_ARGUMENT",
        "Signature input alias: boxes(feed name: serving_default_boxes:0) not found in request",
    ),
    "undecodable tensor": (
        lambda m: setattr(m.inputs["boxes"], "tensor_content", b"abc"),
        "INVALID_ARGUMENT",
        "tensor parsing error: boxes",
    ),
    "type": (
        lambda m: m.inputs["boxes"].CopyFrom(m.inputs["image_bytes"]),
        "INVALID_ARGUMENT",
        "to be float but string is provided",
    ),
    "double": (
        lambda m: m.inputs["boxes"].CopyFrom(tf.make_tensor_proto(np.ones([1, 4]))),
        "INVALID_ARGUMENT",
        "to be float but double is provided",
    ),
    "output filter": (
        lambda m: m.output_filter.append("z"),
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: z Outputs expected to be in the set "
        "{initial_keypoints,keypoints,pose_score,visibility}.",
    ),
    "repeated filter": (
        lambda m: m.output_filter.extend(["keypoints", "keypoints"]),
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: keypoints",
    ),
    "no image": (
        lambda m: m.inputs["image_bytes"].CopyFrom(api.to_tensor_proto([b"no image"])),
        "INVALID_ARGUMENT",
        "Unknown image file format. One of JPEG, PNG, GIF, BMP required.",
    ),
    # The graph's own: a server does not hold requests to a signature's shapes.
    "five numbers a box": (
        lambda m: m.inputs["boxes"].CopyFrom(api.to_tensor_proto(np.ones([1, 5]))),
        "INVALID_ARGUMENT",
        "boxes must have the shape [B, 4]; it has] [1 5]",
    ),
    "rank": (
        lambda m: m.inputs["boxes"].CopyFrom(api.to_tensor_proto(np.ones([4]))),
        "INVALID_ARGUMENT",
        "boxes must have the shape [B, 4]; it has] [4]",
    ),
    "a picture that is a scalar": (
        lambda m: m.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(serving_run.jpeg())),
        "INVALID_ARGUMENT",
        "image_bytes must have the shape [B]; it has] []",
    ),
    "a picture of two dimensions": (
        lambda m: m.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([[serving_run.jpeg()]])),
        "INVALID_ARGUMENT",
        "image_bytes must have the shape [B]; it has] [1 1]",
    ),
    "boxes that are a scalar": (
        lambda m: m.inputs["boxes"].CopyFrom(tf.make_tensor_proto(np.float32(1))),
        "INVALID_ARGUMENT",
        "boxes must have the shape [B, 4]; it has] []",
    ),
    "a box without area": (
        lambda m: m.inputs["boxes"].CopyFrom(api.to_tensor_proto(np.zeros([1, 4]))),
        "INVALID_ARGUMENT",
        "boxes holds a box without area",
    ),
    "truncated": (
        lambda m: m.inputs["image_bytes"].CopyFrom(api.to_tensor_proto([serving_run.jpeg()[:200]])),
        "INVALID_ARGUMENT",
        "Invalid JPEG data",
    ),
}


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
    message.model_spec.name = ""
    assert refusal(stubs[1].GetModelStatus, message) == ("NOT_FOUND", "Could not find any versions of model ")
    assert refusal(stubs[1].GetModelStatus, MODEL_STATUS()) == ("INVALID_ARGUMENT", "Missing ModelSpec")


def test_metadata_and_its_refusals(stubs):
    message = METADATA(metadata_field=["signature_def"])
    message.model_spec.name = NAME
    response = stubs[0].GetModelMetadata(message, timeout=60)
    signatures = api.get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) == {"serving_default", "image", "crops", "__saved_model_init_op"}
    del message.metadata_field[:]
    expected = "GetModelMetadataRequest must specify at least one metadata_field"
    assert refusal(stubs[0].GetModelMetadata, message) == ("INVALID_ARGUMENT", expected)
    message.metadata_field.append("other")
    expected = "Metadata field other is not supported"
    assert refusal(stubs[0].GetModelMetadata, message) == ("INVALID_ARGUMENT", expected)


def test_answer(stubs):
    message = serving_run.request(signature="")
    message.output_filter.append("keypoints")
    response = stubs[0].Predict(message, timeout=60)
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == (NAME, 1, "serving_default")
    assert list(response.outputs) == ["keypoints"]
    proto = response.outputs["keypoints"]
    assert len(proto.float_val) == 36 and not proto.tensor_content
    assert [dim.size for dim in proto.tensor_shape.dim] == [1, 12, 3]


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


@pytest.mark.slowest
def test_versions_are_taken_up_and_a_broken_one_is_not(exported, tmp_path):
    model_dir = tmp_path / NAME
    # Without warmup records, which take most of the time of loading.
    shutil.copytree(exported[1], model_dir, ignore=shutil.ignore_patterns("assets.extra"))
    versions = ModelVersions(NAME, model_dir)
    versions.poll()
    states = api.get_model_status_pb2.ModelVersionStatus

    def state():
        return {number: status.state for number, status in versions.statuses.items()}

    with versions.version(serving_run.request().model_spec) as version:
        assert version.number == 1
    # A warmup record that fails makes the load fail; the version before stays.
    shutil.copytree(model_dir / "1", tmp_path / "broken")
    (tmp_path / "broken" / "assets.extra").mkdir()
    with tf.io.TFRecordWriter(str(tmp_path / "broken" / "assets.extra" / "tf_serving_warmup_requests")) as writer:
        log = api.prediction_log_pb2.PredictionLog()
        log.predict_log.request.CopyFrom(serving_run.request(image_bytes=[b"no image"]))
        writer.write(log.SerializeToString())
    (tmp_path / "broken").rename(model_dir / "2")
    versions.poll()
    assert state() == {1: states.AVAILABLE, 2: states.END}
    assert "Unknown image file format" in versions.statuses[2].message
    # It is not tried again, as with --max_num_load_retries=0, so that it holds nobody up.
    failed = versions.statuses[2]
    versions.poll()
    assert versions.statuses[2] is failed
    shutil.copytree(model_dir / "1", tmp_path / "good")
    (tmp_path / "good").rename(model_dir / "3")
    versions.poll()
    assert state() == {1: states.END, 2: states.END, 3: states.AVAILABLE}
    with versions.version(serving_run.request().model_spec) as version:
        assert version.number == 3
    versions.close()
    assert state()[3] == states.END


def test_a_folder_without_versions_says_what_is_waited_for(tmp_path):
    versions = ModelVersions(NAME, tmp_path)
    versions.poll()
    assert versions.missing() == (
        f"{tmp_path}: holds no version yet, so that nothing is served; waiting for a folder whose name is a number, "
        f"such as opec_tf.export --export_dir={tmp_path} writes"
    )
    (tmp_path / "saved_model.pb").touch()
    assert versions.missing().endswith(
        "is a version itself, so that nothing is served; give the folder that it lies in"
    )
    (tmp_path / "1").mkdir()
    versions.poll()
    assert versions.missing() is None and versions.statuses[1].message


def test_a_warmup_file_of_no_records_is_no_end(exported, tmp_path):
    model_dir = tmp_path / NAME
    shutil.copytree(exported[1], model_dir)
    with tf.io.TFRecordWriter(str(model_dir / "1" / "assets.extra" / "tf_serving_warmup_requests")) as writer:
        writer.write(b"\xff no PredictionLog")
    versions = ModelVersions(NAME, model_dir)
    versions.poll()
    status = versions.statuses[1]
    assert status.state == api.get_model_status_pb2.ModelVersionStatus.END
    assert (status.code, status.message) == (grpc.StatusCode.UNKNOWN, "Error parsing message")


def test_a_folder_that_cannot_be_read_at_the_start_is_said(exported, monkeypatch):
    def poll():
        raise PermissionError(13, "Permission denied")

    server = ModelServer(exported[1])
    monkeypatch.setattr(server.versions, "poll", poll)
    with pytest.raises(UserError, match="opec_net: cannot be read \\(Permission denied\\); let this user read it"):
        server.start()


@pytest.mark.slowest
def test_a_folder_that_cannot_be_read_is_looked_at_again(tmp_path, monkeypatch):
    polled = threading.Semaphore(0)

    def poll():
        polled.release()
        raise PermissionError("Permission denied")

    with ModelServer(tmp_path, port=0, rest_port=0, poll_seconds=0.01) as server:
        monkeypatch.setattr(server.versions, "poll", poll)
        assert all(polled.acquire(timeout=60) for _ in range(3))
