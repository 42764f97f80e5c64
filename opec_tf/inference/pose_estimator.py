"""A trained model on pictures and person boxes: crops in batches, one compiled forward pass, poses in image pixels.

Image files and frames in memory differ only in where their crops come from; what then happens to them is one function
for both, ``forward.estimate_crops``.
"""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.common.progress import Progress
from opec_tf.config import InferenceConfig, ModelConfig
from opec_tf.data import image_files, inference_pipeline, pairing
from opec_tf.inference import association, estimates, forward
from opec_tf.inference.estimates import ASSOCIATION, Estimates, Found
from opec_tf.inference.person_boxes import PersonBoxes
from opec_tf.poses import geometry, images, skeletons


class Estimator(abc.ABC):
    """Pictures and person boxes to poses in image pixels, by whatever answers about a batch of crops.

    Args:
      model_config: of whose settings the crops' and the skeleton count.
      box_margin: side of a crop over side of its person's box (``DataConfig.box_margin``).
      inference_config: how it is run.
      poses: names of the P poses that ``_estimate`` gives, in their order.
      gives_visibility: whether it says how visible each joint is.
      in_pairs: whether it wants the people of an image in one batch, and to know who is whose partner.
    """

    def __init__(
        self,
        model_config: ModelConfig,
        box_margin: float,
        inference_config: InferenceConfig,
        *,
        poses: tuple[str, ...],
        gives_visibility: bool,
        in_pairs: bool,
    ) -> None:
        self.box_margin, self.inference_config, self.in_pairs = box_margin, inference_config, in_pairs
        self.crop_size, self.crop_offset = model_config.crop_size, model_config.crop_offset
        self.batch_size = inference_config.inference_batch_size
        self.skeleton = skeletons.SKELETONS[model_config.skeleton]
        between = [ASSOCIATION] if inference_config.association else []
        self.pose_names = (poses[0], *between, *poses[1:])
        self.estimated_poses = poses
        self.gives_visibility = gives_visibility
        frame, affines = tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([None, 2, 3], tf.float32)
        self._crop = tf.function(
            lambda frame, affines: images.crop(frame, affines, self.crop_size, self.crop_offset),
            input_signature=[frame, affines],
            autograph=False,
        )

    @abc.abstractmethod
    def _estimate(
        self, crops: tf.Tensor, crop_to_image: tf.Tensor, partner: tf.Tensor, given: tf.Tensor
    ) -> Sequence[tf.Tensor | np.ndarray]:
        """crops [B, H, W, 3], affines [B, 2, 3], partners' rows [B], given poses [B, K, 3] -> image points [B, P, K, 2]
        of the P poses, joint scores [B, K], visibility [B, K, 3 or 0], joint candidates [B, K, M or 0, 3]."""

    def estimate_files(
        self,
        image_paths: Sequence[str] | np.ndarray,
        image_ids: Sequence[int] | np.ndarray,
        people: PersonBoxes,
        *,
        strict: bool = False,
        progress: bool = True,
    ) -> Estimates:
        """Estimates the pose of everybody in some image files.

        Args:
          image_paths: [M] paths; a file that cannot be read is listed in the result and its people are left out.
          image_ids: int [M].
          people: N people in these images, in any order; see ``estimates.assemble`` for what their scores and poses do.
          strict: an image that cannot be read is an error.
          progress: report to stderr.

        Raises:
          UserError: an image cannot be read, under ``strict``.
        """
        batches: Iterable[dict[str, tf.Tensor]] = ()
        if len(people):
            batches = inference_pipeline.crop_dataset(
                image_paths,
                people.image_index,
                people.boxes,
                crop_size=self.crop_size,
                box_margin=self.box_margin,
                batch_size=self.batch_size,
                strict=strict,
                whole_images=self.in_pairs,
                crop_offset=self.crop_offset,
            )
        naming = image_files.naming_unreadable(image_paths) if strict else contextlib.nullcontext()
        with naming, Progress("estimating poses", "people", len(people), enabled=progress) as meter:
            found = self._run(batches, people, meter)
        skipped = list(dict.fromkeys(str(image_paths[i]) for i in people.image_index[~found.done]))
        return self._assemble(found, image_ids, people, skipped)

    def estimate_frames(
        self, frames: Sequence[np.ndarray], frame_ids: Sequence[int] | np.ndarray, people: PersonBoxes
    ) -> Estimates:
        """Estimates the pose of everybody in pictures in memory.

        Args:
          frames: RGB uint8 [h, w, 3] each, of any sizes.
          frame_ids: int, one a frame.
          people: as ``estimate_files`` has them, but ordered by frame.
        """
        found = self._run(self._frame_batches(frames, people), people)
        return self._assemble(found, frame_ids, people, [])

    def _assemble(
        self, found: Found, image_ids: Sequence[int] | np.ndarray, people: PersonBoxes, skipped: list[str]
    ) -> Estimates:
        ids = np.asarray(image_ids)[people.image_index]
        return estimates.assemble(
            found, self.estimated_poses, ids, people, skipped, self.skeleton, self.inference_config
        )

    def _frame_batches(self, frames: Sequence[np.ndarray], people: PersonBoxes) -> Iterator[dict[str, Any]]:
        """Batches of the form of ``inference_pipeline.crop_dataset``."""
        affines = geometry.crop_affine(people.boxes.astype(np.float32), self.crop_size, self.box_margin)
        frame_index = people.image_index
        starts = np.arange(0, len(people), self.batch_size)
        if self.in_pairs:
            first_of_frame = np.flatnonzero(np.diff(frame_index, prepend=-1))
            starts = first_of_frame[pairing.pack(np.diff([*first_of_frame, len(people)]), self.batch_size)[:-1]]
        for start, end in zip(starts, [*starts[1:], len(people)]):
            rows = np.arange(start, end)
            # People are ordered by frame, so a frame's crops of this batch are neighbours.
            in_batch = frame_index[rows]
            batch_affines = affines[rows[0] : rows[-1] + 1]
            crops = [self._crop(frames[i], tf.boolean_mask(batch_affines, in_batch == i)) for i in np.unique(in_batch)]
            yield {"crops": tf.concat(crops, axis=0), "crop_to_image": batch_affines, "row": rows}

    def _run(self, batches: Iterable[dict[str, Any]], people: PersonBoxes, meter: Progress | None = None) -> Found:
        """Estimates the people of all batches."""
        found = self._nothing_yet(len(people))
        for batch in batches:
            rows = np.asarray(batch["row"])
            answers = self._estimate(*self._filled_up(batch, rows, people))
            arrays = (found.points, found.scores, found.visibility, found.candidates)
            for array, answer in zip(arrays, answers):
                array[rows] = answer[: len(rows)]
            found.done[rows] = True
            if meter:
                meter.update(len(rows))
        if not np.isfinite(found.points).all():
            raise UserError("the model's poses are not finite numbers: its training has diverged; use other weights")
        return found

    def _nothing_yet(self, num_people: int) -> Found:
        joints, config = self.skeleton.num_joints, self.inference_config
        candidates = association.CANDIDATES if config.association else 0
        classes = len(skeletons.VISIBILITY_CLASSES) if self.gives_visibility else 0
        return Found(
            points=np.zeros([num_people, len(self.estimated_poses), joints, 2], np.float32),
            scores=np.zeros([num_people, joints], np.float32),
            visibility=np.zeros([num_people, joints, classes], np.float32),
            candidates=np.zeros([num_people, joints, candidates, 3], np.float32),
            done=np.zeros([num_people], bool),
        )

    def _filled_up(
        self, batch: dict[str, Any], rows: np.ndarray, people: PersonBoxes
    ) -> tuple[tf.Tensor, tf.Tensor, np.ndarray, np.ndarray]:
        """The inputs of ``_estimate``, filled up to the batch size, so that it is traced and compiled once."""
        missing = -len(rows) % self.batch_size
        crops = tf.pad(batch["crops"], [[0, missing], [0, 0], [0, 0], [0, 0]])
        # An affine of ones and zeros, since of one of zeros there is no inverse.
        crop_to_image = tf.concat([batch["crop_to_image"], tf.eye(2, 3, [missing])], axis=0)
        partner = np.full([len(rows) + missing], -1, np.int32)
        if self.in_pairs:
            partner[: len(rows)] = pairing.partners(people.boxes[rows], people.image_index[rows])
        given = np.zeros([len(rows) + missing, self.skeleton.num_joints, 3], np.float32)
        if people.poses is not None:
            given[: len(rows)] = people.poses[rows]
        return crops, crop_to_image, partner, given


