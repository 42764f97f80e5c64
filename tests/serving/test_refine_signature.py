"""Another system's poses sent to a server: the signature against prediction, its refusals, client and command."""

import asyncio
import dataclasses
import json

import grpc
import numpy as np
import pytest
import serving_run
import tensorflow as tf
import tiny_run
from serving_run import BOXES

from opec_tf.common.errors import UserError
from opec_tf.config import InferenceConfig
from opec_tf.inference.person_boxes import PersonBoxes
from opec_tf.serving import api
from opec_tf.serving.model_server.server import ModelServer
from opec_tf.serving.pose_client import PoseClient, PoseServiceError

pytestmark = pytest.mark.slow

GIVEN = dataclasses.replace(tiny_run.MODEL, initial_pose="given")


@pytest.fixture(scope="module")
def refining(tmp_path_factory):
    """(workdir, model's folder) of a network trained to refine given poses."""
    return serving_run.make(tmp_path_factory.mktemp("refining"), ("opec",), GIVEN, batch_sizes=(1,))


@pytest.fixture(scope="module")
def signatures(refining):
    loaded = tf.saved_model.load(str(refining[1] / "1"))
    return {**loaded.signatures, "module": loaded}  # a signature alone does not keep its variables


@pytest.fixture(scope="module")
def refiner(refining):
    """Its running ``ModelServer``."""
    with ModelServer(refining[1]) as server:
        yield server


@pytest.fixture(scope="module")
def poses():
    """A pose in each of BOXES; the second lacks joints 3 to 11, and one joint's score is beyond 1."""
    points = BOXES[:, None, :2] + np.random.default_rng(3).uniform(0.1, 0.9, (2, 12, 2)) * BOXES[:, None, 2:]
    keypoints = np.concatenate([points, np.full((2, 12, 1), 0.5)], axis=-1).astype(np.float32)
    keypoints[1, 3:, 2], keypoints[0, 0, 2] = 0.0, 7.0
    return keypoints


@pytest.fixture(scope="module")
def expected(refining, poses):
    """What prediction makes of them: pose name -> keypoints [2, 12, 3]."""
    estimator = serving_run.load(refining[0]).estimator(InferenceConfig(), num_people=2)
    frame = tf.io.decode_jpeg(serving_run.jpeg()).numpy()
    clipped = np.concatenate([poses[..., :2], poses[..., 2:].clip(0.0, 1.0)], axis=-1)
    found = estimator.estimate_frames([frame], [1], PersonBoxes([0, 0], BOXES, poses=clipped)).predictions
    return {name: people.keypoints for name, people in found.items()}


def padded(rows):
    """[2, ...] -> [1, 3, ...], zeros in between."""
    return tf.constant(np.insert(rows, 1, 0.0, axis=0)[None])


def test_the_signature_refines_as_prediction_does(signatures, poses, expected):
    assert sorted(set(signatures) - {"module"}) == ["crops", "image", "refine", "serving_default"]
    picture = tf.constant([serving_run.jpeg()])
    answer = signatures["refine"](image_bytes=picture, boxes=padded(BOXES), keypoints=padded(poses))
    found = {name: values[0].numpy() for name, values in answer.items()}
    np.testing.assert_allclose(found["keypoints"][[0, 2], :, :2], expected["pose_3"][..., :2], atol=0.05)
    np.testing.assert_allclose(found["initial_keypoints"][[0, 2], :, :2], expected["given"][..., :2], atol=0.05)
    np.testing.assert_allclose(found["initial_keypoints"][0, :, :2], poses[0, :, :2], atol=1e-3)
    np.testing.assert_allclose(found["pose_score"][[0, 2]], expected["pose_3"][..., 2].mean(axis=-1), atol=1e-3)
    assert not any(values[1].any() for values in found.values())
    # Without poses, and with nothing known of them, the network starts from its own.
    own = signatures["image"](image_bytes=picture, boxes=padded(BOXES))
    unknown = signatures["refine"](image_bytes=picture, boxes=padded(BOXES), keypoints=padded(0 * poses))
    for name, values in own.items():
        np.testing.assert_allclose(unknown[name], values, atol=1e-3)
    assert np.abs(own["keypoints"][0, 0] - found["keypoints"][0])[:, :2].max() > 1.0


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda keypoints: np.where(keypoints == 7.0, np.nan, keypoints), "NaN or infinity; give a joint that was not"),
        (lambda keypoints: 1e5 * keypoints, "keypoints holds a number beyond 100000 pixels"),
        (lambda keypoints: keypoints[:1], "must have the same first two dimensions; they have] [1 2] [1 1]"),
        (lambda keypoints: keypoints[:, :11], "keypoints must have the shape [B, N, 12, 3]; it has] [1 2 11 3]"),
    ],
)
@pytest.mark.slowest
def test_what_is_no_pose_is_refused(refiner, poses, spoil, message):
    inputs = {"image_bytes": [serving_run.jpeg()], "boxes": BOXES[None], "keypoints": spoil(poses)[None]}
    with grpc.insecure_channel(f"127.0.0.1:{refiner.port}") as channel, pytest.raises(grpc.RpcError) as error:
        stub = api.prediction_service_pb2_grpc.PredictionServiceStub(channel)
        stub.Predict(api.predict_request("opec_net", "refine", inputs), timeout=120)
    assert error.value.code().name == "INVALID_ARGUMENT" and message in error.value.details()


