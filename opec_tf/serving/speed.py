"""How fast an exported model answers: called in this process, and over gRPC from a server in a process of its own."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.serving.model_server.statuses import ServingError
from opec_tf.serving.model_server.versions import LOAD_ERRORS, LoadedVersion
from opec_tf.serving.pose_client import PoseClient

_PORTS = re.compile(r"serving \S+: gRPC (\S+), REST (\S+)")
_START_SECONDS = 300


def measure_in_process(
    version_dir: os.PathLike[str] | str,
    image_bytes: bytes,
    boxes: npt.ArrayLike,
    clients: Sequence[int],
    seconds: float,
) -> dict[str, dict[str, float]]:
    """Calls of signature "image" without a network.

    Args:
      version_dir: an export's version folder.
      image_bytes: the picture's file.
      boxes: [N, 4], people in it.
      clients: numbers of threads that call at the same time.
      seconds: how long each number of clients is measured.

    Returns:
      number of clients, as text -> what ``_measure`` gives.

    Raises:
      UserError: the version cannot be loaded or does not answer.
    """
    files.refuse_pattern(version_dir)
    try:
        version = LoadedVersion(pathlib.Path(version_dir), None)
    except LOAD_ERRORS as error:
        raise UserError(f"{version_dir}: cannot be loaded ({error}); export the model again") from error
    inputs = {"image_bytes": np.array([image_bytes], object), "boxes": np.asarray(boxes, np.float32)[None]}
    outputs = tuple(version.signatures["image"].outputs)
    try:
        return {
            str(count): _measure(lambda: version.run("image", inputs, outputs), count, seconds) for count in clients
        }
    except ServingError as error:
        raise UserError(f"{version_dir}: does not answer ({error}); choose another picture or model") from error
    finally:
        version.close()


def measure_over_grpc(
    model_dir: os.PathLike[str] | str,
    image_bytes: bytes,
    boxes: npt.ArrayLike,
    clients: Sequence[int],
    seconds: float,
    batching_file: str | None = None,
) -> dict[str, dict[str, float]]:
    """Round trips through ``opec_tf.serve``; arguments and result as ``measure_in_process`` has them.

    Args:
      model_dir: the export's folder, whose newest version answers.
      batching_file: parameters of server-side batching; None: none.
    """
    with serving_process(model_dir, batching_file) as target:
        with PoseClient(target, model=pathlib.Path(model_dir).resolve().name, people_per_request=1) as client:
            return {
                str(count): _measure(lambda: client.estimate(image_bytes, boxes), count, seconds) for count in clients
            }


@contextlib.contextmanager
def serving_process(model_dir: os.PathLike[str] | str, batching_file: str | None = None) -> Iterator[str]:
    """Runs ``opec_tf.serve`` for the block; gives HOST:PORT of its gRPC port.

    Raises:
      UserError: the server did not start.
    """
    command = [sys.executable, "-m", "opec_tf.serve", f"--model_dir={model_dir}", "--port=0", "--rest_port=0"]
    if batching_file:
        command.append(f"--batching_parameters_file={batching_file}")
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        # A server that hangs while it loads is ended, so that reading its first line ends too.
        timer = threading.Timer(_START_SECONDS, server.kill)
        timer.start()
        try:
            ports = _PORTS.match(next(iter(server.stdout or ()), ""))
            timer.cancel()
            if not ports:
                server.kill()
                log.seek(0)
                reason = log.read().strip().splitlines()[-1:] or ["it printed nothing"]
                raise UserError(f"opec_tf.serve --model_dir={model_dir} did not start: {reason[0]}")
            yield ports[1]
        finally:
            timer.cancel()
            server.terminate()


def _measure(call: Callable[[], object], clients: int, seconds: float) -> dict[str, float]:
    """Calls a function from threads; what a call raises in one of them is raised once all have ended.

    Returns:
      p50_s, p95_s, p99_s (seconds a call), requests_per_second, requests.
    """
    call()
    times: list[list[float]] = [[] for _ in range(clients)]
    begin = threading.Barrier(clients + 1)

    def work(mine: list[float]) -> None:
        begin.wait()
        end = time.perf_counter() + seconds
        while not mine or time.perf_counter() < end:
            start = time.perf_counter()
            call()
            mine.append(time.perf_counter() - start)

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        working = [pool.submit(work, mine) for mine in times]
        begin.wait()
        start = time.perf_counter()
    elapsed = time.perf_counter() - start
    for future in working:
        future.result()
    every = np.concatenate([np.array(mine) for mine in times])
    p50, p95, p99 = np.quantile(every, [0.5, 0.95, 0.99]).tolist()
    return {
        "p50_s": p50,
        "p95_s": p95,
        "p99_s": p99,
        "requests_per_second": len(every) / elapsed,
        "requests": len(every),
    }
