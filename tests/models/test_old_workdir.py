"""A workdir that version 0.1 wrote, before the package had its rooms, still gives the poses that it gave then.

The archive holds config.json and best.weights.h5 of all three stages, tiny and with random weights, and
expected_poses.json: what version 0.1 (commit 72e5f31) found in ``serving_run.picture()``, pose name -> [2, 12, 3].
"""

import json
import pathlib
import zipfile

import numpy as np
import pytest
import serving_run

from opec_tf.config import InferenceConfig
from opec_tf.inference import pose_model
from opec_tf.inference.person_boxes import PersonBoxes

ARCHIVE = pathlib.Path(__file__).with_name("workdir_of_version_0_1.zip")
BOXES = np.array([[10.0, 15.0, 60.0, 90.0], [40.0, 10.0, 55.0, 95.0]])


@pytest.fixture(scope="module")
def old_workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("old_workdir")
    zipfile.ZipFile(ARCHIVE).extractall(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["base", pytest.param("opec", marks=pytest.mark.slowest), "couple"])
def test_a_workdir_of_version_0_1_gives_the_same_poses(old_workdir, stage):
    expected = json.loads((old_workdir / "expected_poses.json").read_text())[stage]
    model = pose_model.load(old_workdir, stage)
    assert (model.stage, model.box_margin) == (stage, 1.25)
    estimator = model.estimator(InferenceConfig(), num_people=2)
    found = estimator.estimate_frames([serving_run.picture()], [0], PersonBoxes([0, 0], BOXES)).predictions
    assert list(found) == list(expected)
    for name, poses in expected.items():
        np.testing.assert_allclose(found[name].keypoints, poses, atol=2e-3, err_msg=name)
