"""Serves an exported model on this machine as TensorFlow Serving would: for development and tests, not for production.

python -m opec_tf.serve --model_dir=models/opec_net --port=8500 --rest_port=8501

Speaks gRPC (Predict, GetModelMetadata, GetModelStatus) and REST (/v1/models/NAME, .../metadata, ...:predict), takes up
a new version when one appears, and ends on Ctrl-C or SIGTERM once what is under way is answered, at the latest after
--grace_seconds; a second one ends it at once. In production the same folder is given to TensorFlow Serving; see
serving/README.md.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable
from types import FrameType

from absl import flags as absl_flags

from opec_tf.common import cli, flags, lazy

# What starts TensorFlow waits until main() uses it: --help and wrong usage are answered at once.
with lazy.imports():
    from opec_tf.serving.model_server import batching, server as model_server

absl_flags.DEFINE_string("model_dir", None, "the model's folder, which holds a folder for each version", required=True)
absl_flags.DEFINE_string("model_name", None, "the model's name; by default that of its folder")
absl_flags.DEFINE_string("host", "127.0.0.1", "address to listen on; by default only this machine reaches it")
absl_flags.DEFINE_integer("port", 8500, "gRPC port; 0 chooses a free one", lower_bound=0, upper_bound=65535)
absl_flags.DEFINE_integer("rest_port", 8501, "REST port; 0 chooses a free one", lower_bound=0, upper_bound=65535)
absl_flags.DEFINE_string(
    "batching_parameters_file", None, "batches requests by this file, e.g. serving/batching_parameters.txt"
)
absl_flags.DEFINE_float("poll_seconds", 1.0, "time between two looks for a new version", lower_bound=0.01)
absl_flags.DEFINE_integer("running", 16, "requests that run at the same time", lower_bound=1)
absl_flags.DEFINE_integer("waiting", 64, "requests that may wait; more are refused as UNAVAILABLE", lower_bound=0)
absl_flags.DEFINE_float("grace_seconds", 10.0, "time for what is under way when the server ends", lower_bound=0.0)


def main() -> None:
    options = flags.FLAGS
    logging.getLogger("opec_tf").setLevel(logging.INFO)  # which versions come and go
    parameters = (
        batching.read_parameters(options.batching_parameters_file) if options.batching_parameters_file else None
    )
    server = model_server.ModelServer(
        options.model_dir,
        name=options.model_name,
        host=options.host,
        port=options.port,
        rest_port=options.rest_port,
        batching=parameters,
        poll_seconds=options.poll_seconds,
        running=options.running,
        waiting=options.waiting,
    )
    _on_signals(signal.SIG_DFL)  # nothing is under way yet: the first one ends the process
    server.load()
    # Python writes a byte for every signal, whichever thread the system gives it to. A lock would miss one that another
    # thread gets, or that comes just before the main thread waits.
    arrived, wakeup = socket.socketpair()
    wakeup.setblocking(False)
    signal.set_wakeup_fd(wakeup.fileno())
    _on_signals(lambda *_: None)
    server.start()
    # Flushed, since whoever started this process may read the ports from here.
    ports = f"gRPC {options.host}:{server.port}, REST {options.host}:{server.rest_port}"
    print(f"serving {server.versions.name}: {ports}", flush=True)
    if missing := server.versions.missing():
        logging.getLogger(__name__).warning("%s", missing)
    arrived.recv(1)
    _on_signals(signal.SIG_DFL)  # a second one ends the process
    unloaded = server.stop(options.grace_seconds)
    print("stopped", flush=True)
    if not unloaded:
        os._exit(0)  # Python would wait for the threads of requests that outlast the grace


def _on_signals(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


if __name__ == "__main__":
    cli.run(main, __doc__)
