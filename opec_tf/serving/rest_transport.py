"""Asks a model server over REST, with urllib3's retries."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np
import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, TimeoutError

from opec_tf.serving import endpoint
from opec_tf.serving.endpoint import Endpoint, PoseServiceError

_CODE_OF_HTTP = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_MOST_CONNECTIONS = 16  # kept open for the threads that ask


class RestTransport:
    """Connections to a server; see ``Transport``."""

    def __init__(self, server: Endpoint) -> None:
        self._server = server
        self._retries = _Retry(
            server.retries,
            status_forcelist=[429, 503],
            allowed_methods=None,  # also POST: to ask twice does no harm
            backoff_factor=endpoint.FIRST_PAUSE,
            backoff_jitter=endpoint.FIRST_PAUSE,
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        tls: dict[str, Any] = {"ssl_context": server.ssl_context()} if server.secure else {}
        self._connections = urllib3.PoolManager(maxsize=_MOST_CONNECTIONS, **tls)
        version = "" if server.version is None else f"/versions/{server.version}"
        scheme = "https" if server.secure else "http"
        self._url = f"{scheme}://{server.target}/v1/models/{server.model}{version}:predict"

    def ask(self, image_bytes: bytes, people: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See ``Transport``."""
        inputs: dict[str, list[Any]] = {name: rows.tolist() for name, rows in people.items()}
        inputs["image_bytes"] = [{"b64": base64.b64encode(image_bytes).decode()}]
        body = json.dumps({"signature_name": endpoint.signature(people), "inputs": inputs}).encode()
        try:
            answer = self._connections.request(
                "POST",
                self._url,
                body=body,
                headers={"Content-Type": "application/json"},
                retries=self._retries,
                timeout=_TimeLeft(time.monotonic() + self._server.deadline),
            )
        except TimeoutError as error:
            raise self._server.error("DEADLINE_EXCEEDED", error) from error
        except HTTPError as error:
            reason = error.reason if isinstance(error, MaxRetryError) else error
            raise self._server.not_reached(reason) from error
        if answer.status != 200:
            raise self._refusal(answer)
        try:
            outputs = json.loads(answer.data)["outputs"]
            return {name: np.array(outputs[name], np.float32) for name in endpoint.answered(outputs)}
        except (ValueError, KeyError, TypeError) as error:
            message = f"the answer is not a model server's ({error}); check the port"
            raise self._server.error("UNKNOWN", message) from error

    async def ask_async(self, image_bytes: bytes, people: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See ``Transport``; in a thread."""
        return await asyncio.to_thread(self.ask, image_bytes, people)

    def close(self) -> None:
        """See ``Transport``."""
        self._connections.clear()

    async def close_async(self) -> None:
        """See ``Transport``."""
        self.close()

    def _refusal(self, answer: urllib3.BaseHTTPResponse) -> PoseServiceError:
        try:
            message = json.loads(answer.data)["error"]
        except (ValueError, KeyError, TypeError):
            message = answer.reason
        return self._server.error(_CODE_OF_HTTP.get(answer.status, "UNKNOWN"), message)


class _Retry(urllib3.Retry):
    """Asks again whoever is not there or says so; one who is late has used up the time."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: urllib3.connectionpool.ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> _Retry:
        """The retries that are left after an attempt."""
        if isinstance(error, TimeoutError) and not isinstance(error, NewConnectionError):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


class _TimeLeft(urllib3.Timeout):
    """The deadline of all attempts together, where urllib3 gives each its own.

    Args:
      give_up: the deadline, on the clock of ``time.monotonic``.
    """

    def __init__(self, give_up: float) -> None:
        super().__init__()
        self._give_up = give_up

    def clone(self) -> urllib3.Timeout:
        """The time of one attempt, which urllib3 begins with a copy.

        Raises:
          TimeoutError: there is none.
        """
        left = self._give_up - time.monotonic()
        if left <= 0:
            raise TimeoutError("no time is left")
        return urllib3.Timeout(left)
