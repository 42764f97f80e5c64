"""What libraries' native code says on its own account, past Python's logging."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """A block in which native code writes nothing to stderr, as Python's code still does.

    Only where TensorFlow's own native log is off, as commands have it without --verbosity. TFLite and its converter do
    not ask what that log is set to.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "3":
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.dup(kept), "w", encoding="utf-8") as of_python, open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            with contextlib.redirect_stderr(of_python):
                yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
