"""One side of a comparison: a process that prepares a piece of work and repeats it when it is told to.

``python -m opec_tf.study.peers.side MODULE CORES`` imports MODULE, whose ``prepare`` takes a job, a JSON object, and
gives a function without arguments, one step. The job is the first line on stdin, each further one the seconds of a
round; a line of JSON on stdout answers each: {} when the work is ready and warm, {"seconds_per_step", "steps"} of a
round, or {"error"}. CORES are the processors that it may run on, separated by commas; all where it is empty.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator

from opec_tf.common.errors import UserError

Step = Callable[[], object]
_WARM_UP = 2  # steps: the first may trace and compile, the second still allocates


def main() -> None:
    module, cores = sys.argv[1:3]
    os.setpgrp()  # it is stopped and woken with its workers
    if cores:
        os.sched_setaffinity(0, [int(core) for core in cores.split(",")])
    # What libraries print goes to stderr; stdout has the answers alone.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        try:
            for answer in _answers(module, sys.stdin):
                answers.write(json.dumps(answer) + "\n")
                answers.flush()
        except UserError as error:
            answers.write(json.dumps({"error": str(error)}) + "\n")


def _answers(module: str, lines: Iterator[str]) -> Iterator[dict[str, float]]:
    step: Step = importlib.import_module(module).prepare(json.loads(next(lines)))
    for _ in range(_WARM_UP):
        step()
    yield {}
    for line in lines:
        yield _round(step, json.loads(line))


def _round(step: Step, seconds: float) -> dict[str, float]:
    """Repeats a step for some seconds, at least once."""
    start, steps = time.perf_counter(), 0
    while steps == 0 or time.perf_counter() - start < seconds:
        step()
        steps += 1
    return {"seconds_per_step": (time.perf_counter() - start) / steps, "steps": steps}


if __name__ == "__main__":
    main()