class PoseEstimator(Estimator):
    """A model with its decoding as one compiled function of a fixed batch size.

    A CoupleGraph pairs everybody with the person of the image whose box overlaps most. The people of an image then
    share a batch, so that each passes through the network once; if they are more than the batch size, their batch is as
    many times larger as they need.

    Args:
      model: from ``models.build_base``, ``build_opec_net`` or ``build_couple_net``. Its weights are read at each call,
        so that one estimator serves a model that is being trained.
      model_config: the settings it was built from.
      box_margin, inference_config: as of ``Estimator``.
    """

    def __init__(
        self,
        model: tf.keras.Model,
        *,
        model_config: ModelConfig,
        box_margin: float,
        inference_config: InferenceConfig,
    ) -> None:
        super().__init__(
            model_config,
            box_margin,
            inference_config,
            poses=forward.pose_names(model),
            gives_visibility=forward.gives_visibility(model),
            in_pairs=forward.takes_partners(model),
        )
        self._model = model
        self._compiled = self.function(None if self.in_pairs else self.batch_size)

    def function(self, batch_size: int | None) -> tf.types.experimental.PolymorphicFunction:
        """What ``_estimate`` does as a ``tf.function``, of batches of one size or, with None, of any."""
        crops = tf.TensorSpec([batch_size, *self.crop_size, 3], tf.float32)
        affines, partner = tf.TensorSpec([batch_size, 2, 3], tf.float32), tf.TensorSpec([batch_size], tf.int32)
        given = tf.TensorSpec([batch_size, self.skeleton.num_joints, 3], tf.float32)
        return tf.function(self._estimate_batch, input_signature=[crops, affines, partner, given], autograph=False)

    def _estimate(
        self, crops: tf.Tensor, crop_to_image: tf.Tensor, partner: tf.Tensor, given: tf.Tensor
    ) -> Sequence[tf.Tensor]:
        return self._compiled(crops, crop_to_image, partner, given)

    def _estimate_batch(
        self, crops: tf.Tensor, crop_to_image: tf.Tensor, partner: tf.Tensor, given: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """What ``_estimate`` does, as a graph."""
        found = forward.estimate_crops(
            self._model,
            crops,
            crop_to_image,
            partner=partner,
            given=given,
            skeleton=self.skeleton,
            inference_config=self.inference_config,
            crop_offset=self.crop_offset,
        )
        people, joints = tf.shape(crops)[0], self.skeleton.num_joints
        visibility = tf.zeros([people, joints, 0]) if found.visibility is None else found.visibility
        candidates = tf.zeros([people, joints, 0, 3]) if found.candidates is None else found.candidates
        return tf.stack(list(found.poses.values()), axis=1), found.scores, visibility, candidates
