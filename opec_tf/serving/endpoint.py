"""What both ways to a model server share: whom they ask, what they read of the answer, what a refusal says."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import os
import pathlib
import re
import socket
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
# What a target may begin with; gRPC knows the names of these resolvers.
_UNIX = "unix:"
_GRPC_SCHEMES = ("dns", "unix", "ipv4", "ipv6", "xds")
# The environment variables of a proxy, in the order in which gRPC asks for them.
_PROXIES, _NO_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy"), ("no_grpc_proxy", "no_proxy")
_NOT_ANSWERED = ("UNAVAILABLE", "DEADLINE_EXCEEDED")
_PROBE, _PROBE_SECONDS = b"GET /v1/models HTTP/1.0\r\n\r\n", 2.0
_SETTINGS_FRAME = 4  # the type of frame that every HTTP/2 server begins with, at byte 3
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
      UserError: ``target`` is no HOST:PORT, ``retries`` is out of range, or ``tls_ca`` is no PEM file.
    """

    target: str
    model: str
    version: int | None
    deadline: float
    retries: int
    tls: bool
    tls_ca: os.PathLike[str] | str | None
    rest: bool = False

    def __post_init__(self) -> None:
        head, separator, rest = self.target.partition("://")
        scheme, address = (head, rest) if separator else ("", self.target)
        is_path = not scheme and "/" in address and not address.startswith(_UNIX)
        if is_path or scheme and (self.rest or scheme not in _GRPC_SCHEMES):
            address = address.strip("/").partition("/")[0]
            raise UserError(
                f"{self.target}: the target is HOST:PORT without scheme and path, such as {address or 'HOST:PORT'}"
            )
        if not 0 <= self.retries <= MOST_RETRIES:
            raise UserError(f"retries={self.retries} must be 0 to {MOST_RETRIES}")
        if self.secure:
            self.ssl_context()  # gRPC, which says nothing of a bad file, needs the check alone

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.tls or self.tls_ca is not None

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine, which no proxy leads to."""
        host = self._address()[0]
        with contextlib.suppress(ValueError):
            return ipaddress.ip_address(host).is_loopback
        return host == "localhost" or host.endswith(".localhost")

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
        message = "".join(character if character.isprintable() else " " for character in message)
        if len(message) > _LONGEST_MESSAGE:
            message = message[:_LONGEST_MESSAGE] + "..."
        if code == "UNAVAILABLE":
            has_port = self._address()[1] is not None or self.target.startswith(("unix:", "xds:"))
            advice = "check that a server runs there, or try again later"
            message += f"; {advice if has_port else 'the target is HOST:PORT, and has no port'}"
        if code == "RESOURCE_EXHAUSTED":  # often without details
            message = message or "the server answers no more calls at a time"
            message += "; ask about fewer pictures at a time, or raise the server's --grpc_max_threads"
        if _NO_REFINING.search(message):
            message += "; poses are refined by models exported from a workdir trained with --initial_pose=given"
        if code == "DEADLINE_EXCEEDED":
            message = f"no answer within {self.deadline:g} seconds; raise the deadline"
        proxy = self._proxy()
        if code in _NOT_ANSWERED and proxy:
            message += f"; the connection goes through the proxy {proxy}, unless no_proxy names the host"
        return PoseServiceError(code, f"{self.target}: {code}: {message}")

    def not_reached(self, reason: object) -> PoseServiceError:
        """The error of a connection that failed: what else listens there, or what is known of it."""
        other = "gRPC" if self.rest else "REST"
        found = self._listening() if self._proxy() is None else None
        if self.secure and found == "gRPC":  # by an answer in plain text
            message = "this port is not encrypted; leave out --tls and --tls_ca (tls=False)"
            return PoseServiceError("UNAVAILABLE", f"{self.target}: UNAVAILABLE: {message}")
        if not self.secure and found == other:
            advice = "leave out --rest (rest=False)" if self.rest else "ask with --rest (rest=True)"
            port = "8501" if self.rest else "8500"
            message = f"this is a {other} port; {advice}, or give the port of the other kind, most often {port}"
            return PoseServiceError("UNAVAILABLE", f"{self.target}: UNAVAILABLE: {message}")
        return self.error("UNAVAILABLE", reason)

    def _address(self) -> tuple[str, int | None]:
        """(host, port) of the target, the first of several."""
        first = re.sub(r"^(dns|ipv4|ipv6):(//[^/]*/)?", "", self.target).split(",")[0]
        match = re.fullmatch(r"\[?([^\]]*?)\]?(?::(\d+))?", first, re.DOTALL)
        if match is None:
            return first, None
        return match[1], None if match[2] is None else int(match[2])

    def _proxy(self) -> str | None:
        """The environment's proxy that gRPC goes through, as NAME=VALUE without its password; None: none."""
        # As gRPC does it: of those that are set the first counts, and an empty one is none.
        name = next((name for name in _PROXIES if name in os.environ), None)
        spared = next((os.environ[name] for name in _NO_PROXIES if name in os.environ), "")
        parts = [part.strip() for part in spared.split(",") if part.strip()]
        if self.rest or name is None or not os.environ[name] or self.is_loopback:
            return None
        if any(_is_spared(self._address()[0], part) for part in parts):
            return None
        return f"{name}={re.sub('//[^/@]*@', '//', os.environ[name])}"

    def _listening(self) -> str | None:
        """What a port is, "REST" or "gRPC", by its first bytes; None: nobody knows."""
        host, port = self._address()
        if not host or port is None:
            return None
        try:
            with socket.create_connection((host, port), timeout=_PROBE_SECONDS) as connection:
                connection.sendall(_PROBE)
                connection.settimeout(_PROBE_SECONDS)
                answer = connection.recv(9)
        except (OSError, OverflowError, UnicodeError):
            return None
        if answer.startswith(b"HTTP/"):
            return "REST"
        return "gRPC" if answer[3:4] == bytes([_SETTINGS_FRAME]) else None


def _is_spared(host: str, part: str) -> bool:
    """Whether a part of no_proxy, the end of a name or a network such as 10.0.0.0/8, has the host in it."""
    if host.lower().endswith(part.lower()):
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(part, strict=False)
    return False


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
