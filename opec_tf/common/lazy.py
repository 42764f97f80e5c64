"""Imports that wait until what they import is used, for commands: TensorFlow takes seconds to start, --help needs none.

Only modules wait, so a command imports modules (``from opec_tf.inference import pose_model``) and no names from them.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType

_PACKAGE = __name__.partition(".")[0]


@contextlib.contextmanager
def imports() -> Iterator[None]:
    """Modules of the package that the block imports are run when something in them is first asked for."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the package's modules as Python does, and lets them wait; subpackages, which hold little, do not."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The specification of a module of the package; None: others find it."""
        if fullname.partition(".")[0] != _PACKAGE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None or spec.submodule_search_locations is not None:
            return None
        spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec
