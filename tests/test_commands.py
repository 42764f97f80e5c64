"""The list of commands, and what every command has in common."""

import ast
import pathlib
import subprocess
import sys

import pytest

from opec_tf import __main__ as listing

PACKAGE = pathlib.Path(listing.__file__).parent


def test_the_package_lists_its_commands_without_tensorflow():
    code = "import runpy, sys; runpy.run_module('opec_tf', run_name='__main__'); assert 'tensorflow' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "python -m opec_tf.COMMAND --help shows what a command takes."
    train = next(line for line in lines if line.startswith("python -m opec_tf.train "))
    assert train.split("  ")[-1].strip().startswith("Trains OPEC-Net")


def test_every_command_is_listed_with_its_purpose():
    found = listing.commands()
    assert {"train", "evaluate", "predict", "serve", "client"} < set(found) and "config" not in found
    assert all(purpose.endswith((".", ":")) for purpose in found.values()), found


def test_every_command_sets_up_the_environment_before_tensorflow():
    """``cli`` sets what TensorFlow reads when it is imported, so that it comes before what may import it."""
    for name in listing.commands():
        tree = ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))
        modules = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
        first = next(i for i, node in enumerate(modules) if "cli" in [alias.name for alias in node.names])
        before = [node.module for node in modules[:first] if node.module.startswith(("opec_tf", "tensorflow", "keras"))]
        assert all(module.startswith("opec_tf.common") for module in before), name


@pytest.mark.parametrize("argument, status", [("--help", 0), ("--no_such_flag=1", 2)])
@pytest.mark.parametrize("name", listing.commands())
def test_help_and_wrong_usage_do_not_wait_for_tensorflow(name, argument, status):
    """``-X importtime`` writes a line to stderr for every module that is imported."""
    command = [sys.executable, "-X", "importtime", "-m", f"opec_tf.{name}", argument]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert done.returncode == status, done.stderr[-1000:]
    assert "absl.flags" in imported and not {"tensorflow", "keras", "tensorflow_addons"} & imported
    assert f"python -m opec_tf.{name}" in done.stdout if status == 0 else "error: Unknown command" in done.stderr
