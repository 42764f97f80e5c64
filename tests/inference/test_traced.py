"""The graph of the model that comes with the package: what it answers, and when it stands in for the network."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import serving_run

import opec_tf
from opec_tf.config import InferenceConfig
from opec_tf.inference import pose_model, traced
from opec_tf.inference.traced import TracedEstimator
from opec_tf.models import loading, workdir

BOXES = np.array([[10.0, 15.0, 60.0, 90.0], [40.0, 10.0, 55.0, 95.0], [5.0, 5.0, 80.0, 100.0]])


@pytest.mark.slow
def test_it_answers_as_the_network_of_today_does():
    """If this fails after a change of the network or of decoding, write it anew: docs/development.md says how."""
    model = opec_tf.load()
    ours, theirs = (
        whose.predict(serving_run.picture(), boxes=BOXES) for whose in (model, model.with_network(model.network))
    )
    for name in ("keypoints", "joint_scores", "visibility", "scores"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-3, err_msg=name)


def test_to_predict_no_network_is_built(monkeypatch):
    def build(*_):
        raise AssertionError("was built")

    monkeypatch.setattr(loading, "load_network", build)
    model = opec_tf.load()
    assert len(model.predict(serving_run.picture(), boxes=BOXES)) == 3
    with pytest.raises(AssertionError, match="was built"):
        model.network.summary()


@pytest.mark.slow
def test_to_predict_no_layer_is_imported():
    find = "[name for name in sys.modules if name.startswith(('opec_tf.layers', 'spektral'))]"
    script = f"import sys; from opec_tf.inference import frames, people, pose_model, results; print({find})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_other_settings_are_the_networks(monkeypatch):
    built = []
    monkeypatch.setattr(loading, "load_network", lambda *_: built.append("network"))
    monkeypatch.setattr(pose_model, "PoseEstimator", lambda network, **settings: network)
    model = opec_tf.load()
    assert isinstance(model.estimator(InferenceConfig(), 8), TracedEstimator) and not built
    for changes in ({"flip_test": True}, {"peak_smoothing": 1.0}, {"peak_refinement": "none"}, {"association": True}):
        assert model.estimator(InferenceConfig(**changes), 8) is None
    assert built == ["network"]  # once


def test_that_of_another_version_is_passed_over(tmp_path):
    folder = workdir.stage_folder(tmp_path, "couple")
    folder.path.mkdir()
    assert traced.find(folder) is None
    shipped = workdir.stage_folder(pose_model.SHIPPED, "couple").path / "graph.zip"
    with zipfile.ZipFile(shipped) as old, zipfile.ZipFile(folder.path / "graph.zip", "w") as new:
        content = json.loads(old.read("graph.json"))
        content["about"]["opec_tf"] = "0.0.1"
        new.writestr("graph.json", json.dumps(content))
        new.writestr("graph.pb", old.read("graph.pb"))
    assert traced.find(folder) is None and traced.find(workdir.stage_folder(pose_model.SHIPPED, "couple"))
