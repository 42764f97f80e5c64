"""OPEC-Net (ECCV 2020) for TensorFlow 2.15 / Keras 2.15: crowd pose estimation that infers occluded joints."""

import os

__version__ = "0.1.0"

# TensorFlow 2.15's native code reports, as errors, that CUDA's libraries are registered twice, on every start and
# everywhere. What goes wrong in earnest comes as a Python exception. Set the variable to 0 to see all of it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
