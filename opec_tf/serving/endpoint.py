"""What both ways to a model server share: whom they ask, what they read of the answer, what a refusal says."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import ssl
from collections.abc import Container, Mapping
from typing import Protocol

import numpy as np

from opec_tf.common.errors import UserError

OUTPUTS = ("keypoints", "initial_keypoints", "pose_score")
# Of models that say something of it.
VISIBILITY = "visibility"
# gRPC's core asks no more often, whatever it is told.
MOST_RETRIES = 4
FIRST_PAUSE = 0.1  # seconds before the first retry; it doubles each time
_SIGNATURE, _REFINING_SIGNATURE = "image", "refine"
# The server's words over gRPC and over REST, where it may quote the whole request too.
_NO_REFINING = re.compile(rf'signature (key|name:) "{_REFINING_SIGNATURE}" not found')
_LONGEST_MESSAGE = 1024  # as gRPC's are; a refusal over REST may hold the picture
# What TensorFlow puts around the sentence that says what is wrong.
_ROOT_ERRORS = re.compile(r"\d+ root error\(s\) found\.\s*\(0\)\s*(\w+:)?\s*")
_NODE = re.compile(r"\s*\[\[.*", re.DOTALL)


class PoseServiceError(UserError):
    """The server refused or could not be reached.

    Attributes:
      code: name of the gRPC status, such as "INVALID_ARGUMENT".
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A model on a server; see ``PoseClient``.

    Raises:
      UserError: ``retries`` is out of range, or ``tls_ca`` is no PEM file.
    """

    target: str
    model: str
    version: int | None
    deadline: float
    retries: int
    tls: bool
    tls_ca: os.PathLike[str] | str | None

    def __post_init__(self) -> None:
        if not 0 <= self.retries <= MOST_RETRIES:
            raise UserError(f"retries={self.retries} must be 0 to {MOST_RETRIES}")
        if self.secure:
            self.ssl_context()  # gRPC, which says nothing of a bad file, needs the check alone

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.tls or self.tls_ca is not None

    def authority(self) -> bytes | None:
        """Content of ``tls_ca``; None: the usual authorities."""
        return read_file(self.tls_ca) if self.tls_ca is not None else None

    def ssl_context(self) -> ssl.SSLContext:
        """What checks the server's certificate."""
        try:
            self.authority()
            return ssl.create_default_context(cafile=self.tls_ca)
        except ssl.SSLError as error:
            raise UserError(f"{self.tls_ca}: holds no PEM certificate ({error.reason}); check --tls_ca") from error

    def error(self, code: str, message: object) -> PoseServiceError:
        """The error of a status, with what the user can do about it where that is known."""
        message = _NODE.sub("", _ROOT_ERRORS.sub("", str(message or "")))
        if len(message) > _LONGEST_MESSAGE:
            message = message[:_LONGEST_MESSAGE] + "..."
        if code == "UNAVAILABLE":
            message += "; check that a server runs there, or try again later"
        if code == "RESOURCE_EXHAUSTED":  # often without details
            message = message or "the server answers no more calls at a time"
            message += "; ask about fewer pictures at a time, or raise the server's --grpc_max_threads"
        if _NO_REFINING.search(message):
            message += "; poses are refined by models exported from a workdir trained with --initial_pose=given"
        if code == "DEADLINE_EXCEEDED":
            message = f"no answer within {self.deadline:g} seconds; raise the deadline"
        return PoseServiceError(code, f"{self.target}: {code}: {message}")


class Transport(Protocol):
    """A way to ask: ``GrpcTransport`` or ``RestTransport``."""

    def ask(self, image_bytes: bytes, people: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Asks about one picture.

        Args:
          image_bytes: the picture's file.
          people: boxes [1, N, 4], and keypoints [1, N, K, 3] where they are to be refined.

        Returns:
          Output name -> float32 [1, N, ...].

        Raises:
          PoseServiceError: the server refused or was not reached.
        """

    async def ask_async(self, image_bytes: bytes, people: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """``ask`` for asyncio."""

    def close(self) -> None:
        """Ends the connection."""

    async def close_async(self) -> None:
        """``close`` for who used ``ask_async``."""


def signature(people: Mapping[str, np.ndarray]) -> str:
    """Name of the signature that answers these inputs."""
    return _REFINING_SIGNATURE if "keypoints" in people else _SIGNATURE


def answered(outputs: Container[str]) -> tuple[str, ...]:
    """Names of the outputs to read."""
    return (*OUTPUTS, VISIBILITY) if VISIBILITY in outputs else OUTPUTS


def read_file(path: os.PathLike[str] | str) -> bytes:
    """Content of a file.

    Raises:
      UserError: it cannot be read.
    """
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{os.fspath(path)}: cannot be read ({error.strerror}); check the path") from error
