"""What all tests share: a quiet TensorFlow, and the folder of real annotated images where a checkout has one."""

import fcntl
import functools
import gc
import os
import pathlib
import signal
import sys

import pytest

# In the background a shell ignores interrupts, and so would the commands that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Read when TensorFlow is first imported, by a test module or by a command-line tool that a test starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the commands have it, whose numbers some tests compare with
# What XLA compiles here runs once or twice; optimizing its machine code takes most of the time of compiling it.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

# The files that take longest, longest first: pytest's workers begin with these, so that none is left to one of them
# while the others have nothing more to do. `--durations=0` tells how long tests take.
_LONGEST = (
    "test_exporting",
    "test_loop",
    "test_layers_conform",
    "test_couple_stage",
    "test_study_runs",
    "test_opec_net",
    "test_benchmark",
    "test_demo",
    "test_model_server",
    "test_couple_net",
    "test_ablate",
    "test_pose_model",
    "test_given_poses",
    "test_predict",
    "test_strategy",
    "test_serve",
    "test_evaluate",
    "test_train",
    "test_configs",
)


def pytest_collection_modifyitems(items):
    """The longest files come first, each file's tests in their order."""
    places = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_collection_finish():
    """What was imported for all tests is there to stay: the garbage collector need not go through it again and again;
    nor as often as by default, since building one network makes some hundred thousand objects."""
    if "tensorflow" in sys.modules:
        import quick_keras

        quick_keras.install()
        # Optimizing a graph takes longer than the few times that a test runs it save. Processes that tests start do it.
        sys.modules["tensorflow"].config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 5)


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

    return _made_once(tmp_path_factory, "run", tiny_run.make)


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """(workdir, model's folder with version 1) of a tiny OPEC-Net; tests only read it."""
    import serving_run

    return serving_run.folders(_made_once(tmp_path_factory, "exported", serving_run.make))


def _made_once(tmp_path_factory, name, make):
    """A folder that one of pytest's workers makes, while the others wait for it, and all use."""
    common = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # where each has a folder of its own
        common = common.parent
    folder, done = common / name, common / f"{name}.done"
    with open(common / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def server(exported):
    """A running ``ModelServer`` of ``exported``, without batching."""
    from opec_tf.serving.model_server.server import ModelServer

    with ModelServer(exported[1]) as server:
        yield server


@pytest.fixture(scope="module")
def shared_estimators():
    """Models of the same network and settings share one estimator, which compiles once."""
    from opec_tf.inference import pose_model

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pose_model, "PoseEstimator", functools.cache(pose_model.PoseEstimator))
        yield


@pytest.fixture
def zeros(monkeypatch):
    """The initial weights of networks that a test only counts are zeros where Keras would draw millions at random."""
    import tensorflow as tf
    from keras.src import backend

    def draw(self, shape, first, second, dtype=None, nonce=None):
        return tf.zeros(shape, dtype or backend.floatx())

    for name in ("random_normal", "random_uniform", "truncated_normal"):
        monkeypatch.setattr(backend.RandomGenerator, name, draw)
    yield
    gc.collect()  # networks of hundreds of megabytes, which the collector does not see


@pytest.fixture
def cold(monkeypatch):
    """Model servers that the test starts load their model without warmup, which takes most of the time."""
    from opec_tf.serving.model_server.versions import LoadedVersion

    monkeypatch.setattr(LoadedVersion, "replay", lambda *_: None)
