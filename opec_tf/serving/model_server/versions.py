"""Versions of one model on disk: found by polling, warmed up, and taken over only when they can answer."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import logging
import os
import pathlib
import threading
from collections.abc import Callable, Iterator, Sequence

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.saved_model import loader_impl

from opec_tf.common import files
from opec_tf.serving import api
from opec_tf.serving.model_server import requests
from opec_tf.serving.model_server.batching import Arrays, Batcher, BatchingParameters
from opec_tf.serving.model_server.statuses import ServingError, invalid, not_found, refusing

_STATES = api.get_model_status_pb2.ModelVersionStatus
_WARMUP = pathlib.Path("assets.extra", "tf_serving_warmup_requests")
_Runner = Callable[[Arrays], Arrays]
# What unusable files in a version folder give: whatever is wrong must reach the status, and the server live on.
LOAD_ERRORS = (OSError, ValueError, KeyError, TypeError, DecodeError, tf.errors.OpError, ServingError)


@dataclasses.dataclass
class Status:
    """How far a version is.

    Attributes:
      state: of ``ModelVersionStatus.State``.
      code: ``grpc.StatusCode``; OK unless loading failed.
      message: why it failed.
    """

    state: int
    code: grpc.StatusCode = grpc.StatusCode.OK
    message: str = ""


class LoadedVersion:
    """A SavedModel in a session, as the server runs it: feeds go to the graph unchecked, and the graph says no.

    Args:
      path: the version folder.
      batching: None: every request runs by itself.
    """

    def __init__(self, path: pathlib.Path, batching: BatchingParameters | None) -> None:
        self.number = int(path.name)
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            # tf.compat.v1.saved_model.load is the same with a notice of deprecation on every call.
            meta_graph = loader_impl.SavedModelLoader(str(path)).load(self._session, ["serve"])
        # Also those that nobody may ask, such as __saved_model_init_op.
        self.listed_signatures = dict(meta_graph.signature_def)
        self.signatures = {
            name: signature for name, signature in self.listed_signatures.items() if not name.startswith("__")
        }
        self._batching, self._lock = batching, threading.Lock()
        self._batchers: dict[_Runner, Batcher] = {}
        self._runners: dict[tuple[str, tuple[str, ...]], _Runner] = {}

    def run(self, signature: str, inputs: Arrays, outputs: Sequence[str]) -> Arrays:
        """Answers one request.

        Args:
          signature: name.
          inputs: all that the signature has.
          outputs: names of the outputs wanted.

        Raises:
          ServingError: the graph refuses the inputs, or the batching queue is full.
        """
        run, fed = self._runner(signature, tuple(sorted(outputs))), self._fed(signature, inputs)
        if self._batching is None:
            return run(fed)
        with self._lock:
            if run not in self._batchers:
                self._batchers[run] = Batcher(run, self._batching)
        return self._batchers[run](fed)

    def replay(self, path: pathlib.Path) -> None:
        """Answers the warmup records of a file; one that fails is an error."""
        for record in tf.data.TFRecordDataset(str(path)):
            log = api.prediction_log_pb2.PredictionLog.FromString(record.numpy())
            request = log.predict_log.request
            # Past the batching, so that each record warms up the size that it has.
            signature, inputs, outputs = requests.parse(request, self.signatures)
            self._runner(signature, outputs)(self._fed(signature, inputs))

    def close(self) -> None:
        """Answers what waits and frees the memory."""
        for batcher in self._batchers.values():
            batcher.close()
        self._session.close()

    def _fed(self, signature: str, inputs: Arrays) -> Arrays:
        """The inputs by the names of the tensors that they are fed to, which the batching's messages say."""
        definition = self.signatures[signature]
        return {definition.inputs[name].name: array for name, array in inputs.items()}

    def _runner(self, signature: str, outputs: tuple[str, ...]) -> _Runner:
        """The function from what is fed to outputs; made once, since making it optimizes the graph."""
        with self._lock:
            if (signature, outputs) not in self._runners:
                self._runners[signature, outputs] = self._new_runner(signature, outputs)
            return self._runners[signature, outputs]

    def _new_runner(self, signature: str, outputs: tuple[str, ...]) -> _Runner:
        definition = self.signatures[signature]
        feeds = sorted(info.name for info in definition.inputs.values())
        # Session.run and make_callable would hold the feeds to the placeholders' shapes, which the server does not.
        options = config_pb2.CallableOptions(
            feed=feeds,
            fetch=[definition.outputs[name].name for name in outputs],
        )
        function = self._session._make_callable_from_options(options)

        def run(inputs: Arrays) -> Arrays:
            with refusing():
                return dict(zip(outputs, function(*(inputs[feed] for feed in feeds))))

        return run


