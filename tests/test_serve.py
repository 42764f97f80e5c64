"""``opec_tf.serve`` as a process, and the end of a server: what is under way is answered, within the grace."""

import base64
import contextlib
import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc
import pytest
import serving_run
import warm_process

from opec_tf.serving import api
from opec_tf.serving.model_server import predict
from opec_tf.serving.model_server.server import ModelServer
from opec_tf.serving.model_server.versions import LoadedVersion

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[1]
NAME = serving_run.NAME
# The command with a method that takes for ever: of a model that is never loaded, or never answers.
_NEVER = """
import sys, time
from opec_tf import serve
from opec_tf.common import cli
from opec_tf.serving.model_server import versions

versions.LoadedVersion.replay = lambda *_: None  # no warmup

def never(*_):
    print("begun", flush=True)
    time.sleep(600)

setattr(getattr(versions, sys.argv[1]), sys.argv[2], never)
del sys.argv[1:3]
cli.run(serve.main, serve.__doc__)
"""


def ask(server, over_rest):
    """Whether a good request is answered."""
    if over_rest:
        inputs = {"image_bytes": [{"b64": base64.b64encode(serving_run.jpeg()).decode()}], "boxes": [[1, 1, 9, 9]]}
        return serving_run.rest(server, "POST", f"/v1/models/{NAME}:predict", {"inputs": inputs})[0] == 200
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = api.prediction_service_pb2_grpc.PredictionServiceStub(channel)
        return len(stub.Predict(serving_run.request(), timeout=120).outputs) == 4


@pytest.mark.parametrize("over_rest", [False, True], ids=["gRPC", "REST"])
def test_the_end_waits_for_what_is_under_way(exported, cold, monkeypatch, over_rest):
    entered, release, answers = threading.Event(), threading.Event(), []
    answer = predict.predict

    def slow(*arguments):
        entered.set()
        release.wait()
        return answer(*arguments)

    monkeypatch.setattr(predict, "predict", slow)
    server = ModelServer(exported[1]).start()
    asking = threading.Thread(target=lambda: answers.append(ask(server, over_rest)))
    ending = threading.Thread(target=server.stop, args=[60.0])
    asking.start()
    assert entered.wait(60)
    ending.start()
    time.sleep(0.2)
    assert ending.is_alive() and not answers
    release.set()
    asking.join(120)
    ending.join(120)
    assert answers == [True] and not ending.is_alive()


@pytest.mark.parametrize("over_rest", [False, True], ids=["gRPC", "REST"])
def test_the_end_waits_no_longer_than_the_grace(exported, cold, monkeypatch, over_rest):
    entered, release, failed = threading.Event(), threading.Event(), []

    def stuck(*arguments):
        entered.set()
        release.wait()

    def ask_in_vain():
        try:
            ask(server, over_rest)
        except grpc.RpcError as error:
            failed.append(error.code())

    monkeypatch.setattr(LoadedVersion, "run", stuck)
    server = ModelServer(exported[1]).start()
    asking = threading.Thread(target=ask_in_vain)
    asking.start()
    assert entered.wait(60)
    start = time.monotonic()
    assert not server.stop(0.5)
    assert 0.5 <= time.monotonic() - start < 20
    if not over_rest:  # who asks hears of it while the request is still stuck
        asking.join(60)
        assert failed == [grpc.StatusCode.UNAVAILABLE]
    release.set()
    asking.join(60)
    assert not asking.is_alive()


def test_the_end_does_not_wait_for_who_asks_nothing(tmp_path):
    server = ModelServer(tmp_path).start()
    with socket.create_connection(("127.0.0.1", server.rest_port)) as silent:
        silent.sendall(b"POST ")
        time.sleep(0.5)
        start = time.monotonic()
        assert server.stop(25.0)
        assert time.monotonic() - start < 20


def _signal_another_thread(process):
    """SIGTERM to the last thread of a process: which one gets a signal is the system's choice."""
    threads = sorted(int(folder.name) for folder in pathlib.Path(f"/proc/{process.pid}/task").iterdir())
    assert threads[-1] != process.pid
    assert ctypes.CDLL(None).tgkill(process.pid, threads[-1], signal.SIGTERM) == 0


def test_command_serves_and_ends_on_sigterm_to_any_thread(exported):
    command = [sys.executable, "-W", "ignore", "-m", "opec_tf.serve", f"--model_dir={exported[1]}"]
    process = subprocess.Popen([*command, "--port=0", "--rest_port=0"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert line.startswith(f"serving {NAME}: gRPC 127.0.0.1:")
    port = int(line.split(", ")[0].rpartition(":")[2])
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = api.prediction_service_pb2_grpc.PredictionServiceStub(channel)
        assert stub.Predict(serving_run.request(), timeout=60).outputs["keypoints"].float_val
        _signal_another_thread(process)
    try:
        assert process.wait(120) == 0
    finally:
        process.kill()
    assert process.stdout.read() == "stopped\n"


@pytest.fixture
def start_never(exported, tmp_path):
    """Starts the command with a method of ``versions`` that takes for ever; gives (process, its output)."""
    with contextlib.ExitStack() as stack:

        def start(owner, method, *arguments):
            os.mkfifo(tmp_path / "stdout")
            arguments = owner, method, f"--model_dir={exported[1]}", "--port=0", "--rest_port=0", *arguments
            process = warm_process.start(
                warm_process.code, _NEVER, *arguments, stdout=tmp_path / "stdout", stderr=tmp_path / "stderr"
            )
            stack.callback(process.kill)
            return process, stack.enter_context(open(tmp_path / "stdout"))

        yield start


def exit_code(process):
    """How the process ends, within half a minute."""
    process.join(30)
    return process.exitcode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_model_loads_ends_the_command(start_never, number):
    process, output = start_never("ModelVersions", "poll")
    assert output.readline() == "begun\n"
    os.kill(process.pid, number)
    assert exit_code(process) == -number


def test_a_request_that_outlasts_the_grace_does_not_hold_the_command(start_never):
    process, output = start_never("LoadedVersion", "run", "--grace_seconds=0.5")
    port = output.readline().split(", ")[0].rpartition(":")[2]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        asked = api.prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict.future(serving_run.request())
        assert output.readline() == "begun\n"
        process.terminate()
        assert exit_code(process) == 0
        assert asked.code() is grpc.StatusCode.UNAVAILABLE
    assert output.read() == "stopped\n"


def test_a_second_signal_ends_the_command_at_once(start_never):
    process, output = start_never("LoadedVersion", "run", "--grace_seconds=300")
    port = output.readline().split(", ")[0].rpartition(":")[2]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        asked = api.prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict.future(serving_run.request())
        assert output.readline() == "begun\n"
        process.terminate()
        time.sleep(2.0)
        assert process.is_alive()
        process.terminate()
        assert exit_code(process) == -signal.SIGTERM
        assert asked.code() is grpc.StatusCode.UNAVAILABLE
