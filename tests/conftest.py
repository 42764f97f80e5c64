"""What all tests share: a quiet TensorFlow, and the folder of real annotated images where a checkout has one."""

import os
import pathlib

import pytest

# Read when TensorFlow is first imported, by a test module or by a command-line tool that a test starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="session")
def real_samples():
    """Folder of a few real images and annotation files beside the project; the test is skipped where it is absent."""
    folder = pathlib.Path(__file__).resolve().parents[2] / "shared" / "real_samples"
    if not folder.is_dir():
        pytest.skip(f"needs {folder}")
    return folder
