"""How many requests a server lets in at a time."""

from __future__ import annotations

import threading

import grpc

from opec_tf.serving.model_server.statuses import ServingError


class Gate:
    """Lets a number of requests in, a number of others wait, and refuses the rest as UNAVAILABLE.

    Args:
      running: requests that run at a time.
      waiting: requests that may wait.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self._places = threading.BoundedSemaphore(running + waiting)
        self._turn = threading.BoundedSemaphore(running)

    def __enter__(self) -> None:
        if not self._places.acquire(blocking=False):
            raise ServingError(grpc.StatusCode.UNAVAILABLE, "The server's queue is full")
        self._turn.acquire()

    def __exit__(self, *error: object) -> None:
        self._turn.release()
        self._places.release()
