"""What a request is refused with: the statuses and messages of TensorFlow Serving 2.15.1."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from types import TracebackType

import grpc
import tensorflow as tf

_LONGEST_MESSAGE = 1024
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class ServingError(Exception):
    """A refusal.

    Args:
      code: the status.
      message: what the client reads; long ones are cut, as gRPC's metadata has little room.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        cut = len(message) > _LONGEST_MESSAGE
        self.code = code
        self.message = message[:_LONGEST_MESSAGE] + "...TRUNCATED" if cut else message
        super().__init__(self.message)


def invalid(message: str) -> ServingError:
    """The refusal INVALID_ARGUMENT."""
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> ServingError:
    """The refusal NOT_FOUND."""
    return ServingError(grpc.StatusCode.NOT_FOUND, message)


class Answering:
    """Turns any other error in the block into a ``ServingError`` INTERNAL, so that who waits for an answer gets one."""

    def __enter__(self) -> Answering:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, ServingError):
            logging.getLogger(__name__).error("a request met a fault of the server", exc_info=error)
            raise ServingError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}") from error


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Turns TensorFlow's errors in the block into ``ServingError`` of the same status and message."""
    try:
        yield
    except tf.errors.OpError as error:
        raise ServingError(_CODES.get(error.error_code, grpc.StatusCode.UNKNOWN), error.message) from error
