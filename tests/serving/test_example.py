"""The demo's serving half: a model that is exported already is served as it is."""

import types

import cv2
import numpy as np
import pytest
import serving_run

from opec_tf.config import InferenceConfig
from opec_tf.serving import example

pytestmark = pytest.mark.slow


@pytest.mark.slowest
def test_the_people_of_the_first_picture_are_asked_about(exported, tmp_path):
    root, model_dir = exported
    (tmp_path / "picture.jpg").write_bytes(serving_run.jpeg())
    people = types.SimpleNamespace(
        boxes=np.concatenate([serving_run.BOXES, serving_run.BOXES[:1]]),
        image_index=np.array([0, 0, 1]),
        image_paths=np.array([str(tmp_path / "picture.jpg"), "never read"]),
    )
    before = sorted(model_dir.rglob("*"))
    drawn = tmp_path / "drawn.png"
    assert example.export_and_ask(serving_run.load(root), model_dir, people, drawn, InferenceConfig()) == 2
    assert sorted(model_dir.rglob("*")) == before
    difference = cv2.imread(str(drawn))[..., ::-1].astype(float) - serving_run.picture()
    assert np.abs(difference).max() > 60
