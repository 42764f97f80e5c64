"""The stand-in as a whole: two listening ports, polling, a bounded queue, a graceful end."""

from __future__ import annotations

import logging
import os
import pathlib
import threading
import time

import grpc

from opec_tf.common.errors import UserError
from opec_tf.serving.model_server import grpc_services, rest
from opec_tf.serving.model_server.batching import BatchingParameters
from opec_tf.serving.model_server.gate import Gate
from opec_tf.serving.model_server.versions import ModelVersions


class ModelServer:
    """TensorFlow Serving's gRPC and REST interface to one model, for development and tests.

    Args:
      model_dir: folder of the model's version folders.
      name: the model's name; by default the folder's.
      host: address that both ports listen on.
      port, rest_port: 0 chooses free ones, which ``port`` and ``rest_port`` then are.
      batching: None: no batching.
      poll_seconds: between two looks at the folder.
      running, waiting: see ``Gate``.
      credentials: for TLS on the gRPC port.

    Raises:
      UserError: there is no such folder, or a port is taken.
    """

    def __init__(
        self,
        model_dir: os.PathLike[str] | str,
        *,
        name: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        rest_port: int = 0,
        batching: BatchingParameters | None = None,
        poll_seconds: float = 1.0,
        running: int = 16,
        waiting: int = 64,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        model_dir = pathlib.Path(model_dir)
        if not os.path.isdir(model_dir):
            raise UserError(
                f"{model_dir}: does not exist or is out of reach; make it with opec_tf.export --export_dir={model_dir}"
            )
        self._model_dir = model_dir
        self.versions = ModelVersions(name or model_dir.resolve().name, model_dir, batching)
        self._stopping = threading.Event()
        self._poller = threading.Thread(target=self._poll, args=[poll_seconds], daemon=True)
        gate = Gate(running, waiting)
        # A thread for everyone who may be in the gate, and some to refuse others and to tell the status.
        self._grpc = grpc_services.server(self.versions, gate, threads=running + waiting + 8)
        try:
            address = f"{host}:{port}"
            self.port = (
                self._grpc.add_secure_port(address, credentials)
                if credentials
                else self._grpc.add_insecure_port(address)
            )
            self._rest = rest.RestServer((host, rest_port), self.versions, gate)
        except (RuntimeError, OSError) as error:
            raise UserError(
                f"--port={port} --rest_port={rest_port} on {host}: cannot be listened on ({error}); choose others"
            ) from error
        self.rest_port = self._rest.server_address[1]
        self._rest_thread = threading.Thread(target=self._rest.serve_forever, daemon=True)

    def load(self) -> None:
        """Loads the newest version, unless it is loaded.

        Raises:
          UserError: the model's folder cannot be read.
        """
        try:
            self.versions.poll()
        except OSError as error:
            raise UserError(f"{self._model_dir}: cannot be read ({error.strerror}); let this user read it") from error

    def start(self) -> ModelServer:
        """Loads the newest version, then listens."""
        self.load()
        self._grpc.start()
        self._rest_thread.start()
        self._poller.start()
        return self

    def stop(self, grace: float = 10.0) -> bool:
        """Takes no new requests, answers those under way for up to ``grace`` seconds, and unloads the model.

        Returns:
          Whether it is unloaded; otherwise requests, or the load of a newer version, go on until the process ends.
        """
        give_up = time.monotonic() + grace

        def left() -> float:
            return max(0.0, give_up - time.monotonic())

        self._stopping.set()
        stopped = self._grpc.stop(grace)
        self._rest.shutdown()
        self._rest.server_close()
        self._rest.wait(left())
        stopped.wait(left())
        self._poller.join(left())
        return self.versions.close(left()) and not self._poller.is_alive()

    def __enter__(self) -> ModelServer:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _poll(self, seconds: float) -> None:
        while not self._stopping.wait(seconds):
            try:
                self.versions.poll()
            except OSError as error:
                logging.getLogger(__name__).error("%s: will be looked at again: %s", self.versions.name, error)
