"""OPEC-Net (ECCV 2020) for TensorFlow 2.15 / Keras 2.15: crowd pose estimation that infers occluded joints."""

__version__ = "0.1.0"
