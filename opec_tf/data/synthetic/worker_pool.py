"""Rendering with several processes, each a ``worker``."""

from __future__ import annotations

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import threading

from opec_tf.common.errors import UserError
from opec_tf.common.progress import Progress
from opec_tf.data.synthetic import worker


def render(
    pictures: list[worker.Picture], seed: int, image_size: int, workers: int | None, progress: bool
) -> dict[str, worker.Record]:
    """Renders pictures; the records by the pictures' paths."""
    workers = max(1, min(workers or os.cpu_count() or 1, len(pictures)))
    records: dict[str, worker.Record] = {}
    processes: list[subprocess.Popen[str]] = []
    counting = threading.Lock()
    with Progress("rendering couples", "couples", len(pictures), enabled=progress) as meter:

        def run(share: list[worker.Picture]) -> None:
            process = _start_worker()
            processes.append(process)
            assert process.stdin and process.stdout and process.stderr
            process.stdin.write(json.dumps({"seed": seed, "image_size": image_size, "pictures": share}))
            process.stdin.close()
            for line in process.stdout:
                record = json.loads(line)
                records[record["path"]] = record
                with counting:
                    meter.update(1)
            message = process.stderr.read().strip()
            if process.wait() == worker.CANNOT_WRITE:
                raise UserError(message.splitlines()[-1])  # warnings of Python's own may stand before it
            if process.returncode != 0:
                raise RuntimeError(f"a rendering process ended with status {process.returncode}: {message}")

        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            jobs = [pool.submit(run, pictures[first::workers]) for first in range(workers)]
            try:
                for job in concurrent.futures.as_completed(jobs):
                    job.result()
            finally:
                for process in processes:
                    process.kill()
    return records


def _start_worker() -> subprocess.Popen[str]:
    package_root = str(pathlib.Path(__file__).resolve().parents[3])
    paths = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-m", "opec_tf.data.synthetic.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
