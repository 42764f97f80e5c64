"""How far long work has come: one updating line on a terminal, a line now and then in a log."""

import sys
import time

# Seconds between two reports: on a terminal the eye is the limit, in a log its length.
_TERMINAL_INTERVAL = 0.2
_LOG_INTERVAL = 15.0


class Progress:
    """Reports to stderr how much is done, the rate and the time left.

    Args:
      label: what is being done, e.g. "estimating poses".
      unit: what is counted, in the plural, e.g. "people".
      total: how many there will be; 0 where nobody knows.
      enabled: False reports nothing.
    """

    def __init__(self, label, unit, total=0, enabled=True):
        self.label, self.unit, self.total, self.enabled = label, unit, total, enabled
        self.done = self._told = 0
        self._terminal = sys.stderr.isatty()
        self._start = self._reported = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.enabled and self.done and (self._terminal or self._told < self.done):
            print(self._line(time.monotonic()), file=sys.stderr, flush=True)

    def advance(self, count):
        """Counts ``count`` more as done."""
        self.done += count
        now = time.monotonic()
        if self.enabled and now - self._reported >= (_TERMINAL_INTERVAL if self._terminal else _LOG_INTERVAL):
            self._reported, self._told = now, self.done
            print(self._line(now), end="" if self._terminal else "\n", file=sys.stderr, flush=True)

    def _line(self, now):
        elapsed = max(now - self._start, 1e-6)
        rate = self.done / elapsed
        of_total = f" of {self.total}" if self.total else ""
        left = (
            f", {_duration((self.total - self.done) / rate)} left"
            if self.total > self.done
            else f" in {_duration(elapsed)}"
        )
        line = f"{self.label}: {self.done}{of_total} {self.unit}, {rate:.3g} a second{left}"
        # Back to the start of the line and, after the text, clear what a longer one left.
        return f"\r{line}\033[K" if self._terminal else line


def _duration(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}" if minutes >= 60 else f"{minutes}:{seconds:02d}"
