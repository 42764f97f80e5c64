"""How far long work has come: tqdm's line on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import sys

import tqdm

# Seconds between two reports: on a terminal the eye is the limit, in a log its length.
_TERMINAL_INTERVAL = 0.2
_LOG_INTERVAL = 15.0


class Progress(tqdm.tqdm):
    """tqdm on stderr; where that is no terminal, without bar and carriage returns.

    Args:
      label: what is being done, e.g. "estimating poses".
      unit: what is counted, in the plural, e.g. "people".
      total: how many there will be; 0 where nobody knows.
      enabled: False reports nothing.
    """

    # No thread that watches over reports: miniters=1 leaves it nothing to do.
    monitor_interval = 0

    def __init__(self, label: str, unit: str, total: int = 0, enabled: bool = True) -> None:
        terminal = sys.stderr.isatty()
        super().__init__(
            desc=label,
            unit=f" {unit}",
            total=total or None,
            disable=not enabled,
            file=None if terminal else _Log(),
            mininterval=_TERMINAL_INTERVAL if terminal else _LOG_INTERVAL,
            miniters=1,
            ncols=None if terminal else 0,
            dynamic_ncols=terminal,
        )


class _Log:
    """stderr for tqdm: each of its rewritten lines is a line of its own; a count that was said is not said again."""

    def __init__(self) -> None:
        self._said = ""

    def write(self, text: str) -> None:
        """Writes what tqdm wants to stand in its line."""
        line = text.strip()
        count = line.partition("[")[0]  # in brackets follow times and rate
        if count != self._said and line:
            self._said = count
            print(line, file=sys.stderr, flush=True)

    def flush(self) -> None:
        """Nothing is held back."""
