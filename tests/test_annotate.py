"""The command that serves the annotation page: what it says of wrong usage, before TensorFlow starts."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
RIGHT = {"images": "frames", "output_dir": "made", "annotator": "anna"}

# Each: what is changed of right flags, and what is said of it.
WRONG = {
    "annotator": ({"annotator": "an/na"}, 1, "--annotator: 'an/na' cannot name an annotator"),
    "no token": ({"host": "0.0.0.0"}, 1, "--host=0.0.0.0: other machines reach it; give --token=new"),
    "a short token": ({"token": "abc"}, 1, "--token: has 3 characters; give 12 or more"),
    "skeleton": ({"skeleton": "hand21"}, 2, "flag --skeleton=hand21"),
    "port": ({"port": "70000"}, 2, "flag --port=70000"),
}


def _run(flags, folder, without=()):
    """(status, error output) of the command, with some modules as if they were not installed, TensorFlow among them."""
    code = f"import runpy, sys; sys.modules.update(dict.fromkeys({['tensorflow', *without]})); "
    code += f"sys.argv = {['annotate', *(f'--{name}={value}' for name, value in flags.items())]}; "
    code += f"sys.path.insert(0, {str(ROOT)!r}); runpy.run_module('opec_tf.annotate', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("fault", WRONG)
def test_wrong_usage_is_one_line(fault, tmp_path):
    changes, status, message = WRONG[fault]
    found, said = _run({**RIGHT, **changes}, tmp_path)
    assert found == status and said.startswith("error: ") and message in said and said.count("\n") == 1, said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", [["flask"], ["waitress"]])
def test_without_the_extra_it_says_what_to_install(missing, tmp_path):
    assert _run(RIGHT, tmp_path, missing) == (1, f"error: {missing[0]} not installed: pip install opec_tf[annotate]\n")
