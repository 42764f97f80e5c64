"""What the client does about servers that are not there, refuse, or do not answer in time; over gRPC and REST.

The servers here answer without a model.
"""

import asyncio
import concurrent.futures
import contextlib
import http.server
import json
import socket
import threading
import time

import grpc
import numpy as np
import pytest

from opec_tf.common.errors import UserError
from opec_tf.serving import api
from opec_tf.serving.pose_client import PoseClient, PoseServiceError, ServedPoses

BOX = [[10.0, 20.0, 30.0, 40.0]]
PICTURE = b"\xff\xd8\xff" + bytes(100)
# More than the 256 KiB that gRPC keeps by default of what it may have to send again.
LARGE_PICTURE = b"\xff\xd8\xff" + bytes(3_000_000)
ANSWER = {name: np.ones([1, 16, 12, 3], np.float32) for name in ("keypoints", "initial_keypoints")}
ANSWER["pose_score"] = np.ones([1, 16], np.float32)


class Refusing:
    """Refuses so many requests as UNAVAILABLE, answers those that come after."""

    def __init__(self, refusals):
        self.refusals, self.asked = refusals, 0

    def refuses(self):
        self.asked += 1
        return self.asked <= self.refusals


@contextlib.contextmanager
def grpc_server(refusing, code=grpc.StatusCode.UNAVAILABLE, message="full", delay=0.0, seconds=0.0, at_a_time=None):
    class Service(api.prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            if refusing.refuses():
                context.abort(code, message)
            time.sleep(seconds)
            response = api.predict_pb2.PredictResponse()
            for name, array in ANSWER.items():
                response.outputs[name].CopyFrom(api.to_tensor_proto(array))
            return response

    options = [("grpc.max_receive_message_length", -1)]
    pool = concurrent.futures.ThreadPoolExecutor(at_a_time or 2)
    server = grpc.server(pool, options=options, maximum_concurrent_rpcs=at_a_time)
    port = server.add_insecure_port("127.0.0.1:0")
    api.prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    start = threading.Timer(delay, server.start)
    start.start()
    yield f"127.0.0.1:{port}"
    start.join()
    server.stop(None)


@contextlib.contextmanager
def rest_server(refusing, refusal=503, message="full"):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            status, content = 200, {"outputs": {name: array.tolist() for name, array in ANSWER.items()}}
            if refusing.refuses():
                status, content = refusal, {"error": message}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(params=[False, True], ids=["gRPC", "REST"])
def rest(request):
    return request.param


def serving(rest, refusing):
    return rest_server(refusing) if rest else grpc_server(refusing)


def test_a_server_that_refuses_is_asked_again_about_large_pictures_too(rest):
    refusing = Refusing(3)
    with serving(rest, refusing) as target, PoseClient(target, rest=rest) as client:
        assert client.estimate(LARGE_PICTURE, BOX).keypoints.shape == (1, 12, 3)
    assert refusing.asked == 4


@pytest.mark.parametrize("retries", [0, 2])
def test_it_is_asked_no_more_often_than_was_said(rest, retries):
    refusing = Refusing(9)
    with serving(rest, refusing) as target, PoseClient(target, rest=rest, retries=retries) as client:
        with pytest.raises(PoseServiceError, match="UNAVAILABLE: full; check that a server runs there"):
            client.estimate(LARGE_PICTURE, BOX)
    assert refusing.asked == 1 + retries


@pytest.mark.parametrize("retries", [0, 2])
def test_a_server_that_is_asked_too_much_at_a_time_is_asked_again(rest, retries):
    """Over gRPC it often says nothing beside the code."""
    exhausted, refusing = grpc.StatusCode.RESOURCE_EXHAUSTED, Refusing(2)
    server = rest_server(refusing, refusal=429) if rest else grpc_server(refusing, exhausted, "")
    said = "full" if rest else "the server answers no more calls at a time"
    with server as target, PoseClient(target, rest=rest, retries=retries) as client:
        if retries:
            assert client.estimate(PICTURE, BOX).keypoints.shape == (1, 12, 3)
        else:
            with pytest.raises(PoseServiceError) as error:
                client.estimate(PICTURE, BOX)
            advice = "ask about fewer pictures at a time, or raise the server's --grpc_max_threads"
            assert str(error.value) == f"{target}: RESOURCE_EXHAUSTED: {said}; {advice}"
    assert refusing.asked == 1 + retries


@pytest.mark.parametrize("settings", [{}, {"in_flight": 8}])
def test_a_server_of_few_threads_answers_all_of_many(settings):
    """Six calls at a time: as many as TensorFlow Serving takes by default on two processors."""
    asked = Refusing(0)
    with (
        grpc_server(asked, seconds=0.02, at_a_time=6) as target,
        PoseClient(target, retries=0 if not settings else 4) as client,
    ):
        answers = list(client.estimate_many([(PICTURE, BOX)] * 40, **settings))
    assert [type(answer) for answer in answers] == [ServedPoses] * 40


def test_a_refusal_that_quotes_the_whole_request_is_cut(rest):
    refusing, text = Refusing(1), "q" * 100_000
    server = (
        rest_server(refusing, 400, text)
        if rest
        else grpc_server(refusing, grpc.StatusCode.INVALID_ARGUMENT, text[:2000])
    )
    with server as target, PoseClient(target, rest=rest) as client:
        with pytest.raises(PoseServiceError) as error:
            client.estimate(PICTURE, BOX)
    assert str(error.value) == f"{target}: INVALID_ARGUMENT: {'q' * 1024}..."


def test_asyncio_asks_again(rest):
    async def ask():
        answer = await client.estimate_async(LARGE_PICTURE, BOX)
        await client.close_async()
        return answer

    refusing = Refusing(2)
    with serving(rest, refusing) as target:
        client = PoseClient(target, rest=rest)
        assert asyncio.run(ask()).scores.shape == (1,)
    assert refusing.asked == 3


@pytest.mark.parametrize("retries", [-1, 5])
def test_more_retries_than_grpc_makes_are_refused(rest, retries):
    with pytest.raises(UserError, match=f"retries={retries} must be 0 to 4"):
        PoseClient("127.0.0.1:1", rest=rest, retries=retries)


def _free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def test_the_port_of_the_other_kind_is_said(rest):
    other = "gRPC" if rest else "REST"
    advice = (
        "leave out --rest (rest=False), or give the port of the other kind, most often 8501"
        if rest
        else "ask with --rest (rest=True), or give the port of the other kind, most often 8500"
    )
    with serving(not rest, Refusing(0)) as target, PoseClient(target, rest=rest, retries=0) as client:
        with pytest.raises(PoseServiceError) as error:
            client.estimate(PICTURE, BOX)
    assert str(error.value) == f"{target}: UNAVAILABLE: this is a {other} port; {advice}"


@pytest.mark.parametrize(
    "target",
    [
        *(
            "http://localhost:8500",
            "https://localhost:8500",
            "grpc://localhost:8500",
            "http://localhost:8500/v1/models",
        ),
        *("localhost:8500/", "localhost:8500/v1/models/opec_net"),
    ],
)
def test_a_target_with_a_scheme_or_path_is_refused(rest, target):
    with pytest.raises(UserError) as error:
        PoseClient(target, rest=rest)
    assert str(error.value) == f"{target}: the target is HOST:PORT without scheme and path, such as localhost:8500"
    for target in () if rest else ("dns:///localhost:8500", "unix:///tmp/socket", "unix:/tmp/socket"):
        PoseClient(target).close()


def test_a_port_that_is_not_encrypted_is_said():
    with serving(False, Refusing(0)) as target, PoseClient(target, tls=True, retries=0) as client:
        with pytest.raises(PoseServiceError) as error:
            client.estimate(PICTURE, BOX)
    assert str(error.value).endswith(": this port is not encrypted; leave out --tls and --tls_ca (tls=False)")


def test_a_missing_port_is_said(rest):
    with PoseClient("127.0.0.1", rest=rest, retries=0) as client:
        with pytest.raises(PoseServiceError, match="; the target is HOST:PORT, and has no port$"):
            client.estimate(PICTURE, BOX)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_proxy_is_between_this_machine_and_itself(monkeypatch, rest, host):
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with serving(rest, Refusing(0)) as target:
        with PoseClient(target.replace("127.0.0.1", host), rest=rest, retries=0) as client:
            assert client.estimate(PICTURE, BOX).keypoints.shape == (1, 12, 3)


NO_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy", "no_proxy", "no_grpc_proxy")


def test_a_proxy_that_leads_nowhere_is_named_without_its_password(monkeypatch):
    for name in NO_PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:1")
    with PoseClient("192.0.2.1:8500", retries=0) as client:
        with pytest.raises(PoseServiceError) as error:
            client.estimate(PICTURE, BOX)
    named = "; the connection goes through the proxy http_proxy=http://127.0.0.1:1, unless no_proxy names the host"
    assert str(error.value).endswith(named) and "secret" not in str(error.value)


def test_a_proxy_that_does_not_answer_is_named(monkeypatch):
    for name in NO_PROXIES:
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("grpc_proxy", proxy)
        with PoseClient("192.0.2.1:8500", deadline=0.5) as client:
            with pytest.raises(PoseServiceError, match="DEADLINE_EXCEEDED: no answer within 0.5 seconds") as error:
                client.estimate(PICTURE, BOX)
    assert str(error.value).endswith(f"the proxy grpc_proxy={proxy}, unless no_proxy names the host")


@pytest.mark.parametrize(
    "variables, named",
    [
        ({"http_proxy": "http://p:1", "no_proxy": "example.org, 192.0.2.0/24"}, False),
        ({"http_proxy": "http://p:1", "no_proxy": "192.0.2.1"}, False),
        ({"http_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, True),
        ({"http_proxy": "http://p:1", "no_grpc_proxy": "10.0.0.0/8", "no_proxy": "192.0.2.1"}, True),
        ({"http_proxy": "http://p:1", "grpc_proxy": ""}, False),
        ({"all_proxy": "http://p:1", "HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://p:1"}, False),
    ],
)
def test_a_proxy_is_named_where_grpc_goes_through_it(monkeypatch, variables, named):
    """gRPC asks for three names, in lower case, and knows networks in no_proxy."""
    for name in NO_PROXIES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with PoseClient("192.0.2.1:8500", deadline=0.3, retries=0) as client:
        with pytest.raises(PoseServiceError) as error:
            client.estimate(PICTURE, BOX)
    assert ("goes through the proxy http_proxy=http://p:1" in str(error.value)) == named
    assert error.value.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


def test_nobody_listening_is_tried_again_and_then_said(rest):
    with PoseClient(f"127.0.0.1:{_free_port()}", rest=rest, retries=2) as client:
        start = time.monotonic()
        with pytest.raises(PoseServiceError, match="UNAVAILABLE.*check that a server runs there") as error:
            client.estimate(LARGE_PICTURE, BOX)
    assert error.value.code == "UNAVAILABLE" and time.monotonic() - start > 0.15


def test_a_server_that_comes_up_late_is_reached():
    with grpc_server(Refusing(0), delay=0.5) as target, PoseClient(target, deadline=120) as client:
        assert client.estimate(LARGE_PICTURE, BOX).keypoints.shape == (1, 12, 3)


def test_all_addresses_of_a_service_are_asked():
    asked, give_up = set(), time.monotonic() + 60
    with contextlib.ExitStack() as stack:
        servers = [grpc_server(Refusing(1000), grpc.StatusCode.NOT_FOUND, name) for name in "ab"]
        targets = [stack.enter_context(server) for server in servers]
        client = stack.enter_context(PoseClient("ipv4:" + ",".join(targets)))
        while asked != {"a", "b"} and time.monotonic() < give_up:
            with pytest.raises(PoseServiceError, match="NOT_FOUND") as error:
                client.estimate(LARGE_PICTURE, BOX)
            asked.add(str(error.value)[-1])
    assert asked == {"a", "b"}


def test_deadline(rest):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with PoseClient(f"127.0.0.1:{silent.getsockname()[1]}", rest=rest, deadline=0.5) as client:
            start = time.monotonic()
            with pytest.raises(PoseServiceError, match="DEADLINE_EXCEEDED: no answer within 0.5 seconds"):
                client.estimate(LARGE_PICTURE, BOX)
    assert time.monotonic() - start < 5
