"""``import opec_tf`` is quick, and gives what its docstring names."""

import subprocess
import sys

import pytest

import opec_tf

_LIGHT = """
import sys
import opec_tf
assert {"load", "PoseModel", "Poses", "__version__"} <= set(dir(opec_tf))
heavy = {"tensorflow", "numpy", "cv2", "keras"} & set(sys.modules)
assert not heavy, heavy
from opec_tf import Poses
assert "tensorflow" not in sys.modules
"""


def test_importing_the_package_starts_nothing():
    done = subprocess.run([sys.executable, "-c", _LIGHT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_it_gives():
    from opec_tf.inference import pose_model
    from opec_tf.poses import picture_poses

    assert opec_tf.load is pose_model.load and opec_tf.PoseModel is pose_model.PoseModel
    assert opec_tf.Poses is picture_poses.Poses
    assert set(opec_tf.__all__) <= set(dir(opec_tf))
    with pytest.raises(AttributeError, match="module 'opec_tf' has no attribute 'lode'"):
        _ = opec_tf.lode
