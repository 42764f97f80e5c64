"""Pictures made by several processes: each is a small program that reads its jobs and answers a line a picture.

A program of its own rather than ``multiprocessing``, whose children would import the parent's main module, and
TensorFlow with it. A job is a JSON object; so is the record of a picture that answers it.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import cv2

from opec_tf.common.errors import UserError
from opec_tf.common.progress import Progress

_USER_FAULT = 3  # exit status of a process that ends with a UserError, the last line on its stderr


def run(
    module: str, settings: dict, jobs: Sequence[dict], *, label: str, workers: int | None, progress: bool
) -> list[Any]:
    """Has jobs done by processes that run ``python -m module``.

    Args:
      module: a module whose main calls ``serve``.
      settings: what every process is told beside its jobs.
      jobs: the jobs; each process gets every so-many-th.
      label: what is being done, for the progress report.
      workers: processes; None: one a core.
      progress: report to stderr, in couples.

    Returns:
      The records, JSON objects, in any order.

    Raises:
      UserError: a process ended with one.
    """
    if not jobs:
        return []
    workers = max(1, min(workers or os.cpu_count() or 1, len(jobs)))
    records: list[Any] = []
    processes: list[subprocess.Popen[str]] = []
    counting = threading.Lock()
    with Progress(label, "couples", len(jobs), enabled=progress) as meter:

        def do(share: Sequence[dict]) -> None:
            process = _start(module)
            processes.append(process)
            for record in _records(process, module, {**settings, "jobs": share}):
                with counting:
                    records.append(record)
                    meter.update(1)

        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            running = [pool.submit(do, jobs[first::workers]) for first in range(workers)]
            try:
                for share in concurrent.futures.as_completed(running):
                    share.result()
            finally:
                for process in processes:
                    process.kill()
    return records


def serve(work: Callable[[dict], Iterator[Mapping]]) -> None:
    """The main of such a process: ``work`` gets what stands on stdin; its records go to stdout, a line each."""
    cv2.setNumThreads(1)  # one process a core: threads of their own would only fight
    try:
        for record in work(json.load(sys.stdin)):
            sys.stdout.write(json.dumps(record) + "\n")
            sys.stdout.flush()
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(_USER_FAULT)


def write_picture(path: str, encoded: bytes) -> None:
    """Writes an encoded picture.

    Raises:
      UserError: it cannot be written.
    """
    try:
        with open(path, "wb") as file:
            file.write(encoded)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); free some space or choose another folder"
        ) from error


def _records(process: subprocess.Popen[str], module: str, task: dict) -> Iterator[dict]:
    """What a process answers to its task."""
    assert process.stdin and process.stdout and process.stderr  # they are pipes
    process.stdin.write(json.dumps(task))
    process.stdin.close()
    for line in process.stdout:
        yield json.loads(line)
    message = process.stderr.read().strip()
    if process.wait() == _USER_FAULT:
        raise UserError(message.splitlines()[-1])  # warnings of Python's own may stand before it
    if process.returncode != 0:
        raise RuntimeError(f"a process of {module} ended with status {process.returncode}: {message}")


def _start(module: str) -> subprocess.Popen[str]:
    package_root = str(pathlib.Path(__file__).resolve().parents[2])
    paths = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
