"""Exit statuses and messages of a command-line tool, seen from outside, in processes of their own."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

TOOL = '''"""Says what it was told.

python tool.py --text=hello
"""

import logging
import time
import warnings

from absl import flags as absl_flags, logging as absl_logging

from opec_tf.common import cli, flags
from opec_tf.config import TrainConfig
from opec_tf.common.errors import UserError

flags.define(TrainConfig)
absl_flags.DEFINE_string("text", None, "what to say", required=True)


def main():
    text, seed = absl_flags.FLAGS.text, flags.read(TrainConfig).seed
    if text == "broken file":
        raise UserError("photo.jpg: is cut short;\\n  copy it anew")
    if text == "much":
        for number in range(100000):
            print(number)
    if text == "a pipe of its own":
        raise BrokenPipeError
    if text == "bug":
        raise ZeroDivisionError("a bug")
    if text == "warnings":
        logging.getLogger("opec_tf.data.image_files").warning("%s: is cut\\n  short", "photo.jpg")
        logging.getLogger(__name__).warning("left out %d boxes", 3)
        logging.getLogger("opec_tf").info("nothing of interest")
        logging.getLogger("tensorflow").warning("triggered tf.function retracing")
        # As TensorFlow does it while it saves a model.
        absl_logging.set_verbosity(absl_logging.get_verbosity())
        absl_logging.info("Writing fingerprint")
        logging.getLogger("h5py").warning("converting")
        warnings.warn("a library's")
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
        ([], "--text is missing; for example: python tool.py --text=hello"),
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
        "    cli.run(lambda command: print('done', command), 'Two things.', commands={'make': (), 'mend': ()})\n"
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


def test_help_shows_what_one_needs_first_then_groups_and_switches_of_research_last(tmp_path):
    path = tmp_path / "tool.py"
    text = TOOL.replace("resumes=RESUMES", "first=('flagfile', 'text', 'batch_size')")
    path.write_text(
        text.replace("TrainConfig", "ModelConfig, DataConfig, TrainConfig").replace(
            "flags.read(ModelConfig, DataConfig, TrainConfig)", "flags.read(TrainConfig)"
        )
    )
    done = _run([sys.executable, str(path)], "--help")
    assert (done.returncode, done.stderr) == (0, "")
    places = [
        done.stdout.index(text)
        for text in (
            *("  --flagfile:", "  --text:", "  --batch_size:"),
            *("\n\ndata:\n", "  --box_margin:", "  --data_root:"),
            *("\n\nmodel:\n", "  --crop_height:", "\n\ntraining:\n", "  --base_epochs:"),
            *("\n\nresearch switches:\n", "  --[no]image_guided:", "  --oks_loss_share:"),
        )
    ]
    assert places == sorted(places) and done.stdout.count("--batch_size:") == 1


def test_warnings_are_one_plain_line_and_others_noise_is_for_verbosity(command):
    own = ["warning: photo.jpg: is cut short", "warning: left out 3 boxes"]
    quiet = _run(command, "--text=warnings")
    assert (quiet.returncode, quiet.stderr.splitlines()) == (0, own)
    loud = _run(command, "--text=warnings", "--verbosity=0")
    for line in (*own, "triggered tf.function retracing", "Writing fingerprint", "converting", "a library's"):
        assert line in loud.stderr
    assert "nothing of interest" in loud.stderr and "nothing of interest" not in quiet.stderr


def test_ffmpegs_noise_is_for_verbosity(tmp_path):
    """Of a video that is damaged in the middle FFmpeg says much; the tool names the file itself."""
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter_fourcc(*"mp4v"), 25, (64, 64))
    for frame in np.random.default_rng(0).integers(0, 256, [20, 64, 64, 3], np.uint8):
        writer.write(frame)
    writer.release()
    content = bytearray((tmp_path / "a.avi").read_bytes())
    content[len(content) // 2 :: 7] = bytes(len(content[len(content) // 2 :: 7]))
    (tmp_path / "a.avi").write_bytes(content)
    (tmp_path / "tool.py").write_text(
        "from opec_tf.common import cli\n"
        "import cv2\n"
        "def main():\n"
        f"    video = cv2.VideoCapture({str(tmp_path / 'a.avi')!r})\n"
        "    while video.read()[0]: pass\n"
        "cli.run(main, 'Reads a video.')\n"
    )
    command = [sys.executable, str(tmp_path / "tool.py")]
    assert _run(command).stderr == ""
    assert _run(command, "--verbosity=0").stderr


def test_the_example_of_what_is_missing_is_the_sub_commands(tmp_path):
    path = tmp_path / "tool.py"
    path.write_text(
        '"""Two things.\n\npython tool.py make --of=wood\npython tool.py mend --of=wood \\\\\n  --with=glue\n"""\n'
        "from absl import flags\n"
        "from opec_tf.common import cli\n"
        "for name in ('of', 'with'):\n"
        "    flags.DEFINE_string(name, None, 'what')\n"
        "cli.run(print, __doc__, commands={'make': ('of',), 'mend': ('of', 'with'), 'burn': ('of',)})\n"
    )
    for arguments, said in (
        (["make", "--with=glue"], "--of is missing; for example: python tool.py make --of=wood"),
        (["burn"], "--of is missing (--help lists the flags)"),
        (["mend"], "--of and --with are missing; for example: python tool.py mend --of=wood --with=glue"),
    ):
        done = _run([sys.executable, str(path)], *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {said}\n")
    assert _run([sys.executable, str(path)], "make", "--of=wood").stdout == "make\n"


def test_a_bug_shows_its_traceback(command):
    done = _run(command, "--text=bug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr and done.stderr.endswith("ZeroDivisionError: a bug\n")


@pytest.mark.parametrize("arguments", [["--text=much"], ["--text=hello"], ["--help"]], ids=" ".join)
def test_nothing_is_said_where_nobody_reads(command, arguments):
    """As in ``tool | head``: the reader goes, while the tool prints or before it does."""
    read, write = os.pipe()
    if arguments != ["--text=much"]:
        os.close(read)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([*command, *arguments], env=env, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    if arguments == ["--text=much"]:
        assert os.read(read, 1) == b"0"
        os.close(read)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (141, "")


def test_a_broken_pipe_that_is_not_the_outputs_is_a_bug(command):
    done = _run(command, "--text=a pipe of its own")
    assert done.returncode == 1 and done.stderr.endswith("BrokenPipeError\n")


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


@pytest.mark.parametrize("given, expected", [(None, "1"), ("0", "0")])
def test_onednn_is_on_unless_the_environment_says_otherwise(given, expected):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    env.pop("TF_ENABLE_ONEDNN_OPTS", None)
    if given is not None:
        env["TF_ENABLE_ONEDNN_OPTS"] = given
    code = "import os; from opec_tf.common import cli; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{expected}\n", done.stderr
