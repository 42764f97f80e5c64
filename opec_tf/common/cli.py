"""What every command-line tool shares: --help, one-line warnings and errors, exit statuses.

Statuses: 0 done (or help shown), 1 an error the user can mend, 2 wrong usage, 130 interrupted, 141 nobody reads the
output any more. A bug shows its traceback, with status 1. What the libraries say beside that is for --verbosity only.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import select
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NoReturn

from absl import app, flags, logging as absl_logging

from opec_tf.common import flags as tool_flags
from opec_tf.common.errors import UserError
from opec_tf.common.limits import MAX_PIXELS

# WebP, TIFF and what is drawn is decoded by OpenCV, which has a bound of its own, of a thousand million.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))
# TensorFlow's native code reports, as errors, that CUDA's libraries are registered twice, on every start and
# everywhere; OpenCV and FFmpeg name every damaged byte of a video, gRPC every failed handshake. What goes wrong in
# earnest comes as a Python exception, or is found by the tool, which names the file. They read the variables when they
# are first imported or used, which in a command is after this module.
_QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "OPENCV_LOG_LEVEL": "SILENT",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "GRPC_VERBOSITY": "NONE",
}
_VERBOSITY = re.compile(r"--?(verbosity|v)(=.*)?")
if not any(map(_VERBOSITY.fullmatch, sys.argv[1:])):
    for _name, _value in _QUIET.items():
        os.environ.setdefault(_name, _value)

# TensorFlow has oneDNN's kernels and leaves them off on processors without AVX-512 VNNI, where they take as little as
# half the time of its own all the same.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# The loggers of the package, and of a command's own module.
_OWN_LOGGERS = ("opec_tf", "__main__")
_NOT_READ = 141  # what a shell makes of a program that SIGPIPE ends
_HELP = ("--help", "-help", "-h", "-?", "--helpshort", "-helpshort")
_MISSING = re.compile(r"Flag --(\w+) must have a value other than None")


def run(
    main: Callable[..., None],
    module_doc: str | None,
    commands: Mapping[str, Sequence[str]] | None = None,
    resumes: bool = False,
    first: Sequence[str] = (),
) -> None:
    """Parses the flags, runs ``main()`` and exits; a ``UserError`` and wrong usage print one line to stderr.

    Args:
      main: function without arguments, or of the sub-command's name where the tool has ``commands``.
      module_doc: the tool's module docstring, shown by --help; the command line in it is the example of its use.
      commands: sub-commands, of which the command line must give one: name -> the flags that it cannot do without.
      resumes: whether an interrupted tool goes on where it was when it is called again.
      first: names of the flags that --help shows first; by default all that are of no config.
    """
    sys.modules["__main__"].__doc__ = module_doc
    commands = commands or {}

    def parse(argv: list[str]) -> list[str]:
        if any(argument in _HELP for argument in argv[1:]):
            with _while_read():
                print(f"{(module_doc or '').strip()}\n\n{tool_flags.help_text(first)}")
            sys.exit(0)
        try:
            rest = flags.FLAGS(argv)
        except (flags.Error, OSError, UnicodeDecodeError) as error:
            missing = _MISSING.findall(str(error))
            _fail(_say_missing(missing, module_doc or "", argv, commands) if missing else error, 2)
        except SystemExit:
            sys.exit(0)  # --helpfull was shown; absl gives it status 1, which a script would take for a failure
        if commands and (len(rest) < 2 or rest[1] not in commands):
            _fail(f"name what to do: {', '.join(commands)} (--help shows how)", 2)
        if len(rest) > bool(commands) + 1:
            extra = rest[bool(commands) + 1]
            _fail(f"unexpected argument {extra!r}; flags are written --name=value (--help lists them)", 2)
        missing = [name for name in (commands[rest[1]] if commands else ()) if not flags.FLAGS[name].value]
        if missing:
            _fail(_say_missing(missing, module_doc or "", argv, commands), 2)
        return rest

    def guarded(argv: list[str]) -> None:
        _set_up_logging()
        try:
            with _while_read():
                main(*argv[1:])
        except UserError as error:
            _fail(error, 1)
        except KeyboardInterrupt:
            _fail("interrupted" + resumes * "; run the same command again to go on", 130)

    app.run(guarded, flags_parser=parse)


def _say_missing(missing: Sequence[str], module_doc: str, argv: Sequence[str], commands: Iterable[str]) -> str:
    """What is missing, with the example of the docstring, of several that of the sub-command."""
    named = " and ".join(f"--{name}" for name in dict.fromkeys(missing))
    message = f"{named} {'is' if len(set(missing)) == 1 else 'are'} missing"
    lines = re.sub(r"\\\n\s*", "", module_doc).splitlines()
    examples = [line.strip() for line in lines if line.strip().startswith("python ")]
    asked = set(argv[1:]).intersection(commands)
    fitting = [example for example in examples if not asked or asked & set(example.split())]
    return f"{message}; for example: {fitting[0]}" if fitting else f"{message} (--help lists the flags)"


class _Lines(absl_logging.PythonFormatter):
    """The package's own records as one plain line each, others' as absl writes them."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record."""
        if record.name.split(".")[0] not in _OWN_LOGGERS:
            return super().format(record)
        line = " ".join(record.getMessage().split())
        if record.levelno >= logging.WARNING:
            line = f"{record.levelname.lower()}: {line}"
        return line if not record.exc_info else f"{line}\n{self.formatException(record.exc_info)}"


def _set_up_logging() -> None:
    absl_logging.get_absl_handler().setFormatter(_Lines())
    if flags.FLAGS["verbosity"].present:
        return
    # TensorFlow's news of saving, loading and tracing are not the tool's. By absl's own function, which also sets the
    # root's level: while TensorFlow saves a model it sets what absl remembers anew.
    absl_logging.set_verbosity(absl_logging.ERROR)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    for name in _OWN_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


@contextlib.contextmanager
def _while_read() -> Iterator[None]:
    """A block that prints; where who reads that has gone, as ``head`` goes, the tool ends and says nothing of it."""
    try:
        yield
        print(end="", flush=True)
    except BrokenPipeError:
        output = select.poll()
        output.register(sys.stdout, 0)
        if not any(event & select.POLLERR for _, event in output.poll(0)):
            raise  # another pipe
        # What Python writes at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_NOT_READ)


def _fail(message: object, status: int) -> NoReturn:
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr)
    sys.exit(status)
