"""What every command-line tool shares: one-line errors and exit statuses.

Statuses: 0 done (or help shown), 1 an error the user can mend, 2 wrong usage, 130 interrupted. A bug shows its
traceback, with status 1.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from absl import app, flags

from opec_tf.common.errors import UserError

# TensorFlow 2.15's native code reports, as errors, that CUDA's libraries are registered twice, on every start and
# everywhere. What goes wrong in earnest comes as a Python exception. It reads the variable when it is first imported,
# which in a command is after this module; set it to 0 to see all of it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def run(main: Callable[..., None], module_doc: str | None, commands: Sequence[str] = (), resumes: bool = False) -> None:
    """Parses the flags, runs ``main()`` and exits; a ``UserError`` and wrong usage print one line to stderr.

    Args:
      main: function without arguments, or of the sub-command's name where the tool has ``commands``.
      module_doc: the tool's module docstring, shown by --help.
      commands: names of sub-commands, of which the command line must give one.
      resumes: whether an interrupted tool goes on where it was when it is called again.
    """
    sys.modules["__main__"].__doc__ = module_doc

    def parse(argv: list[str]) -> list[str]:
        try:
            rest = flags.FLAGS(argv)
        except (flags.Error, OSError, UnicodeDecodeError) as error:
            _fail(error, 2)
        except SystemExit:
            sys.exit(0)  # --help was shown; absl gives it status 1, which a script would take for a failure
        if commands and rest[1:2] not in [[command] for command in commands]:
            _fail(f"name what to do: {', '.join(commands)} (--help shows how)", 2)
        if len(rest) > bool(commands) + 1:
            extra = rest[bool(commands) + 1]
            _fail(f"unexpected argument {extra!r}; flags are written --name=value (--help lists them)", 2)
        return rest

    def guarded(argv: list[str]) -> None:
        if not flags.FLAGS["verbosity"].present:
            # TensorFlow's news of saving and loading is not the tool's.
            for name in ("", "tensorflow"):
                logging.getLogger(name).setLevel(logging.WARNING)
        try:
            main(*argv[1:])
        except UserError as error:
            _fail(error, 1)
        except KeyboardInterrupt:
            _fail("interrupted" + resumes * "; run the same command again to go on", 130)

    app.run(guarded, flags_parser=parse)


def _fail(message: object, status: int) -> NoReturn:
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr)
    sys.exit(status)
