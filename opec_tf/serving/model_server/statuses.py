"""What a request is refused with: the statuses and messages of TensorFlow Serving 2.15.1."""

import contextlib
import logging

import grpc
import tensorflow as tf

_LONGEST_MESSAGE = 1024
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class ServingError(Exception):
    """A refusal.

    Args:
      code: ``grpc.StatusCode``.
      message: what the client reads; long ones are cut, as gRPC's metadata has little room.
    """

    def __init__(self, code, message):
        cut = len(message) > _LONGEST_MESSAGE
        self.code = code
        self.message = message[:_LONGEST_MESSAGE] + "...TRUNCATED" if cut else message
        super().__init__(self.message)


def invalid(message):
    """A ``ServingError`` INVALID_ARGUMENT."""
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(message):
    """A ``ServingError`` NOT_FOUND."""
    return ServingError(grpc.StatusCode.NOT_FOUND, message)


class Answering:
    """Turns any other error in the block into a ``ServingError`` INTERNAL, so that who waits for an answer gets one."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if isinstance(error, Exception) and not isinstance(error, ServingError):
            logging.getLogger(__name__).error("a request met a fault of the server", exc_info=error)
            raise ServingError(grpc.StatusCode.INTERNAL, f"{kind.__name__}: {error}") from error


@contextlib.contextmanager
def refusing():
    """Turns TensorFlow's errors in the block into ``ServingError`` of the same status and message."""
    try:
        yield
    except tf.errors.OpError as error:
        raise ServingError(_CODES.get(error.error_code, grpc.StatusCode.UNKNOWN), error.message) from error
