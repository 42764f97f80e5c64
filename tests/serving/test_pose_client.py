"""The client against ``opec_tf.serve`` over real sockets: gRPC, REST, many at a time, asyncio, TLS, faults."""

import asyncio
import io
import json
import pathlib
import shutil
import subprocess
import sys

import cv2
import grpc
import numpy as np
import pytest
import serving_run
import tiny_run
from PIL import Image

from opec_tf.common.errors import UserError
from opec_tf.poses import skeletons
from opec_tf.serving import pose_client
from opec_tf.serving.model_server.server import ModelServer
from opec_tf.serving.pose_client import PoseClient, PoseServiceError

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What the client has of the room "serving".
CLIENT_FILES = ("__init__", "pose_client", "endpoint", "grpc_transport", "rest_transport", "pictures", "api")


@pytest.fixture(params=[False, True], ids=["gRPC", "REST"])
def client(request, server):
    port = server.rest_port if request.param else server.port
    with PoseClient(f"127.0.0.1:{port}", rest=request.param, deadline=120) as client:
        yield client


@pytest.fixture(scope="module")
def expected(server):
    """Poses of the two boxes of picture 0."""
    with PoseClient(f"127.0.0.1:{server.port}", people_per_request=1, deadline=120) as client:
        return client.estimate(serving_run.jpeg(), serving_run.BOXES)


def test_people_are_answered_one_by_one_in_order(client, expected):
    assert expected.keypoints.shape == (2, 12, 3) and np.ptp(expected.keypoints[..., :2], axis=1).min() > 0.5
    for boxes in (serving_run.BOXES, serving_run.BOXES[::-1], serving_run.BOXES[:1]):
        poses = client.estimate(serving_run.jpeg(), boxes)
        rows = [int(np.flatnonzero((serving_run.BOXES == box).all(axis=1))[0]) for box in boxes]
        np.testing.assert_allclose(poses.keypoints, expected.keypoints[rows], atol=1e-2)
        np.testing.assert_allclose(poses.initial_keypoints, expected.initial_keypoints[rows], atol=1e-2)
        np.testing.assert_allclose(poses.scores, expected.scores[rows], atol=1e-4)
        np.testing.assert_allclose(poses.visibility, expected.visibility[rows], atol=1e-3)
        np.testing.assert_allclose(poses.visibility.sum(axis=-1), np.ones([len(rows), 12]), atol=1e-5)
        np.testing.assert_array_equal(poses.boxes, boxes)


def test_without_boxes_the_picture_is_one_person(client, tmp_path):
    path = tmp_path / "picture.jpg"
    path.write_bytes(serving_run.jpeg())
    found = client.estimate(path)
    np.testing.assert_array_equal(found.boxes, [[0, 0, 160, 120]])
    np.testing.assert_allclose(found.keypoints, client.estimate(str(path), [[0, 0, 160, 120]]).keypoints, atol=1e-3)


def test_a_gif_may_be_asked_about_but_not_drawn(client):
    content = io.BytesIO()
    Image.fromarray(serving_run.picture()).save(content, "GIF")
    found = client.estimate(content.getvalue())
    np.testing.assert_array_equal(found.boxes, [[0, 0, 160, 120]])
    assert np.isfinite(found.keypoints).all()
    with pytest.raises(UserError, match="is a GIF, which can be asked about but not drawn; convert it"):
        pose_client.draw(content.getvalue(), found, skeletons.BODY12)
    with pytest.raises(UserError, match="truncated or damaged"):
        client.estimate(content.getvalue()[:8])


def test_nobody_is_nobody(client):
    assert client.estimate(serving_run.jpeg(), []).keypoints.shape == (0, 12, 3)


def test_many_come_in_order_with_few_in_flight(client):
    under_way = []

    def requests():
        for seed in range(6):
            under_way.append(seed)
            yield serving_run.jpeg(seed), serving_run.BOXES[:1]

    read_ahead, answers = [], []
    for poses in client.estimate_many(requests(), in_flight=2):
        answers.append(poses)
        read_ahead.append(len(under_way) - len(answers))
    assert len(answers) == 6 and max(read_ahead) <= 1
    for seed in (0, 5):
        alone = client.estimate(serving_run.jpeg(seed), serving_run.BOXES[:1])
        np.testing.assert_allclose(answers[seed].keypoints, alone.keypoints, atol=1e-2)


def test_a_bad_picture_among_many_does_not_end_them(client):
    good = serving_run.jpeg(), serving_run.BOXES[:1]
    truncated = serving_run.jpeg()[:300], serving_run.BOXES[:1]
    first, bad, last = client.estimate_many([good, truncated, good])
    assert isinstance(bad, PoseServiceError) and bad.code == "INVALID_ARGUMENT"
    np.testing.assert_array_equal(first.keypoints, last.keypoints)