class ModelVersions:
    """The newest version of a model, reloaded when a newer one appears.

    Args:
      name: the model's name.
      base_path: folder of its version folders.
      batching: None: none.

    Raises:
      UserError: the folder's name is a pattern to TensorFlow.
    """

    def __init__(
        self, name: str, base_path: os.PathLike[str] | str, batching: BatchingParameters | None = None
    ) -> None:
        files.refuse_pattern(base_path)
        self.name, self._base_path, self._batching = name, pathlib.Path(base_path), batching
        self.statuses: dict[int, Status] = {}
        self._current: LoadedVersion | None = None
        self._users: collections.Counter[int] = collections.Counter()
        self._changed = threading.Condition()

    def poll(self) -> None:
        """Looks at the folder once; a newer version is loaded and warmed up, then the older one unloaded."""
        folders = self._base_path.iterdir() if self._base_path.is_dir() else ()
        newest = max((int(path.name) for path in folders if path.name.isdecimal() and path.is_dir()), default=None)
        status = None if newest is None else self.statuses.get(newest)
        # What failed once stays so, as with --max_num_load_retries=0, and holds nobody up: a corrected model gets a
        # number of its own. What was unloaded may come back.
        unloaded = status and status.state == _STATES.END and status.code is grpc.StatusCode.OK
        if newest is None or (status and not unloaded):
            return
        self.statuses[newest] = Status(_STATES.LOADING)
        path = self._base_path / str(newest)
        try:
            loaded = LoadedVersion(path, self._batching)
            if (path / _WARMUP).exists():
                loaded.replay(path / _WARMUP)
        except LOAD_ERRORS as error:
            code = error.code if isinstance(error, ServingError) else grpc.StatusCode.UNKNOWN
            self.statuses[newest] = Status(_STATES.END, code, str(error))
            logging.getLogger(__name__).error("%s: cannot be loaded: %s", path, error)
            return
        with self._changed:
            before, self._current = self._current, loaded
            self.statuses[newest] = Status(_STATES.AVAILABLE)
        logging.getLogger(__name__).info("%s: version %d is available", self.name, newest)
        if before:
            self._unload(before)

    def missing(self) -> str | None:
        """What is waited for, where no version has been found; None where one has."""
        if self.statuses:
            return None
        if (self._base_path / "saved_model.pb").exists():
            return f"{self._base_path}: is a version itself, so that nothing is served; give the folder that it lies in"
        return (
            f"{self._base_path}: holds no version yet, so that nothing is served; waiting for a folder whose name is a "
            f"number, such as opec_tf.export --export_dir={self._base_path} writes"
        )

    def close(self, seconds: float | None = None) -> bool:
        """Unloads what is loaded, once nobody uses it; waits for that at most so long, None: as long as it takes.

        Returns:
          Whether nothing is loaded any more.
        """
        with self._changed:
            current, self._current = self._current, None
        return current is None or self._unload(current, seconds)

    @contextlib.contextmanager
    def version(self, spec: api.Message) -> Iterator[LoadedVersion]:
        """Gives the ``LoadedVersion`` that a ``ModelSpec`` asks for; it stays loaded for the block.

        Raises:
          ServingError: there is no such model or version.
        """
        if spec.HasField("version_label"):  # the stand-in gives none
            raise invalid(f"Unrecognized servable version label: {spec.version_label}")
        number = spec.version.value if spec.HasField("version") else None
        wanted = f"Latest({spec.name})" if number is None else f"Specific({spec.name}, {number})"
        with self._changed:
            current = self._current
            if spec.name != self.name or current is None or number not in (None, current.number):
                raise not_found(f"Servable not found for request: {wanted}")
            self._users[current.number] += 1
        try:
            yield current
        finally:
            with self._changed:
                self._users[current.number] -= 1
                self._changed.notify_all()

    def _unload(self, version: LoadedVersion, seconds: float | None = None) -> bool:
        self.statuses[version.number] = Status(_STATES.UNLOADING)
        with self._changed:
            unused = self._changed.wait_for(lambda: not self._users[version.number], seconds)
        if unused:
            version.close()
            self.statuses[version.number] = Status(_STATES.END)
        return unused
