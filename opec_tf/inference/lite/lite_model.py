"""A TFLite file in place of a Keras network: whatever takes a ``PoseModel`` can run and score it."""

from __future__ import annotations

import dataclasses
import hashlib
import os

import numpy as np
import tensorflow as tf

from opec_tf.common import native
from opec_tf.common.errors import UserError
from opec_tf.config import InferenceConfig, ModelConfig, from_mapping
from opec_tf.inference import pose_model
from opec_tf.inference.lite.conversion import SIGNATURE
from opec_tf.inference.lite.lite_file import LiteFile
from opec_tf.inference.people import People
from opec_tf.inference.pose_estimator import Estimator
from opec_tf.inference.pose_model import PoseModel
from opec_tf.poses import geometry

# What became part of the file when it was made.
_FIXED = ("flip_test", "peak_refinement", "peak_smoothing")


@dataclasses.dataclass(frozen=True, eq=False)
class LiteModel(PoseModel):
    """A model in a TFLite file, run one person a call. Its ``network`` is the ``LiteFile``, no Keras model."""

    @property
    def digest(self) -> str:
        return hashlib.sha1(self.network.content).hexdigest()[:8]

    def estimator(self, inference_config: InferenceConfig, num_people: int) -> LiteEstimator:
        for name in _FIXED:
            has, wanted = self.network.metadata[name], getattr(inference_config, name)
            if has != wanted:
                raise UserError(f"--{name}={wanted}: {self.name} was exported with {has}; give that, or export anew")
        if inference_config.association:
            raise UserError(f"--association: {self.name} answers no candidates; use the --workdir it was made from")
        # Whatever a batch lacked would be filled up with black crops.
        return LiteEstimator(self, dataclasses.replace(inference_config, inference_batch_size=1))

    def starting_from_poses_of(self, people: People) -> PoseModel:
        if people.have_poses:
            raise UserError(f"{self.name}: a TFLite file refines no given poses; use the --workdir it was made from")
        return self


class LiteEstimator(Estimator):
    """A TFLite file as what estimates poses in batches of crops."""

    def __init__(self, model: LiteModel, inference_config: InferenceConfig) -> None:
        poses = model.network.metadata["poses"]
        super().__init__(
            model.model_config,
            model.box_margin,
            inference_config,
            poses=tuple(dict.fromkeys((poses["initial_keypoints"], poses["keypoints"]))),
            gives_visibility="visibility" in model.network.metadata,
            in_pairs=False,
        )
        with native.quiet():
            interpreter = tf.lite.Interpreter(model_content=model.network.content, num_threads=os.cpu_count())
            self._answer = interpreter.get_signature_runner(SIGNATURE)

    def _estimate(
        self, crops: tf.Tensor, crop_to_image: tf.Tensor, partner: tf.Tensor, given: tf.Tensor
    ) -> tuple[tf.Tensor | np.ndarray, ...]:
        answers = [self._answer(crops=crop[None]) for crop in np.asarray(crops)]
        found = {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}
        people, joints = len(crops), self.skeleton.num_joints
        names = ("initial_keypoints", "keypoints")[-len(self.estimated_poses) :]
        points = np.stack([found[name][..., :2] for name in names], axis=1)
        # The file's are pixels of the crop as it is given, see ``images.crop``.
        as_given = geometry.shift_affine(crop_to_image, self.crop_offset)
        visibility = found.get("visibility", np.zeros([people, joints, 0], np.float32))
        no_candidates = np.zeros([people, joints, 0, 3], np.float32)
        return geometry.apply_affine(as_given[:, None], points), found["keypoints"][..., 2], visibility, no_candidates


def load(path: os.PathLike[str] | str, box_margin: float | None = None) -> LiteModel:
    """Loads a TFLite file.

    Args:
      path: the file.
      box_margin: side of a crop over side of its person's box; by default as the model was trained.

    Raises:
      UserError: it is none that ``export`` has written, or cannot be read.
    """
    file = LiteFile.read(path)
    metadata = file.metadata
    try:
        return LiteModel(
            file,
            from_mapping(ModelConfig, metadata["model"]),
            metadata["stage"],
            box_margin=box_margin or metadata["box_margin"],
            name=os.fspath(path),
            git_revision=metadata["trained_at_git_revision"],
            metrics=metadata["metrics"],
        )
    except (KeyError, TypeError, UserError) as error:
        raise UserError(f"{os.fspath(path)}: is of another version of opec_tf ({error}); export anew") from error


def load_any(path: str, stage: str | None = None, box_margin: float | None = None) -> PoseModel:
    """The model of a workdir, or that of a TFLite file.

    Raises:
      UserError: as ``load`` and ``pose_model.load`` have it; or a stage is given with a file, which has one.
    """
    if not os.path.isfile(path):
        return pose_model.load(path, stage, box_margin)
    if stage:
        raise UserError(f"{path}: is one model, not a run of several stages; leave --stage out")
    return load(path, box_margin)