def test_asyncio(client, expected):
    async def ask():
        answers = await asyncio.gather(
            *(client.estimate_async(serving_run.jpeg(), serving_run.BOXES) for _ in range(3))
        )
        with pytest.raises(PoseServiceError, match="INVALID_ARGUMENT"):
            await client.estimate_async(serving_run.jpeg()[:300], serving_run.BOXES)
        await client.close_async()
        return answers

    for poses in asyncio.run(ask()):
        np.testing.assert_allclose(poses.keypoints, expected.keypoints, atol=1e-2)


@pytest.mark.parametrize("rest", [False, True], ids=["gRPC", "REST"])
def test_errors_name_the_status_and_what_is_wrong(server, rest):
    target = f"127.0.0.1:{server.rest_port if rest else server.port}"
    outside = [[500, 0, 10, 10]]
    for settings, boxes, code, message in (
        ({"model": "other"}, [[0, 0, 9, 9]], "NOT_FOUND", "Servable not found for request: Latest(other)"),
        ({"version": 9}, [[0, 0, 9, 9]], "NOT_FOUND", "Specific(opec_net, 9)"),
        ({}, outside, "INVALID_ARGUMENT", "outside its picture, whose (width, height) is] [160 120]"),
    ):
        with PoseClient(target, rest=rest, deadline=120, **settings) as client:
            with pytest.raises(PoseServiceError) as error:
                client.estimate(serving_run.jpeg(), boxes)
        assert error.value.code == code and str(error.value).startswith(f"{target}: {code}: ")
        assert str(error.value).endswith(message)


@pytest.mark.parametrize("boxes", [[[1, 2, 3]], [[0, 0, 0, 5]], [[np.nan, 0, 5, 5]], [["a", 0, 5, 5]], [[1, 1, 5, -5]]])
def test_bad_boxes_are_not_sent(boxes):
    with PoseClient("127.0.0.1:1") as client, pytest.raises(UserError, match="boxes: .* give "):
        client.estimate(serving_run.jpeg(), boxes)


