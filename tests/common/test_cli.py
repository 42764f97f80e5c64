"""Exit statuses and messages of a command-line tool, seen from outside, in processes of their own."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

TOOL = '''"""Says what it was told.

python tool.py --text=hello
"""

import time

from absl import flags as absl_flags

from opec_tf.common import cli, flags
from opec_tf.config import TrainConfig
from opec_tf.common.errors import UserError

flags.define(TrainConfig)
absl_flags.DEFINE_string("text", None, "what to say", required=True)


def main():
    text, seed = absl_flags.FLAGS.text, flags.read(TrainConfig).seed
    if text == "broken file":
        raise UserError("photo.jpg: is cut short;\\n  copy it anew")
    if text == "bug":
        raise ZeroDivisionError("a bug")
    print(text, seed, flush=True)
    if text == "wait":
        time.sleep(60)


if __name__ == "__main__":
    cli.run(main, __doc__, resumes=RESUMES)
'''


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """Start of a command line that runs the tool."""
    path = tmp_path_factory.mktemp("tool") / "tool.py"
    path.write_text(TOOL.replace("RESUMES", "True"))
    return [sys.executable, str(path)]


def _run(command, *arguments):
    return subprocess.run(
        [*command, *arguments], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60
    )


def test_success_is_status_0(command):
    done = _run(command, "--text=hello", "--seed=3")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello 3\n", "")


def test_a_users_error_is_one_line_and_status_1(command):
    done = _run(command, "--text=broken file")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: photo.jpg: is cut short; copy it anew\n"


def test_a_setting_out_of_bounds_is_one_line_and_status_1(command):
    done = _run(command, "--text=hello", "--seed=-1")
    assert (done.returncode, done.stderr) == (1, "error: --seed=-1 must be 0 or more\n")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--text=hello", "--batchsize=1"], "Unknown command line flag 'batchsize'. Did you mean: batch_size ?"),
        (["--text=hello", "--seed=one"], "flag --seed=one: invalid literal for int() with base 10: 'one'"),
        (["--text=hello", "more"], "unexpected argument 'more'; flags are written --name=value (--help lists them)"),
        ([], "flag --text=None: Flag --text must have a value other than None."),
        (
            ["--flagfile=no_such.flags"],
            "ERROR:: Unable to open flagfile: [Errno 2] No such file or directory: 'no_such.flags'",
        ),
    ],
    ids=["unknown flag", "wrong type", "stray argument", "missing flag", "missing flagfile"],
)
def test_wrong_usage_is_one_line_and_status_2(command, arguments, message):
    done = _run(command, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {message}\n")


def test_sub_commands(tmp_path):
    path = tmp_path / "tool.py"
    path.write_text(
        "from opec_tf.common import cli\n"
        "if __name__ == '__main__':\n"
        "    cli.run(lambda command: print('done', command), 'Two things.', commands=('make', 'mend'))\n"
    )
    command = [sys.executable, str(path)]
    done = _run(command, "mend")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done mend\n", "")
    for arguments in ([], ["break"]):
        done = _run(command, *arguments)
        assert (done.returncode, done.stderr) == (2, "error: name what to do: make, mend (--help shows how)\n")
    done = _run(command, "make", "more")
    assert done.returncode == 2 and done.stderr.startswith("error: unexpected argument 'more'")


def test_help_shows_the_docstring_and_every_flag_and_is_status_0(command):
    done = _run(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Says what it was told.\n\npython tool.py --text=hello\n")
    for name in ("--text:", "--learning_rate:", "--[no]freeze_base:", "--pose_loss_weights:"):
        assert name in done.stdout


def test_a_bug_shows_its_traceback(command):
    done = _run(command, "--text=bug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr and done.stderr.endswith("ZeroDivisionError: a bug\n")


@pytest.mark.parametrize("resumes", [True, False])
def test_an_interrupt_is_one_line_and_status_130(tmp_path, resumes):
    (tmp_path / "tool.py").write_text(TOOL.replace("RESUMES", str(resumes)))
    command = [sys.executable, str(tmp_path / "tool.py")]
    process = subprocess.Popen(
        [*command, "--text=wait"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "wait 0\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    advice = "; run the same command again to go on" if resumes else ""
    assert (process.returncode, stderr) == (130, f"error: interrupted{advice}\n")
