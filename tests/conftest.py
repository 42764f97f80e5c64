"""What all tests share: a quiet TensorFlow, and the folder of real annotated images where a checkout has one."""

import os
import pathlib

import pytest

# Read when TensorFlow is first imported, by a test module or by a command-line tool that a test starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the commands have it, whose numbers some tests compare with


@pytest.fixture(scope="session")
def real_samples():
    """Folder of a few real images and annotation files beside the project; the test is skipped where it is absent."""
    return _shared("real_samples")


@pytest.fixture(scope="session")
def real_people():
    """Folder of some thousand real people with masks beside the project; the test is skipped where it is absent."""
    return _shared("real_people")


def _shared(name):
    folder = pathlib.Path(__file__).resolve().parents[2] / "shared" / name
    if not folder.is_dir():
        pytest.skip(f"needs {folder}")
    return folder


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The workdir of a tiny OPEC-Net, untrained, both stages finished; tests only read it."""
    import tiny_run

    root = tmp_path_factory.mktemp("run")
    tiny_run.make(root)
    return root


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """(workdir, model's folder with version 1) of a tiny OPEC-Net; tests only read it."""
    import serving_run

    return serving_run.make(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="session")
def server(exported):
    """A running ``ModelServer`` of ``exported``, without batching."""
    from opec_tf.serving.model_server.server import ModelServer

    with ModelServer(exported[1]) as server:
        yield server


@pytest.fixture
def cold(monkeypatch):
    """Model servers that the test starts load their model without warmup, which takes most of the time."""
    from opec_tf.serving.model_server.versions import LoadedVersion

    monkeypatch.setattr(LoadedVersion, "replay", lambda *_: None)
