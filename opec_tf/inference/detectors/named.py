"""The detector that a name stands for."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence

import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.config import DetectorConfig
from opec_tf.inference.detectors.nanodet import NanodetDetector
from opec_tf.inference.detectors.yolo import YoloDetector
from opec_tf.inference.people_names import NANODET

# A picture, RGB uint8 [h, w, 3], to the boxes of its people and their scores; see the package's docstring.
Detector = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

MODEL_SUFFIXES = (".onnx", ".cfg", ".weights")
_GONE = "hog"  # the default before NanoDet


def is_detector(name: str) -> bool:
    """Whether the name is one for ``make``: "nanodet", or a file of a network."""
    return name in (NANODET, _GONE) or name.lower().endswith(MODEL_SUFFIXES)


def make(name: str, detector_config: DetectorConfig) -> Detector:
    """Makes a detector.

    Args:
      name: "nanodet"; a YOLO network in ONNX; or Darknet's FILE.cfg or FILE.weights, whose other half lies beside it
        under the same name, or is named too: FILE.cfg,OTHER.weights.
      detector_config: which of its boxes are kept.

    Raises:
      UserError: a file is missing or cannot be read, or the network is none that is known.
    """
    if name == NANODET:
        return NanodetDetector(detector_config)
    if name == _GONE:
        raise UserError(f"{name}: OpenCV's HOG detector is gone; give {NANODET}, the default of predict, in its place")
    if not is_detector(name):
        raise UserError(f"{name}: is no detector; give {NANODET}, a YOLO network FILE.onnx, or Darknet's FILE.cfg")
    if name.lower().endswith(".onnx"):
        return YoloDetector.from_onnx(name, detector_config)
    config_path, weights_path = _darknet_files(name)
    return YoloDetector.from_darknet(config_path, weights_path, detector_config)


def warn_about_nobody(names: Sequence[str], num_images: int) -> None:
    """One line on the pictures, of ``num_images``, in which a detector found nobody; none where there are no such."""
    if names:
        logging.getLogger(__name__).warning(
            "the detector found nobody in %d of %d images (first: %s); lower --detector_score or use another detector",
            len(names),
            num_images,
            names[0],
        )


def _darknet_files(name: str) -> tuple[str, str]:
    """The .cfg and the .weights file of a network, of which one or both are named."""
    stem = os.path.splitext(name)[0]
    named = name.split(",") if "," in name else [stem + ".cfg", stem + ".weights"]
    by_suffix = {os.path.splitext(path)[1].lower(): path for path in named}
    if set(by_suffix) != {".cfg", ".weights"}:
        raise UserError(f"{name}: name one .cfg and one .weights file, separated by a comma")
    return by_suffix[".cfg"], by_suffix[".weights"]
