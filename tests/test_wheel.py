"""A wheel built from the tree, installed and run in an environment of its own."""

import os
import pathlib
import site
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


def _run(*command, folder):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of an environment with the wheel; its dependencies are this environment's."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    # Built from what git has, since setuptools would leave its own folders in the tree.
    tree = folder / "tree"
    tree.mkdir()
    files = _run("git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z", folder=ROOT)
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((ROOT / name).read_bytes())
    _run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, tree, folder=folder)
    (wheel,) = folder.glob("opec_tf-*.whl")
    _run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", folder=folder)
    python = folder / "venv" / "bin" / "python"
    packages = pathlib.Path(_run(python, "-c", "import site; print(site.getsitepackages()[0])", folder=folder).strip())
    _run(*pip, "install", "--no-deps", "--target", packages, wheel, folder=folder)
    # A line of a .pth file adds a folder without what its own .pth files name: without the tree installed there.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    return python


@pytest.mark.slow
def test_commands_and_all_modules_start(python, tmp_path):
    assert "python -m opec_tf.train " in _run(python, "-m", "opec_tf", folder=tmp_path)
    assert "--target:" in _run(python, "-m", "opec_tf.client", "--help", folder=tmp_path)
    assert "--workdir:" in _run(python, "-m", "opec_tf.train", "--help", folder=tmp_path)
    code = """
import importlib, pkgutil, opec_tf
from opec_tf.__main__ import commands
for module in pkgutil.walk_packages(opec_tf.__path__, "opec_tf."):
    if module.name.partition(".")[2] not in commands():  # flags of several commands have the same names
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name not in ("apache_beam", "torch"):  # of extras
                raise
print(opec_tf.__file__)
"""
    assert _run(python, "-c", code, folder=tmp_path).strip().startswith(str(python.parents[1]))


@pytest.mark.slow
def test_it_holds_what_the_package_reads(python, tmp_path):
    """Couples are drawn by processes that the package starts, from its own folder."""
    output = _run(
        *(python, "-m", "opec_tf.prepare_data", "synthetic", "--output_dir=couples", "--couples=10"),
        *("--image_size=64",),
        folder=tmp_path,
    )
    splits = ("train", "val", "test")
    assert "people in" in output
    assert sum(len(list((tmp_path / "couples" / split).rglob("*.jpg"))) for split in splits) == 10
    held = {path.relative_to(ROOT / "opec_tf") for path in (ROOT / "opec_tf").rglob("*") if _is_content(path)}
    package = next(python.parents[1].rglob("opec_tf/__init__.py")).parent
    assert held == {path.relative_to(package) for path in package.rglob("*") if _is_content(path)}


def _is_content(path):
    return path.is_file() and "__pycache__" not in path.parts
