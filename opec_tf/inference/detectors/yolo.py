"""YOLO networks from files, run by OpenCV: YOLOv3 in Darknet's format, YOLOX, YOLOv5 and YOLOv8 in ONNX.

Which family an ONNX network belongs to follows from the shape of what it gives.
"""

from __future__ import annotations

import configparser
import os

import cv2
import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.config import DetectorConfig
from opec_tf.inference.detectors import candidates, onnx_header, yolo_outputs

_DARKNET_HEADER = 20  # bytes: three numbers for the version, and the pictures seen, of 64 bits
_OPEN_SIZE = 640  # side of the input of a network that leaves it open: what YOLOv5 and YOLOv8 are trained on


class YoloDetector:
    """People by a YOLO network; see the package's docstring for what a detector takes and gives.

    Args:
      network: ``cv2.dnn.Net``.
      family: ``yolo_outputs.Family``.
      size: (height, width) of the network's input.
      detector_config: ``DetectorConfig``.
    """

    def __init__(
        self, network: cv2.dnn.Net, family: yolo_outputs.Family, size: tuple[int, int], detector_config: DetectorConfig
    ) -> None:
        self._network, self._family, self._size, self._config = network, family, size, detector_config
        self._output_names = network.getUnconnectedOutLayersNames()

    @classmethod
    def from_onnx(cls, path: os.PathLike[str] | str, detector_config: DetectorConfig) -> YoloDetector:
        """Reads an ONNX file.

        Raises:
          UserError: the file cannot be read, or is no network of a known family with the wanted class.
        """
        content = _read(path)
        size = onnx_header.input_size(content)
        try:
            network = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8)) if size else None
        except cv2.error as error:
            raise UserError(f"{path}: OpenCV cannot read this network ({_line(error.err)}); export it anew") from error
        if network is None or size is None:
            raise UserError(f"{path}: is no ONNX network that takes one picture; check the file")
        size = size[0] or _OPEN_SIZE, size[1] or _OPEN_SIZE
        try:
            network.setInput(np.zeros([1, 3, *size], np.float32))
            shapes = [output.shape for output in network.forward(network.getUnconnectedOutLayersNames())]
        except cv2.error as error:
            raise UserError(f"{path}: OpenCV cannot run this network ({_line(error.err)}); export it anew") from error
        known = yolo_outputs.family_of(shapes, size)
        if known is None:
            raise UserError(
                f"{path}: gives {', '.join(map(str, shapes))} for an input of {size[0]} x {size[1]}, which is none of "
                "YOLOX's, YOLOv5's or YOLOv8's outputs; give the boxes as a JSON file"
            )
        family, classes = known
        _check_class(path, classes, detector_config)
        return cls(network, family, size, detector_config)

    @classmethod
    def from_darknet(
        cls, config_path: os.PathLike[str] | str, weights_path: os.PathLike[str] | str, detector_config: DetectorConfig
    ) -> YoloDetector:
        """Reads Darknet's two files.

        Raises:
          UserError: one cannot be read or run, they are no YOLO network with the wanted class, or they do not belong
            together.
        """
        text, weights = _read(config_path), _read(weights_path)
        size, classes = _darknet_settings(config_path, text)
        _check_class(config_path, classes, detector_config)
        try:
            # OpenCV takes a file that ends too early for a whole one, and without a header leaves out the weights.
            padded = weights.ljust(_DARKNET_HEADER, b"\0")
            network = cv2.dnn.readNetFromDarknet(np.frombuffer(text, np.uint8), np.frombuffer(padded, np.uint8))
            needed = _darknet_bytes(network, padded)
            if len(weights) != needed:
                raise UserError(
                    f"{weights_path}: holds {len(weights)} bytes, but the network of {config_path} has {needed}; "
                    "check that the file is whole and the two belong together"
                )
            network.setInput(np.zeros([1, 3, *size], np.float32))
            network.forward(network.getUnconnectedOutLayersNames())
        except cv2.error as error:
            raise UserError(
                f"{config_path}: OpenCV cannot read or run this network with {weights_path} ({_line(error.err)}); "
                "check that the two belong together"
            ) from error
        return cls(network, yolo_outputs.DARKNET, size, detector_config)

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        embedded, shift, factor = letterbox(image, self._size, self._family.centered, self._family.padding)
        # Pictures are RGB here.
        blob = cv2.dnn.blobFromImage(embedded, self._family.scale, swapRB=not self._family.rgb)
        self._network.setInput(blob)
        outputs = self._network.forward(self._output_names)
        boxes, scores = self._family.decode(outputs, self._size, self._config.person_class)
        boxes[:, :2] -= shift
        return candidates.select(boxes * np.tile(factor, 2), scores, image.shape[:2], self._config)


def letterbox(
    image: np.ndarray, size: tuple[int, int], centered: bool, padding: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fits a picture into a frame without changing its aspect ratio.

    Args:
      image: uint8 [h, w, 3].
      size: (height, width) of the frame.
      centered: whether it lies in the middle, else at the top left.
      padding: grey value of the rest.

    Returns:
      (uint8 [height, width, 3]; the picture's top left corner in the frame, [2] (x, y); image pixels per pixel of the
      frame along x and y, [2]): ``(point - corner) * factor`` takes a box's corner back.
    """
    height, width = image.shape[:2]
    factor = min(size[0] / height, size[1] / width)
    new_height, new_width = max(1, round(height * factor)), max(1, round(width * factor))
    top = (size[0] - new_height) // 2 if centered else 0
    left = (size[1] - new_width) // 2 if centered else 0
    frame = np.full([*size, 3], padding, np.uint8)
    frame[top : top + new_height, left : left + new_width] = cv2.resize(image, (new_width, new_height))
    return frame, np.array([left, top], float), np.array([width / new_width, height / new_height])


def _darknet_settings(path: os.PathLike[str] | str, text: bytes) -> tuple[tuple[int, int], int]:
    """(height, width) of the input and the number of classes that Darknet's .cfg states."""
    parser = configparser.ConfigParser(strict=False, comment_prefixes=("#", ";"), allow_no_value=True)
    try:
        # Sections of one name, such as [yolo], become one; those of a network agree in what is read here.
        parser.read_string(text.decode())
        size = parser.getint("net", "height"), parser.getint("net", "width")
        return size, parser.getint("yolo", "classes")
    except (configparser.Error, ValueError, TypeError) as error:
        raise UserError(
            f"{path}: is no Darknet configuration with [net] width and height and a [yolo] layer ({_line(error)}); "
            "check the file"
        ) from error


def _darknet_bytes(network: cv2.dnn.Net, weights: bytes) -> int:
    """Length that the .weights file of a ``cv2.dnn.Net`` must have."""
    major, minor = np.frombuffer(weights[:8], np.int32).tolist()
    # Files before version 0.2 count the pictures seen with 32 bits.
    header = _DARKNET_HEADER if 10 * major + minor >= 2 else _DARKNET_HEADER - 4
    layers = map(network.getLayer, network.getLayerNames())
    # A Region's blob holds the anchors, which are the .cfg's.
    return header + sum(blob.nbytes for layer in layers if layer.type != "Region" for blob in layer.blobs)


def _check_class(path: os.PathLike[str] | str, classes: int, detector_config: DetectorConfig) -> None:
    if detector_config.person_class >= classes:
        raise UserError(
            f"{path}: --person_class={detector_config.person_class}, but the network knows {classes} classes, 0 to "
            f"{classes - 1}"
        )


def _read(path: os.PathLike[str] | str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error


def _line(error: object) -> str:
    """An error's message on one line."""
    return " ".join(str(error).split())
