"""Batching on the server, by TensorFlow Serving's own parameters file and with its habits.

Requests of one signature wait until a batch is full or the oldest has waited long enough. A batch smaller than an
allowed size is filled up by its last request's first row. One bad row fails its whole batch, and requests of differing
shapes cannot share one: both are as in the server that this stands in for.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import threading
import time
from collections.abc import Callable

import grpc
import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.serving.model_server.statuses import Answering, ServingError, invalid

# Names -> arrays [B, ...], of inputs (those of the tensors that are fed) or outputs.
Arrays = dict[str, np.ndarray]
_FIELD = re.compile(r"\s*(\w+)\s*(?:\{\s*value\s*:\s*(\w+)\s*\}|:\s*(\w+))\s*")
_COMMENT = re.compile(r"#.*")


@dataclasses.dataclass(frozen=True)
class BatchingParameters:
    """The fields of TensorFlow Serving's ``BatchingParameters``.

    Attributes:
      max_batch_size: rows in a batch.
      batch_timeout_micros: how long the first request of a batch waits for others, microseconds.
      max_enqueued_batches: full batches that wait; beyond, a request is refused as UNAVAILABLE.
      num_batch_threads: batches that run at the same time.
      allowed_batch_sizes: sizes to which batches are filled up, ascending; (): any size.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = 2
    allowed_batch_sizes: tuple[int, ...] = ()

    def filled_up(self, rows: int) -> int:
        """The allowed size for a number of rows."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


def read_parameters(path: os.PathLike[str] | str) -> BatchingParameters:
    """Reads a batching parameters file (protobuf text format).

    Raises:
      UserError: it cannot be read or is none.
    """
    try:
        text = _COMMENT.sub("", pathlib.Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); check --batching_parameters_file") from error
    known = {field.name for field in dataclasses.fields(BatchingParameters)}
    values: dict[str, int] = {}
    sizes: list[int] = []
    position = 0
    while position < len(text.rstrip()):
        match = _FIELD.match(text, position)
        name, wrapped, plain = match.groups() if match else (text[position:].split()[0], None, None)
        value = plain if name == "allowed_batch_sizes" else wrapped
        if match is None or name not in known or value is None or not value.isdecimal():
            raise UserError(
                f"{path}: {name!r} is not understood; allowed_batch_sizes is written 'allowed_batch_sizes: 8', "
                "any other as 'max_batch_size { value: 8 }'"
            )
        position = match.end()
        if name == "allowed_batch_sizes":
            sizes.append(int(value))
        else:
            values[name] = int(value)
    parameters = BatchingParameters(**values, allowed_batch_sizes=tuple(sizes))
    if sizes and (sizes != sorted(set(sizes)) or sizes[-1] != parameters.max_batch_size):
        raise UserError(f"{path}: allowed_batch_sizes must ascend and end with max_batch_size")
    if not parameters.max_batch_size or not parameters.num_batch_threads or not parameters.max_enqueued_batches:
        raise UserError(f"{path}: max_batch_size, num_batch_threads and max_enqueued_batches must be above 0")
    return parameters


@dataclasses.dataclass(eq=False)
class _Task:
    inputs: Arrays
    rows: int
    arrived: float
    future: concurrent.futures.Future[Arrays]


class Batcher:
    """Runs a function on batches of requests; one for each signature and choice of outputs.

    Args:
      run: inputs -> outputs.
      parameters: sizes and times.
    """

    def __init__(self, run: Callable[[Arrays], Arrays], parameters: BatchingParameters) -> None:
        self._run, self._parameters = run, parameters
        self._tasks: collections.deque[_Task] = collections.deque()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(parameters.num_batch_threads)]
        for thread in self._threads:
            thread.start()

    def __call__(self, inputs: Arrays) -> Arrays:
        """The outputs of one request, which come with those of others.

        Raises:
          ServingError: the queue is full, the request too large, or its batch failed.
        """
        if any(array.ndim == 0 for array in inputs.values()):
            raise invalid("Batching Run() input tensors must have at least one dimension")
        rows = {len(array) for array in inputs.values()}
        if len(rows) != 1:
            raise invalid("Batching Run() input tensors must have equal 0th-dimension size")
        task = _Task(inputs, rows.pop(), time.monotonic(), concurrent.futures.Future())
        if task.rows > self._parameters.max_batch_size:
            raise invalid(
                f"Task size {task.rows} is larger than maximum input batch size {self._parameters.max_batch_size}"
            )
        with self._changed:
            capacity = self._parameters.max_enqueued_batches * self._parameters.max_batch_size
            if self._closed or sum(waiting.rows for waiting in self._tasks) + task.rows > capacity:
                raise ServingError(
                    grpc.StatusCode.UNAVAILABLE, "The batch scheduling queue to which this task was submitted is full"
                )
            self._tasks.append(task)
            self._changed.notify()
        return task.future.result()

    def close(self) -> None:
        """Answers what waits, then ends the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            tasks = self._next_batch()
            if not tasks:
                return
            try:
                with Answering():
                    answers = _split(self._run(_merge(tasks, self._parameters)), tasks)
            except ServingError as error:
                for task in tasks:
                    task.future.set_exception(error)
            else:
                for task, answer in zip(tasks, answers):
                    task.future.set_result(answer)

    def _next_batch(self) -> list[_Task]:
        """Waits for a batch; [] once the batcher is closed and everything answered."""
        with self._changed:
            while True:
                if self._tasks:
                    full = sum(task.rows for task in self._tasks) >= self._parameters.max_batch_size
                    due = self._tasks[0].arrived + self._parameters.batch_timeout_micros / 1e6 - time.monotonic()
                    if full or due <= 0 or self._closed:
                        return self._take()
                    self._changed.wait(due)
                elif self._closed:
                    return []
                else:
                    self._changed.wait()

    def _take(self) -> list[_Task]:
        tasks = [self._tasks.popleft()]
        while self._tasks:
            if sum(task.rows for task in tasks) + self._tasks[0].rows > self._parameters.max_batch_size:
                break
            tasks.append(self._tasks.popleft())
        return tasks


def _merge(tasks: list[_Task], parameters: BatchingParameters) -> Arrays:
    """The inputs of all tasks, one after the other, filled up to an allowed size."""
    rows = sum(task.rows for task in tasks)
    merged = {}
    for name in tasks[0].inputs:
        arrays = [task.inputs[name] for task in tasks]
        if any(array.shape[1:] != arrays[0].shape[1:] for array in arrays):
            raise ServingError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"Tensors with name '{name}' from different tasks have different shapes and padding is turned off."
                "Set pad_variable_length_inputs to true, or ensure that all tensors with the same name"
                "have equal dimensions starting with the first dim.",
            )
        # A request of no rows has none to repeat.
        missing = parameters.filled_up(rows) - rows if len(arrays[-1]) else 0
        merged[name] = np.concatenate([*arrays, *[arrays[-1][:1]] * missing])
    return merged


def _split(outputs: Arrays, tasks: list[_Task]) -> list[Arrays]:
    """The outputs of each task, without what the batch was filled up with."""
    ends = np.cumsum([task.rows for task in tasks])
    return [{name: array[end - task.rows : end] for name, array in outputs.items()} for task, end in zip(tasks, ends)]