def test_what_is_no_picture_is_not_sent(tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    with PoseClient("127.0.0.1:1") as client:
        with pytest.raises(UserError, match="text.jpg: is not a JPEG, PNG, BMP or GIF picture"):
            client.estimate(tmp_path / "text.jpg")
        with pytest.raises(UserError, match="none.jpg: cannot be read"):
            client.estimate(tmp_path / "none.jpg")


def test_tls(exported, expected, cold, tmp_path):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [openssl, *"req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost".split()]
        + ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    with ModelServer(exported[1], credentials=credentials) as server:
        with PoseClient(f"localhost:{server.port}", tls_ca=certificate, deadline=120) as client:
            poses = client.estimate(serving_run.jpeg(), serving_run.BOXES)
        with PoseClient(f"localhost:{server.port}", tls=True, retries=0) as client:
            with pytest.raises(PoseServiceError, match="UNAVAILABLE"):
                client.estimate(serving_run.jpeg(), serving_run.BOXES)
    np.testing.assert_allclose(poses.keypoints, expected.keypoints, atol=1e-2)


@pytest.mark.parametrize("rest", [False, True], ids=["gRPC", "REST"])
@pytest.mark.parametrize("content", [b"", b"no certificate", b"\x30\x82\xff"])
def test_an_authority_that_is_no_pem_file_is_refused(tmp_path, content, rest):
    (tmp_path / "ca.der").write_bytes(content)
    with pytest.raises(UserError, match="ca.der: holds no PEM certificate .*; check --tls_ca"):
        PoseClient("127.0.0.1:1", rest=rest, tls_ca=tmp_path / "ca.der")


@pytest.mark.parametrize("rest", [False, True], ids=["gRPC", "REST"])
def test_command(server, expected, tmp_path, rest):
    (tmp_path / "a.jpg").write_bytes(serving_run.jpeg())
    boxes = [{"file_name": "b.jpg", "bbox": [0, 0, 9, 9]}]
    boxes += [{"file_name": "a.jpg", "bbox": box} for box in serving_run.BOXES.tolist()]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    port = server.rest_port if rest else server.port
    done = tiny_run.call(
        "client",
        f"--target=127.0.0.1:{port}",
        f"--rest={rest}",
        f"--image={tmp_path}/a.jpg",
        "--deadline=120",
        f"--boxes={tmp_path}/boxes.json",
        f"--json={tmp_path}/poses.json",
        f"--output={tmp_path}/drawing.jpg",
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2 * 13 and lines[0].startswith("person 1, score 0.") and lines[1].split()[0] == "left_shoulder"
    assert float(lines[1].split()[1]) == pytest.approx(expected.keypoints[0, 0, 0], abs=0.06)
    results = json.loads((tmp_path / "poses.json").read_text())
    assert [result["bbox"] for result in results] == serving_run.BOXES.tolist()
    assert {result["file_name"] for result in results} == {"a.jpg"}
    found = np.array([result["keypoints"] for result in results]).reshape(2, 12, 3)
    np.testing.assert_allclose(found, expected.keypoints, atol=0.02)
    visibility = np.array([result["visibility"] for result in results])
    np.testing.assert_allclose(visibility, expected.visibility, atol=1e-3)
    assert lines[1].split()[-1] == ("visible", "occluded", "outside")[visibility[0, 0].argmax()]
    drawing = cv2.imread(str(tmp_path / "drawing.jpg"))
    assert drawing.shape == (120, 160, 3)
    assert np.abs(drawing[..., ::-1].astype(float) - serving_run.picture()).max() > 60


def test_command_takes_the_people_of_the_image(server, tmp_path):
    (tmp_path / "0012.jpg").write_bytes(serving_run.jpeg())
    first, second = serving_run.BOXES.tolist()
    files = {
        "coco": [
            {"image_id": image_id, "category_id": category, "bbox": box, "score": 0.9}
            for image_id, category, box in ((12, 1, second), (12, 17, [0, 0, 9, 9]), (7, 1, first), (12, None, first))
        ],
        "one": [{"image_id": 5, "bbox": first}, {"image_id": 5, "bbox": [0, 0, 9, 9], "category_id": 2}],
        "others": [{"image_id": 5, "bbox": first}, {"image_id": 7, "bbox": first}],
        "cats": [{"image_id": 12, "category_id": 17, "bbox": first}],
    }
    for name, boxes in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(boxes))
    shared = [f"--target=127.0.0.1:{server.port}", f"--image={tmp_path}/0012.jpg", "--deadline=120"]
    messages = tiny_run.messages(
        "client", *([*shared, f"--boxes={tmp_path}/{name}.json", f"--json={tmp_path}/{name}.poses"] for name in files)
    )
    assert messages[:2] == [None, None]
    for name, expected in (("coco", [second, first]), ("one", [first])):
        assert [pose["bbox"] for pose in json.loads((tmp_path / f"{name}.poses").read_text())] == expected
    assert "others.json: no box has the 'file_name' 0012.jpg, or without names its number as" in messages[2]
    assert "cats.json: no box has 'category_id' 1 (person)" in messages[3]


def test_command_says_what_is_wrong_in_one_line(tmp_path):
    (tmp_path / "a.jpg").write_bytes(serving_run.jpeg())
    Image.fromarray(serving_run.picture()).save(tmp_path / "a.gif")
    files = {
        "short.json": "[[1, 2, 3]]",
        "none.json": "[]",
        "area.json": "[[1, 2, 0, 4]]",
        "other.json": '[{"file_name": "b.jpg", "bbox": [1, 2, 3, 4]}]',
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    image = f"--image={tmp_path}/a.jpg"
    cases = {
        "none.jpg: cannot be read": [f"--image={tmp_path}/none.jpg"],
        "short.json: box number 1: 'bbox' has 3 values": [image, f"--boxes={tmp_path}/short.json"],
        "none.json: its list of box objects is empty": [image, f"--boxes={tmp_path}/none.json"],
        "area.json: 'bbox' [1.0, 2.0, 0.0, 4.0] has no area": [image, f"--boxes={tmp_path}/area.json"],
        "other.json: no box has the 'file_name' a.jpg": [image, f"--boxes={tmp_path}/other.json"],
        "drawing: no image can be written in a format of this suffix": [image, f"--output={tmp_path}/drawing"],
        "is a GIF, which can be asked about but not drawn": [f"--image={tmp_path}/a.gif", f"--output={tmp_path}/a.png"],
        "UNAVAILABLE": [image, "--target=127.0.0.1:1", "--retries=0"],
    }
    for expected, message in zip(cases, tiny_run.messages("client", *cases.values())):
        assert message and expected in message and "\n" not in message, (expected, message)


def test_the_client_starts_without_tensorflow_and_tensorflow_can_follow():
    code = (
        "import sys\nimport opec_tf.client\n"
        "assert not [m for m in sys.modules if m.startswith('tensorflow.python')], 'TensorFlow was started'\n"
        "import tensorflow as tf\n"
        "from opec_tf.serving import api\n"
        "print(tf.make_ndarray(api.to_tensor_proto(1.5)))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1.5"


def test_the_client_can_be_copied_out(tmp_path):
    """The client with its own files and the rooms below it, without the rest of the package."""
    for name in ("__init__", "client", *(f"serving/{name}" for name in CLIENT_FILES)):
        path = tmp_path / "opec_tf" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "opec_tf" / f"{name}.py", path)
    for room in ("common", "poses"):
        shutil.copytree(ROOT / "opec_tf" / room, tmp_path / "opec_tf" / room)
    command = [sys.executable, "-m", "opec_tf.client", "--helpfull"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "--deadline" in done.stdout, done.stderr
