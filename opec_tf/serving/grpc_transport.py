"""Asks a model server over gRPC, which itself spreads the requests, asks again and keeps the deadline."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import grpc
import numpy as np

from opec_tf.serving import api, endpoint
from opec_tf.serving.endpoint import Endpoint, PoseServiceError

# Requests up to this size, in bytes, can be sent again: by default gRPC keeps 256 KiB, less than most photos have.
_RETRY_BUFFER = 2**31 - 1


class GrpcTransport:
    """A channel to a server; see ``Transport``."""

    def __init__(self, server: Endpoint) -> None:
        self._server = server
        self._channel = self._new_channel(grpc)
        self._async_channel: Any = None
        self._async_loop: asyncio.AbstractEventLoop | None = None

    def ask(self, image_bytes: bytes, people: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See ``Transport``."""
        stub = api.prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        try:
            return _arrays(stub.Predict(self._request(image_bytes, people), timeout=self._server.deadline))
        except grpc.RpcError as error:
            raise self._refusal(error) from error

    async def ask_async(self, image_bytes: bytes, people: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See ``Transport``."""
        loop = asyncio.get_running_loop()
        if self._async_loop is not loop:  # a channel belongs to the event loop it was made in
            self._async_channel, self._async_loop = self._new_channel(grpc.aio), loop
        stub = api.prediction_service_pb2_grpc.PredictionServiceStub(self._async_channel)
        try:
            return _arrays(await stub.Predict(self._request(image_bytes, people), timeout=self._server.deadline))
        except grpc.aio.AioRpcError as error:
            raise self._refusal(error) from error

    def close(self) -> None:
        """See ``Transport``."""
        self._channel.close()

    async def close_async(self) -> None:
        """See ``Transport``."""
        if self._async_channel:
            await self._async_channel.close()
            self._async_channel, self._async_loop = None, None
        self.close()

    def _new_channel(self, module: ModuleType) -> Any:
        """A channel of ``grpc`` or ``grpc.aio``."""
        options = [
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.per_rpc_retry_buffer_size", _RETRY_BUFFER),
            ("grpc.service_config", json.dumps(service_config(self._server.retries))),
        ]
        if self._server.is_loopback:
            options.append(("grpc.enable_http_proxy", 0))
        if self._server.secure:
            credentials = grpc.ssl_channel_credentials(self._server.authority())
            return module.secure_channel(self._server.target, credentials, options)
        return module.insecure_channel(self._server.target, options)

    def _request(self, image_bytes: bytes, people: Mapping[str, np.ndarray]) -> api.Message:
        inputs: dict[str, np.ndarray | list[bytes]] = {"image_bytes": [image_bytes], **people}
        return api.predict_request(self._server.model, endpoint.signature(people), inputs, self._server.version)

    def _refusal(self, error: grpc.RpcError) -> PoseServiceError:
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return self._server.not_reached(error.details())
        return self._server.error(error.code().name, error.details())


def service_config(retries: int) -> dict[str, Any]:
    """gRPC's service config: what the channel does with every call.

    A service of several servers, which the target names as dns:///HOST:PORT, gives an address of each: all are asked.
    See https://github.com/grpc/grpc/blob/master/doc/service_config.md and gRFC A6 on retries.
    """
    config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if retries:
        policy = {
            "maxAttempts": 1 + retries,
            "initialBackoff": f"{endpoint.FIRST_PAUSE}s",
            "maxBackoff": "10s",
            "backoffMultiplier": 2,
            # The second: more calls at a time than the server has threads for (--grpc_max_threads).
            "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
        }
        config["methodConfig"] = [{"name": [{}], "retryPolicy": policy}]
    return config


def _arrays(response: api.Message) -> dict[str, np.ndarray]:
    return {name: api.to_array(response.outputs[name]) for name in endpoint.answered(response.outputs)}
