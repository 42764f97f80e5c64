"""A trained model as a version folder for TensorFlow Serving.

::

  EXPORT_DIR/VERSION/saved_model.pb, variables/                    the model with the signatures of ``signatures``
  EXPORT_DIR/VERSION/assets.extra/tf_serving_warmup_requests       requests that the server answers before it is ready
  EXPORT_DIR/VERSION/metadata.json                                 what the numbers mean, where the model comes from

The folder appears whole, under its number, or not at all: a server looks at EXPORT_DIR every second.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.common.limits import MAX_PIXELS
from opec_tf.config import InferenceConfig, ModelConfig
from opec_tf.inference import exports
from opec_tf.inference.pose_model import PoseModel
from opec_tf.poses import skeletons
from opec_tf.serving import api
from opec_tf.serving.signatures import PoseSignatures

WARMUP_FILE = pathlib.Path("assets.extra", "tf_serving_warmup_requests")
METADATA_FILE = "metadata.json"
# People a picture in the warmup of signature "image".
_WARMUP_PEOPLE = 2
_WARMUP_SIZE = (240, 320)  # (height, width) of the warmup's picture


def export(
    model: PoseModel,
    export_dir: os.PathLike[str] | str,
    *,
    version: int | None = None,
    inference_config: InferenceConfig,
    max_pixels: int = MAX_PIXELS,
    batch_sizes: Sequence[int],
) -> pathlib.Path:
    """Exports a model.

    Args:
      model: the model; one that was trained to refine given poses gets a signature for it.
      export_dir: the model's folder, in which each version has a folder of its own.
      version: above 0; by default one more than the largest in ``export_dir``.
      inference_config: flip_test and peak_refinement become part of the model.
      max_pixels: the model refuses a picture of more.
      batch_sizes: sizes for which there are warmup records, up to the largest that the server's batching makes.

    Returns:
      The version folder.

    Raises:
      UserError: the version exists, the model's poses are not finite or the folder cannot be written or would be a
        pattern; or a batch size is below 1, or there is none.
    """
    files.refuse_pattern(export_dir)
    if not batch_sizes or min(batch_sizes) < 1:
        sizes = ",".join(map(str, batch_sizes))
        raise UserError(f"--warmup_batch_sizes={sizes} must be whole numbers above 0, separated by commas")
    with files.new_folder(export_dir) as model_dir:
        version = next_version(model_dir) if version is None else version
        _write(model, model_dir, version, inference_config, max_pixels, batch_sizes)
    return model_dir / str(version)


def _write(
    model: PoseModel,
    model_dir: pathlib.Path,
    version: int,
    inference_config: InferenceConfig,
    max_pixels: int,
    batch_sizes: Sequence[int],
) -> None:
    """Writes a version folder."""
    with files.atomic_folder(model_dir / str(version)) as folder:
        module = PoseSignatures(exports.folded(model), inference_config, max_pixels)
        requests = warmup_requests(model_dir.name, model.model_config, module.signatures, batch_sizes)
        _refuse_diverged(module, requests)
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(module, str(folder), module.signatures, options)
        _write_warmup(folder / WARMUP_FILE, requests)
        metadata = {"version": version, "max_pixels": max_pixels, **exports.describe(model, inference_config)}
        files.write_json(folder / METADATA_FILE, metadata, indent=2)


def _write_warmup(path: pathlib.Path, requests: Iterable[api.predict_pb2.PredictRequest]) -> None:
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in requests:
            log = api.prediction_log_pb2.PredictionLog()
            log.predict_log.request.CopyFrom(request)
            writer.write(log.SerializeToString())


def next_version(export_dir: os.PathLike[str] | str) -> int:
    """One more than the largest version in a folder; 1 in an empty one."""
    return 1 + max((int(path.name) for path in pathlib.Path(export_dir).iterdir() if path.name.isdecimal()), default=0)


def warmup_requests(
    name: str, model_config: ModelConfig, signatures: Iterable[str], batch_sizes: Sequence[int]
) -> list[api.predict_pb2.PredictRequest]:
    """A ``PredictRequest`` for every one of some signatures and every batch size, of model ``name``."""
    rows, columns = np.mgrid[: _WARMUP_SIZE[0], : _WARMUP_SIZE[1]]
    picture = np.stack([rows, columns % 256, (rows + columns) % 256], axis=-1).astype(np.uint8)
    image_bytes = tf.io.encode_jpeg(picture).numpy()
    box = np.array([40.0, 20.0, 120.0, 200.0], np.float32)
    couple = box + np.array([[0, 0, 0, 0], [60, 10, 0, 0]], np.float32)[:_WARMUP_PEOPLE]
    poses = np.full([_WARMUP_PEOPLE, skeletons.SKELETONS[model_config.skeleton].num_joints, 3], 100.0, np.float32)
    requests = []
    for batch in batch_sizes:
        people = {"image_bytes": [image_bytes] * batch, "boxes": np.tile(couple, [batch, 1, 1])}
        inputs: dict[str, dict[str, Any]] = {
            "serving_default": {"image_bytes": [image_bytes] * batch, "boxes": np.tile(box, [batch, 1])},
            "image": people,
            "crops": {"crops": np.full([batch, *model_config.crop_size, 3], 127.0, np.float32)},
            "refine": {**people, "keypoints": np.tile(poses, [batch, 1, 1, 1])},
        }
        requests += [api.predict_request(name, signature, inputs[signature]) for signature in signatures]
    return requests


def _refuse_diverged(module: PoseSignatures, requests: Sequence[api.predict_pb2.PredictRequest]) -> None:
    """Answers the first request as a server would; poses that are no numbers are an error."""
    inputs = {name: tf.constant(tf.make_ndarray(proto)) for name, proto in requests[0].inputs.items()}
    exports.refuse_diverged(lambda: module.signatures[requests[0].model_spec.signature_name](**inputs))
