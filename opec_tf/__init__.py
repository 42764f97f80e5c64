"""OPEC-Net (ECCV 2020) for TensorFlow 2.15 / Keras 2.15: crowd pose estimation that infers occluded joints.

::

  model = opec_tf.load()  # the model that comes with the package; a workdir: opec_tf.load("runs/crowdpose")
  poses = model.predict("photo.jpg")
  print(poses.keypoints, poses.scores)
  poses.draw("out.jpg")

What is named here is imported when it is first used: TensorFlow takes seconds to start.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opec_tf.inference.pose_model import PoseModel, load
    from opec_tf.poses.picture_poses import Poses

__version__ = "0.1.0"
__all__ = ["PoseModel", "Poses", "load"]

_HOME = {
    "load": "opec_tf.inference.pose_model",
    "PoseModel": "opec_tf.inference.pose_model",
    "Poses": "opec_tf.poses.picture_poses",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
