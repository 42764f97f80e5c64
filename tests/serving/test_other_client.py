"""A client library of another project, in an environment of its own, which pip makes where it can."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import serving_run

from opec_tf.serving.pose_client import PoseClient

_ASK = """
import json, sys
import numpy as np
import ovmsclient

grpc_target, rest_target, model, picture = sys.argv[1:]
inputs = {"image_bytes": [open(picture, "rb").read()], "boxes": np.array([[10.5, 20.25, 60.0, 80.5]], np.float32)}
answers = []
for client in (ovmsclient.make_grpc_client(grpc_target), ovmsclient.make_http_client(rest_target)):
    state = client.get_model_status(model, 1)[1]["state"]
    answers.append([state, np.array(client.predict(inputs, model, 1)["keypoints"]).tolist()])
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python with ovmsclient."""
    folder = tmp_path_factory.mktemp("ovmsclient")
    python = folder / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "ovmsclient==2023.1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        pytest.skip(f"{' '.join(command)} failed: {done.stderr.strip().splitlines()[-1]}")
    return str(python)


@pytest.mark.slowest
def test_ovmsclient_gets_keypoints(server, python, tmp_path):
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(serving_run.jpeg())
    targets = f"127.0.0.1:{server.port}", f"127.0.0.1:{server.rest_port}"
    command = [python, "-c", _ASK, *targets, serving_run.NAME, str(picture)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    with PoseClient(targets[0], deadline=120) as client:
        expected = client.estimate(serving_run.jpeg(), serving_run.BOXES[:1]).keypoints
    for state, keypoints in json.loads(done.stdout):
        assert state == "AVAILABLE"
        np.testing.assert_allclose(keypoints, expected, atol=1e-2)
