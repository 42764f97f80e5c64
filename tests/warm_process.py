"""Processes of their own that have TensorFlow loaded when they start, since importing it takes seconds.

They are forked off a process that has imported the package and run nothing, one for all tests of a pytest worker.
"""

import multiprocessing
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile
import warnings

FORKS = multiprocessing.get_context("forkserver")
# Not the commands, whose flags have the same names.
FORKS.set_forkserver_preload(
    ["opec_tf.training.loop", "opec_tf.study.runs", "opec_tf.serving.exporting", "opec_tf.serving.model_server.server"]
)


def start(function, *arguments, stdout, stderr):
    """Starts a process that calls a function of a module and ends as Python's do; returns it.

    Args:
      stdout: path of a file, to which it adds, or of a FIFO, where somebody reads it meanwhile.
      stderr: likewise.
    """
    process = FORKS.Process(target=_call, args=(str(stdout), str(stderr), function, arguments), daemon=True)
    process.start()
    return process


def run(function, *arguments):
    """Runs such a process to its end; returns the ``subprocess.CompletedProcess``."""
    with tempfile.TemporaryDirectory() as folder:
        stdout, stderr = (pathlib.Path(folder, name) for name in ("stdout", "stderr"))
        process = start(function, *arguments, stdout=stdout, stderr=stderr)
        process.join()
        return subprocess.CompletedProcess(arguments, process.exitcode, stdout.read_text(), stderr.read_text())


def tool(name, *arguments):
    """What ``python -W ignore -m opec_tf.NAME ARGUMENTS`` does, for ``start`` and ``run``."""
    module(f"opec_tf.{name}", *arguments)


def module(name, *arguments):
    """What ``python -W ignore -m NAME ARGUMENTS`` does, for ``start`` and ``run``."""
    sys.argv = [name, *map(str, arguments)]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def code(text, *arguments):
    """What ``python -W ignore -c TEXT ARGUMENTS`` does, for ``start`` and ``run``."""
    sys.argv = ["-c", *map(str, arguments)]
    exec(compile(text, "<string>", "exec"), {"__name__": "__main__"})


def _call(stdout, stderr, function, arguments):
    for path, stream in ((stdout, sys.stdout), (stderr, sys.stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666), stream.fileno())
    warnings.simplefilter("ignore")
    sys.warnoptions = ["ignore"]
    function(*arguments)
