"""The Makefile: what makes the virtual environment where no Python of the right version is found, and its list."""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture
def make(tmp_path):
    """Runs make in a folder with the packaging files alone, with PYTHONS as the Pythons to look for."""
    for name in ("Makefile", "setup.cfg", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)

    outside_make = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}

    def run(target, pythons, path=os.environ["PATH"]):
        command = ["make", "--no-print-directory", target, f"PYTHONS={pythons}"]
        return subprocess.run(
            command, cwd=tmp_path, env={**outside_make, "PATH": path}, capture_output=True, text=True, check=False
        )

    return run


def test_uv_stands_in_for_a_python_that_is_not_there(make, tmp_path):
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text('#!/bin/bash\necho "uv $*"; [ "$1" = --version ]\n')  # fails where it is to make something
    uv.chmod(0o755)
    done = make("install", "no-such-python", f"{uv.parent}:{os.environ['PATH']}")
    assert done.returncode != 0 and "uv venv --clear --seed --python 3.11 .venv\n" in done.stdout


def test_without_either_it_says_what_to_do(make):
    if shutil.which("uv"):
        pytest.skip("uv is here")
    done = make("install", "no-such-python")
    assert "error: no Python 3.9, 3.10 or 3.11 found; install one, name it (make PYTHONS=" in done.stderr


def test_help_lists_every_target(make):
    listed = [line.split()[1] for line in make("help", "").stdout.splitlines()]
    phony = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY:"))
    assert sorted(listed) == sorted(phony.split()[1:])
