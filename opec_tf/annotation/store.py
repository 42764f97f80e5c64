"""One annotator's files as the server keeps them: saved one after the other, never over what somebody has not seen."""

from __future__ import annotations

import dataclasses
import fcntl
import logging
import os
import pathlib
import threading

from opec_tf.annotation import records
from opec_tf.annotation.records import Annotation
from opec_tf.common import files
from opec_tf.common.errors import UserError

NEW, BEGUN, DONE, UNREADABLE = "new", "begun", "done", "unreadable"


class StaleError(UserError):
    """What is to be saved was made from an older state than the file's."""


class Store:
    """The files of one annotator.

    Args:
      folder: of all annotators.
      annotator: whose files.

    Raises:
      UserError: the folder cannot be written, or another process serves this annotator's files.
    """

    def __init__(self, folder: os.PathLike[str] | str, annotator: str) -> None:
        self.folder, self.annotator = pathlib.Path(folder), records.check_annotator(annotator)
        self._home = files.make_folder(self.folder / annotator)
        self._lock_home()
        for place, _, _ in os.walk(self._home):
            files.remove_partial(place)
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._statuses: dict[str, tuple[int, str]] = {}

    def close(self) -> None:
        """Lets another process serve the files."""
        os.close(self._descriptor)

    def load(self, picture: str) -> Annotation | None:
        """What was saved of a picture; None where nothing was.

        Raises:
          UserError: the file is damaged.
        """
        if not records.path_of(self.folder, self.annotator, picture).exists():
            return None
        return records.read(self.folder, self.annotator, picture)

    def save(self, annotation: Annotation) -> Annotation:
        """Saves an annotation that was made from the state of its ``revision``; returns it with the next one.

        Raises:
          StaleError: another state was saved meanwhile; it stays.
          UserError: the file on the disk is damaged, which stays too, or cannot be written.
        """
        with self._lock_of(annotation.picture):
            kept = self.load(annotation.picture)
            revision = kept.revision if kept else 0
            if revision != annotation.revision:
                raise StaleError(
                    f"{annotation.picture}: was saved elsewhere meanwhile, in another tab or browser (it is at "
                    f"revision {revision}, this page at {annotation.revision}); nothing was overwritten"
                )
            saved = dataclasses.replace(annotation, revision=revision + 1)
            records.write(self.folder, saved)
            return saved

    def status(self, picture: str) -> str:
        """How far a picture has come: NEW, BEGUN, DONE or UNREADABLE."""
        try:
            changed = records.path_of(self.folder, self.annotator, picture).stat().st_mtime_ns
        except OSError:
            return NEW
        known = self._statuses.get(picture)
        if known is None or known[0] != changed:
            known = self._statuses[picture] = changed, self._read_status(picture)
        return known[1]

    def queued(self) -> dict[str, str]:
        """The pictures that this annotator should look at once more or as a third one: picture -> reason.

        One that was saved as done after the queue was written needs no further look.

        Raises:
          UserError: the queue's file is damaged.
        """
        waiting = {entry.picture: entry.reason for entry in records.read_queue(self.folder)}
        if not waiting:
            return {}
        written = (self.folder / records.QUEUE).stat().st_mtime_ns
        return {
            picture: reason
            for picture, reason in waiting.items()
            if self.status(picture) != DONE or self._statuses[picture][0] < written
        }

    def _lock_of(self, picture: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(picture, threading.Lock())

    def _read_status(self, picture: str) -> str:
        try:
            annotation = self.load(picture)
        except UserError as error:
            logging.getLogger(__name__).warning("%s", error)
            return UNREADABLE
        return NEW if annotation is None else DONE if annotation.done else BEGUN

    def _lock_home(self) -> None:
        """Holds the annotator's folder until the process ends, however it ends; a file system may not offer that."""
        self._descriptor = os.open(self._home, os.O_RDONLY)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise UserError(
                f"{self._home}: another opec_tf.annotate serves it; open its address, or give another --annotator"
            ) from error
        except OSError:
            logging.getLogger(__name__).warning("%s: cannot be locked; serve it only once", self._home)
