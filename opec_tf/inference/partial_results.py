"""A file that keeps what a prediction has found so far, so that one that was broken off goes on where it stopped."""

from __future__ import annotations

import dataclasses
import logging
import pathlib
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

from opec_tf.common import files
from opec_tf.common.errors import UserError

# Seconds of work that a killed process may lose.
_KEEP_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Done:
    """What is done of a source.

    Attributes:
      frames: how many of its frames, from the first on.
      skipped: paths of those of them that could not be read.
      results: COCO results of the others.
    """

    frames: int = 0
    skipped: tuple[str, ...] = ()
    results: tuple[dict[str, Any], ...] = ()


class PartialResults:
    """A block of work whose results are written to a file now and then, and at its end where it fails.

    The next block of the same file begins with what that has. The file is gone where a block succeeds. It is a JSON
    object of "frames", "skipped", "predictions" and "made_by".

    Args:
      path: the file, whose folder exists.
      made_by: all that the results depend on, a dict of strings.
      goes_on: whether to begin with what the file has.

    Attributes:
      done: what the file has, and what was added.

    Raises:
      UserError: the file is of results that were made otherwise, or damaged.
    """

    def __init__(self, path: pathlib.Path, made_by: dict[str, str], goes_on: bool = True) -> None:
        self.path, self._made_by, self._goes_on = path, made_by, goes_on
        self.done = self._read() if goes_on and path.exists() else Done()

    def __enter__(self) -> PartialResults:
        self._written = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.path.unlink(missing_ok=True)
        elif self.done.frames:
            self._write()
            logging.getLogger(__name__).warning(
                "%s has the %d people found so far%s",
                self.path,
                len(self.done.results),
                "; the same command goes on from there" if self._goes_on else "",
            )

    def add(self, results: Iterable[dict[str, Any]], frames: int, skipped: Sequence[str]) -> None:
        """Takes the COCO results of some more frames, with which ``frames`` are done, and all skipped paths."""
        # One assignment, so that a signal finds the whole as it was or as it is now.
        self.done = Done(frames, tuple(skipped), (*self.done.results, *results))
        if time.monotonic() - self._written >= _KEEP_SECONDS:
            self._write()
            self._written = time.monotonic()

    def _write(self) -> None:
        done = self.done
        kept = {"frames": done.frames, "skipped": done.skipped, "predictions": done.results}
        files.write_json(self.path, {"made_by": self._made_by, **kept})

    def _read(self) -> Done:
        kept, advice = files.read_json(self.path), "remove it, or choose another --output_dir"
        try:
            done = Done(int(kept["frames"]), tuple(kept["skipped"]), tuple(kept["predictions"]))
            begun_with = dict(kept["made_by"])
        except (TypeError, KeyError, ValueError) as error:
            raise UserError(f"{self.path}: does not hold predictions that were broken off; {advice}") from error
        names = {**begun_with, **self._made_by}
        differing = [
            f"{name}={begun_with.get(name)} (now {self._made_by.get(name)})"
            for name in names
            if begun_with.get(name) != self._made_by.get(name)
        ]
        if differing:
            raise UserError(f"{self.path}: was begun with {', '.join(differing)}; {advice}, or take these settings")
        logging.getLogger(__name__).warning(
            "%s: going on behind the first %d frames; remove it to begin anew", self.path, done.frames
        )
        return done
