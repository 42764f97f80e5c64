"""A model as a TFLite file of TFLite's own operations: signature ``crops``, one person a call.

It answers what signature ``crops`` of an export for TensorFlow Serving answers (``serving.signatures``) about a batch
of one: ``crops`` float32 [1, H, W, 3] in, RGB, 0..255; ``keypoints`` and ``initial_keypoints`` [1, K, 3],
``pose_score`` [1] and, of a model that predicts it, ``visibility`` [1, K, 3] out. The batch is fixed: with it every
shape is known when the file is made, so that no operation but the network's is left, and no memory is planned anew.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from opec_tf.common import native
from opec_tf.common.progress import Progress
from opec_tf.config import InferenceConfig
from opec_tf.inference import exports, forward
from opec_tf.inference.lite import quantization
from opec_tf.inference.lite.lite_file import LiteFile
from opec_tf.inference.lite.names import FLOAT16, FLOAT32, INT8
from opec_tf.inference.pose_model import PoseModel
from opec_tf.models import loading
from opec_tf.poses import geometry

SIGNATURE = "crops"
# What a metadata.json says of inputs and outputs beside their shapes.
_CROP = "RGB, 0..255, a person's crop: the box, made wider or higher about its middle to the crop's shape, x box_margin"
_POINTS = "(x, y, score) of each joint; x and y in pixels of the crop, score 0..1"
_MEANINGS = {
    "keypoints": f"{_POINTS}; the most refined pose",
    "initial_keypoints": f"{_POINTS}; the pose that it was refined from",
    "pose_score": "mean of the joints' scores",
    "visibility": "probabilities that each joint is visible, occluded, outside the picture",
}
_COORDINATES = (
    "x to the right, y down, the middle of the first pixel is (0, 0): a crop of width W spans x = -0.5 .. W - 0.5"
)


class _Crops(tf.Module):
    """The function that becomes the signature, with the network's variables."""

    def __init__(self, model: PoseModel, inference_config: InferenceConfig) -> None:
        super().__init__(name="crops_of_one_person")
        self.model_variables = model.network.variables
        self._model, self._inference_config = model, inference_config
        crops = tf.TensorSpec([1, *model.model_config.crop_size, 3], tf.float32, "crops")
        self.estimate = tf.function(self._estimate, [crops], autograph=False).get_concrete_function()

    def _estimate(self, crops: tf.Tensor) -> forward.Tensors:
        offset = self._model.model_config.crop_offset
        found = forward.estimate_crops(
            self._model.network,
            crops,
            # Keypoints are in pixels of the crop as it is given.
            geometry.shift_affine(tf.eye(2, 3)[None], -offset),
            skeleton=self._model.skeleton,
            inference_config=self._inference_config,
            crop_offset=offset,
        )
        return forward.answers(found)


def convert(
    model: PoseModel,
    precision: str,
    *,
    inference_config: InferenceConfig,
    calibration: Sequence[np.ndarray] = (),
    progress: bool = True,
) -> LiteFile:
    """Converts a model.

    Args:
      model: of any stage; of a CoupleGraph its OPEC-Net alone, since whoever is alone has that pose.
      precision: "float32"; "float16": the weights are stored so, and computed with in float32 where the device has no
        half precision; "int8": see ``quantization``.
      inference_config: flip_test and the rules for peaks become part of the file.
      calibration: for "int8", crops float32 [H, W, 3] such as the model will see: at least one.
      progress: report the calibration to stderr.

    Returns:
      The file; its metadata are those of ``exports.describe`` and what the file's inputs and outputs are.

    Raises:
      UserError: the model's poses are not finite numbers.
    """
    model = exports.folded(_of_one_person(model))
    crops = _Crops(model, inference_config)
    gray = tf.fill([1, *model.model_config.crop_size, 3], 127.0)
    exports.refuse_diverged(lambda: crops.estimate(gray))

    def representative() -> Iterator[dict[str, np.ndarray]]:
        with Progress("calibrating", "people", len(calibration), enabled=progress) as meter:
            for crop in calibration:
                yield {"crops": crop[None]}
                meter.update()

    with tempfile.TemporaryDirectory() as folder, native.quiet():
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(crops, folder, {SIGNATURE: crops.estimate}, options)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        if precision != FLOAT32:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == FLOAT16:
            converter.target_spec.supported_types = [tf.float16]
        if precision == INT8:
            converter.representative_dataset = representative
            content = quantization.up_to_convolutions(converter)
        else:
            content = converter.convert()
    return LiteFile(content, _metadata(model, precision, inference_config, crops.estimate.structured_outputs))


def _of_one_person(model: PoseModel) -> PoseModel:
    """The same answers without what only pairs and given poses need, neither of which the signature takes."""
    network, metrics = model.network, model.metrics
    if not (forward.takes_partners(network) or forward.takes_poses(network)):
        return model
    config = dataclasses.replace(model.model_config, initial_pose="integral")
    if forward.takes_partners(network):
        network, metrics = network.get_layer("opec_net"), {}
    network = loading.rebuild(network, "opec", config)
    return dataclasses.replace(model, network=network, model_config=config, stage="opec", metrics=metrics)


def _metadata(
    model: PoseModel, precision: str, inference_config: InferenceConfig, outputs: forward.Tensors
) -> dict[str, Any]:
    initial, final = forward.answered_poses(forward.pose_names(model.network))
    crops = f"float32 {[1, *model.model_config.crop_size, 3]}, {_CROP}"
    return {
        "precision": precision,
        "signature": SIGNATURE,
        "inputs": {"crops": crops},
        "outputs": {name: f"float32 {outputs[name].shape.as_list()}, {_MEANINGS[name]}" for name in sorted(outputs)},
        "coordinates": _COORDINATES,
        "poses": {"initial_keypoints": initial, "keypoints": final},
        **exports.describe(model, inference_config),
    }