@pytest.mark.parametrize("rest", [False, True], ids=["gRPC", "REST"])
def test_the_client_sends_poses(refiner, poses, expected, rest):
    request = serving_run.jpeg(), BOXES, poses

    async def ask(client):
        answer = await client.estimate_async(*request)
        await client.close_async()
        return answer

    port = refiner.rest_port if rest else refiner.port
    with PoseClient(f"127.0.0.1:{port}", rest=rest, deadline=120) as client:
        alone, own = client.estimate_many([request, request[:2]])
        for found in (alone, asyncio.run(ask(client))):
            np.testing.assert_allclose(found.keypoints[..., :2], expected["pose_3"][..., :2], atol=0.05)
            np.testing.assert_allclose(found.initial_keypoints[..., :2], expected["given"][..., :2], atol=0.05)
    assert np.abs(own.keypoints[0] - alone.keypoints[0])[:, :2].max() > 1.0


@pytest.mark.parametrize(
    "keypoints", [np.zeros((1, 12, 3)), np.zeros((2, 12, 2)), np.full((2, 12, 3), np.nan), [["a"]]]
)
def test_bad_poses_are_not_sent(keypoints):
    with PoseClient("127.0.0.1:1") as client, pytest.raises(UserError, match="keypoints: .* give "):
        client.estimate(serving_run.jpeg(), BOXES, keypoints)


@pytest.mark.parametrize("rest", [False, True], ids=["gRPC", "REST"])
def test_a_model_of_its_own_poses_says_so(server, poses, rest):
    port = server.rest_port if rest else server.port
    said = 'name: "refine" not found in signature def' if rest else 'key "refine" not found.'
    with PoseClient(f"127.0.0.1:{port}", rest=rest, deadline=120) as client:
        with pytest.raises(PoseServiceError, match=f"{said}; .*trained with --initial_pose=given"):
            client.estimate(serving_run.jpeg(), BOXES, poses)


@pytest.mark.slowest
def test_command(refiner, poses, expected, tmp_path):
    """COCO's 17 joints are mapped to the model's 12; a joint that was not found is NaN; others' people are left out."""
    (tmp_path / "0012.jpg").write_bytes(serving_run.jpeg())
    coco = np.concatenate([np.full((2, 5, 3), 9.0), poses], axis=1).astype(float)
    coco[1, 5 + 3 :] = np.nan
    people = [
        {"image_id": image_id, "bbox": box, "keypoints": joints.ravel().tolist(), "score": 0.25 * image_id}
        for image_id, box, joints in zip((12, 12, 7), [*BOXES.tolist(), [0, 0, 9, 9]], [*coco, coco[0]])
    ]
    people[0]["category_id"] = None
    (tmp_path / "poses.json").write_text(json.dumps(people))
    (tmp_path / "flat.json").write_text(json.dumps([{**people[0], "bbox": [1, 2, 0, 3]}]))
    (tmp_path / "named.json").write_text(json.dumps([{**people[0], "file_name": "b.jpg"}]))
    shared = [f"--target=127.0.0.1:{refiner.port}", f"--image={tmp_path}/0012.jpg", "--deadline=120"]
    asked = [*shared, f"--initial_poses={tmp_path}/poses.json"]
    ran, *errors = tiny_run.messages(
        "client",
        [*asked, "--skeleton=body12", f"--json={tmp_path}/refined.json"],
        asked,
        [*asked, f"--boxes={tmp_path}/poses.json"],
        [*shared, f"--initial_poses={tmp_path}/flat.json"],
        [*shared, f"--initial_poses={tmp_path}/named.json"],
    )
    assert ran is None
    refined = json.loads((tmp_path / "refined.json").read_text())
    assert [(person["bbox"], person["score"]) for person in refined] == [(box, 3.0) for box in BOXES.tolist()]
    found = np.array([person["keypoints"] for person in refined])
    np.testing.assert_allclose(found.reshape(2, 12, 3)[..., :2], expected["pose_3"][..., :2], atol=0.05)
    for message, error in zip(
        (
            "keypoints must have the shape [B, N, 12, 3]; it has] [1 16 17 3]",
            "--boxes and --initial_poses both say",
            "flat.json: 'bbox' [1.0, 2.0, 0.0, 3.0] has no area",
            "named.json: no pose has the 'file_name' 0012.jpg",
        ),
        errors,
    ):
        assert message in error and "\n" not in error
