"""An export run by a C++ program on the library that TensorFlow Serving is built on, with XLA off as in the server."""

import hashlib
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest
import serving_run
import tensorflow as tf

SOURCE = pathlib.Path(__file__).with_name("run_saved_model.cc")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def program():
    """The compiled program, kept under build/ by the contents of what it is made from: compiling takes a minute."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("needs g++")
    library = pathlib.Path(tf.sysconfig.get_lib())
    key = hashlib.sha256(SOURCE.read_bytes() + tf.__version__.encode() + str(library).encode()).hexdigest()[:16]
    program = SOURCE.parents[2] / "build" / f"run_saved_model-{key}"
    if not program.exists():
        program.parent.mkdir(exist_ok=True)
        temporary = program.with_name(f"{program.name}.{os.getpid()}")
        command = [
            compiler,
            *tf.sysconfig.get_compile_flags(),
            "-O0",
            str(SOURCE),
            "-o",
            str(temporary),
            str(library / "libtensorflow_cc.so.2"),
            str(library / "libtensorflow_framework.so.2"),
            f"-Wl,-rpath,{library}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        temporary.rename(program)
    return program


@pytest.mark.slowest
def test_every_signature_runs_and_bad_input_is_refused(program, exported, tmp_path):
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(serving_run.jpeg())
    environment = {**os.environ, "TF_XLA_FLAGS": "--tf_xla_auto_jit=-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [program, exported[1] / "1", picture], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split(" ") for line in done.stdout.splitlines() if not line.startswith("refused")]
    assert len(lines) == 3 * 2 * 4
    shapes = {(signature, int(batch), output): shape for signature, batch, output, shape, _ in lines}
    assert shapes["serving_default", 3, "keypoints"] == "[3,12,3]" and shapes["crops", 1, "pose_score"] == "[1]"
    assert shapes["image", 3, "initial_keypoints"] == shapes["image", 3, "visibility"] == "[3,2,12,3]"
    loaded = tf.saved_model.load(str(exported[1] / "1"))
    expected = loaded.signatures["serving_default"](
        image_bytes=tf.constant([serving_run.jpeg()]), boxes=tf.constant(serving_run.BOXES[:1])
    )
    first = {(signature, int(batch), output): float(value) for signature, batch, output, _, value in lines}
    for signature in ("serving_default", "image"):
        np.testing.assert_allclose(first[signature, 1, "keypoints"], expected["keypoints"][0, 0, 0], atol=0.01)
    refused = [line for line in done.stdout.splitlines() if line.startswith("refused")]
    assert len(refused) == 4
    for line, message in zip(refused, ("without area", "[B, 4]; it has] [1 5]", "One of JPEG", "it has] [4]")):
        assert ": INVALID_ARGUMENT: " in line and message in line
