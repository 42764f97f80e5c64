"""Two sides of a comparison, measured in turn: A B A B, each in a process that sleeps while the other works."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence

import numpy as np

from opec_tf.common.errors import UserError

_SIDE = "opec_tf.study.peers.side"


class Player:
    """A process of ``side.py`` with its work prepared; between its turns it is stopped, so that it takes nothing.

    Args:
      module: see ``side.py``.
      job: JSON object for its ``prepare``.
      cores: processors that it may run on; none: all.
    """

    def __init__(self, module: str, job: dict, cores: Sequence[int] = ()) -> None:
        self._module = module
        package_root = str(pathlib.Path(__file__).resolve().parents[3])
        paths = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._said = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")
        self._process = subprocess.Popen(
            [sys.executable, "-m", _SIDE, module, ",".join(map(str, cores))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        with contextlib.ExitStack() as unless_ready:
            unless_ready.callback(self.close)
            self._ask(job)
            unless_ready.pop_all()
        self._signal(signal.SIGSTOP)

    def round(self, seconds: float) -> tuple[float, int]:
        """A turn of some seconds: (seconds of a step, number of steps)."""
        self._signal(signal.SIGCONT)
        answer = self._ask(seconds)
        self._signal(signal.SIGSTOP)
        return answer["seconds_per_step"], int(answer["steps"])

    def close(self) -> None:
        """Ends the process and its workers."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            own_group = os.getpgid(self._process.pid) == self._process.pid
            self._signal(signal.SIGKILL) if own_group else self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            assert stream is not None  # they are pipes
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def _signal(self, number: signal.Signals) -> None:
        os.killpg(self._process.pid, number)

    def _ask(self, question: object) -> dict:
        assert self._process.stdin and self._process.stdout  # they are pipes
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"{self._module}: its process ended with status {self._process.wait()}: {self._last()}")
        answer = json.loads(line)
        if "error" in answer:
            raise UserError(answer["error"])
        return answer

    def _last(self) -> str:
        """The end of what it said on stderr."""
        self._said.seek(0)
        return "\n".join(self._said.read().splitlines()[-20:])


@contextlib.contextmanager
def two_sides(modules: tuple[str, str], job: dict, cores: Sequence[int] = ()) -> Iterator[tuple[Player, Player]]:
    """The players of two modules, prepared one after the other for the same job."""
    with contextlib.ExitStack() as stack:
        players = []
        for module in modules:
            players.append(Player(module, job, cores))
            stack.callback(players[-1].close)
        yield players[0], players[1]


def measure(ours: Player, peer: Player, pairs: int, seconds: float) -> dict[str, object]:
    """Lets two players take turns.

    Args:
      pairs: turns of each.
      seconds: length of a turn; longer where one step is.

    Returns:
      What ``summarize`` gives.
    """
    return summarize([(*ours.round(seconds), *peer.round(seconds)) for _ in range(pairs)])


def summarize(rounds: Sequence[tuple[float, int, float, int]]) -> dict[str, object]:
    """Pairs of rounds, (seconds of our step, our steps, seconds of the peer's step, its steps) each, as numbers.

    Returns:
      ours_s and peer_s, medians of a step's seconds; ratio, the median of ours over the peer's pair by pair, with its
      quartiles ratio_low and ratio_high; and rounds, what all this is made of.
    """
    table = np.array(rounds, np.float64)
    low, middle, high = np.quantile(table[:, 0] / table[:, 2], [0.25, 0.5, 0.75])
    return {
        "ours_s": float(np.median(table[:, 0])),
        "peer_s": float(np.median(table[:, 2])),
        "ratio": float(middle),
        "ratio_low": float(low),
        "ratio_high": float(high),
        "rounds": [list(pair) for pair in rounds],
    }
