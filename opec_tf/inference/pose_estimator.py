"""A trained model on pictures and person boxes: crops in batches, one compiled forward pass, poses in image pixels.

Image files and frames in memory differ only in where their crops come from; what then happens to them is one function
for both, ``forward.estimate_crops``.
"""

import contextlib
import dataclasses
from typing import Optional

import numpy as np
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.common.progress import Progress
from opec_tf.data import image_files, inference_pipeline, pairing
from opec_tf.inference import association, forward, given_poses, pose_nms
from opec_tf.inference.forward import PEAK
from opec_tf.poses import geometry, images, skeletons
from opec_tf.poses.predictions import PosePredictions

# The base's candidates, assigned to all people of an image at once, where ``InferenceConfig.association`` asks for it.
ASSOCIATION = "association"


@dataclasses.dataclass(frozen=True)
class Estimates:
    """Poses of people in images.

    Attributes:
      predictions: pose name -> ``PosePredictions``, in the order in which the network makes them: "peak" (the base's
        decoded heatmap peak), "initial" or, where it was given, "given", "pose_1", "pose_2", "pose_3", "couple_1",
        "couple_2", "couple_3"; of a base alone only "peak", of an OPEC-Net those before the couple's. All share the
        joint scores, so that they differ in geometry alone. After "peak" comes, if asked for, "association", which has
        its candidates' scores.
      rows: pose name -> int64 [N], the row of the given boxes that each prediction belongs to.
      skipped: paths of the images that could not be read.
      visibility: float32 [N, K, 3], probabilities of skeletons.VISIBILITY_CLASSES for all given boxes, zeros for those
        that could not be estimated; None of a model that says nothing of visibility. All poses of a person share it.
    """

    predictions: dict
    rows: dict
    skipped: list
    visibility: Optional[np.ndarray] = None

    @property
    def final(self):
        """Name of the last, most refined pose."""
        return list(self.predictions)[-1]


def estimate_poses(
    model,
    image_paths,
    image_ids,
    image_index,
    boxes,
    *,
    model_config,
    box_margin,
    inference_config,
    strict=False,
    box_scores=None,
    poses=None,
    progress=True,
):
    """Estimates the pose in every box of some image files; see ``PoseEstimator``, which does it repeatedly."""
    batch_size = max(1, min(inference_config.inference_batch_size, len(boxes)))
    inference_config = dataclasses.replace(inference_config, inference_batch_size=batch_size)
    estimator = PoseEstimator(
        model, model_config=model_config, box_margin=box_margin, inference_config=inference_config
    )
    return estimator.estimate_files(
        image_paths,
        image_ids,
        image_index,
        boxes,
        strict=strict,
        box_scores=box_scores,
        poses=poses,
        progress=progress,
    )


class PoseEstimator:
    """A model with its decoding as one compiled function of a fixed batch size.

    A CoupleGraph pairs everybody with the person of the image whose box overlaps most. The people of an image then
    share a batch, so that each passes through the network once; if they are more than the batch size, their batch is as
    many times larger as they need.

    Args:
      model: from ``models.build_base``, ``build_opec_net`` or ``build_couple_net``. Its weights are read at each call,
        so that one estimator serves a model that is being trained.
      model_config: the ``ModelConfig`` it was built from.
      box_margin: side of a crop over side of its person's box (``DataConfig.box_margin``).
      inference_config: ``InferenceConfig``.
    """

    def __init__(self, model, *, model_config, box_margin, inference_config):
        self.model, self.box_margin, self.inference_config = model, box_margin, inference_config
        self.crop_size, self.crop_offset = model_config.crop_size, model_config.crop_offset
        self.batch_size = inference_config.inference_batch_size
        self.skeleton = skeletons.SKELETONS[model_config.skeleton]
        self._network_poses = forward.pose_names(model)
        between = [ASSOCIATION] if inference_config.association else []
        self.pose_names = (PEAK, *between, *self._network_poses[1:])
        self.in_pairs = forward.takes_partners(model)
        batch_size = None if self.in_pairs else self.batch_size
        crops = tf.TensorSpec([batch_size, *self.crop_size, 3], tf.float32)
        affines, partner = tf.TensorSpec([batch_size, 2, 3], tf.float32), tf.TensorSpec([batch_size], tf.int32)
        given = tf.TensorSpec([batch_size, self.skeleton.num_joints, 3], tf.float32)
        self._estimate = tf.function(
            self._estimate_batch, input_signature=[crops, affines, partner, given], autograph=False
        )
        frame, affines = tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([None, 2, 3], tf.float32)
        self._crop = tf.function(
            lambda frame, affines: images.crop(frame, affines, self.crop_size, self.crop_offset),
            input_signature=[frame, affines],
            autograph=False,
        )

    def estimate_files(
        self, image_paths, image_ids, image_index, boxes, *, strict=False, box_scores=None, poses=None, progress=True
    ):
        """Estimates the pose in every box of some image files.

        Args:
          image_paths: [M] paths; a file that cannot be read is listed in the result and its people are left out.
          image_ids: int [M].
          image_index: int [N], the row of the image each box is in.
          boxes: float [N, 4], (x, y, w, h) in image pixels.
          strict: an image that cannot be read is an error.
          box_scores: float [N], a detector's scores. They multiply the people's scores, and of two people of an image
            that are one (``InferenceConfig.pose_nms``) only the better remains. With ``poses`` they are the people's
            scores as they are, and everybody remains: the system they come from has chosen already.
          poses: float [N, K, 3], (x, y, score), the poses to start from, for a network that refines given ones.
          progress: report to stderr.

        Returns:
          ``Estimates``.

        Raises:
          UserError: an image cannot be read, under ``strict``.
        """
        batches = ()
        if len(boxes):
            batches = inference_pipeline.crop_dataset(
                image_paths,
                image_index,
                boxes,
                crop_size=self.crop_size,
                box_margin=self.box_margin,
                batch_size=self.batch_size,
                strict=strict,
                whole_images=self.in_pairs,
                crop_offset=self.crop_offset,
            )
        naming = image_files.naming_unreadable(image_paths) if strict else contextlib.nullcontext()
        with naming, Progress("estimating poses", "people", len(boxes), enabled=progress) as meter:
            found = self._run(batches, image_index, boxes, poses, meter)
        skipped = list(dict.fromkeys(str(image_paths[i]) for i in np.asarray(image_index)[~found[-1]]))
        image_ids = np.asarray(image_ids)[image_index]
        if poses is None:
            return self._assemble(found, image_ids, boxes, box_scores, skipped)
        return given_poses.with_scores(self._assemble(found, image_ids, boxes, None, skipped), box_scores)

    def estimate_frames(self, frames, frame_ids, frame_index, boxes, box_scores=None, poses=None):
        """Estimates the pose in every box of pictures in memory.

        Args:
          frames: RGB uint8 [h, w, 3] each, of any sizes.
          frame_ids, frame_index, boxes, box_scores, poses: as ``estimate_files`` has them; people ordered by frame.

        Returns:
          ``Estimates``.
        """
        found = self._run(self._frame_batches(frames, frame_index, boxes), frame_index, boxes, poses)
        image_ids = np.asarray(frame_ids)[frame_index]
        if poses is None:
            return self._assemble(found, image_ids, boxes, box_scores, [])
        return given_poses.with_scores(self._assemble(found, image_ids, boxes, None, []), box_scores)

    def _estimate_batch(self, crops, crop_to_image, partner, given):
        """crops [B, H, W, 3], affines [B, 2, 3], partners' rows [B], given poses [B, K, 3] -> image points [B, P, K, 2]
        of the P poses, joint scores [B, K], visibility [B, K, 3 or 0], joint candidates [B, K, M or 0, 3]."""
        found = forward.estimate_crops(
            self.model,
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

    def _frame_batches(self, frames, frame_index, boxes):
        """Batches of the form of ``inference_pipeline.crop_dataset``."""
        affines = geometry.crop_affine(np.asarray(boxes, np.float32).reshape(-1, 4), self.crop_size, self.box_margin)
        frame_index = np.asarray(frame_index)
        starts = np.arange(0, len(boxes), self.batch_size)
        if self.in_pairs:
            first_of_frame = np.flatnonzero(np.diff(frame_index, prepend=-1))
            starts = first_of_frame[pairing.pack(np.diff([*first_of_frame, len(boxes)]), self.batch_size)[:-1]]
        for start, end in zip(starts, [*starts[1:], len(boxes)]):
            rows = np.arange(start, end)
            # People are ordered by frame, so a frame's crops of this batch are neighbours.
            in_batch = frame_index[rows]
            batch_affines = affines[rows[0] : rows[-1] + 1]
            crops = [self._crop(frames[i], tf.boolean_mask(batch_affines, in_batch == i)) for i in np.unique(in_batch)]
            yield {"crops": tf.concat(crops, axis=0), "crop_to_image": batch_affines, "row": rows}

    def _run(self, batches, image_index, boxes, poses=None, meter=None):
        """Estimates batches -> what ``_estimate_batch`` gives of all N people, and which people were in a batch [N]."""
        image_index, boxes = np.asarray(image_index), np.asarray(boxes)
        num_people, joints = len(boxes), self.skeleton.num_joints
        count = self.inference_config.association_candidates if self.inference_config.association else 0
        points = np.zeros([num_people, len(self._network_poses), joints, 2], np.float32)
        candidates = np.zeros([num_people, joints, count, 3], np.float32)
        classes = len(skeletons.VISIBILITY_CLASSES) if forward.gives_visibility(self.model) else 0
        visibility = np.zeros([num_people, joints, classes], np.float32)
        scores, done = np.zeros([num_people, joints], np.float32), np.zeros([num_people], bool)
        for batch in batches:
            rows = np.asarray(batch["row"])
            # The last batch is filled up, so that the function is traced and compiled once.
            missing = -len(rows) % self.batch_size
            crops = tf.pad(batch["crops"], [[0, missing], [0, 0], [0, 0], [0, 0]])
            # An affine of ones and zeros, since of one of zeros there is no inverse.
            crop_to_image = tf.concat([batch["crop_to_image"], tf.eye(2, 3, [missing])], axis=0)
            partner = np.full([len(rows) + missing], -1, np.int32)
            if self.in_pairs:
                partner[: len(rows)] = pairing.partners(boxes[rows], image_index[rows])
            given = np.zeros([len(rows) + missing, joints, 3], np.float32)
            if poses is not None:
                given[: len(rows)] = poses[rows]
            estimated = self._estimate(crops, crop_to_image, partner, given)
            for array, found in zip((points, scores, visibility, candidates), estimated):
                array[rows] = found[: len(rows)]
            done[rows] = True
            if meter:
                meter.update(len(rows))
        if not np.isfinite(points).all():
            raise UserError("the model's poses are not finite numbers: its training has diverged; use other weights")
        return points, scores, visibility, candidates, done

    def _assemble(self, found, image_ids, boxes, box_scores, skipped):
        """``Estimates`` from what ``_run`` gives."""
        config, (points, joint_scores, visibility, candidates, done) = self.inference_config, found
        boxes, detected = np.asarray(boxes, np.float64).reshape(-1, 4), box_scores is not None
        box_scores = np.asarray(box_scores if detected else np.ones(len(boxes)), np.float32)
        person_scores = joint_scores.mean(axis=1) * box_scores
        predictions, rows = {}, {}
        for p, name in enumerate(self._network_poses):
            keypoints = np.concatenate([points[:, p], joint_scores[..., None]], axis=-1)
            keep = np.flatnonzero(done)
            if detected:
                keep, keypoints = pose_nms.suppress_duplicates(
                    keypoints,
                    person_scores,
                    boxes,
                    image_ids,
                    keep,
                    sigmas=self.skeleton.sigmas,
                    rule=config.pose_nms,
                    threshold=config.nms_oks,
                )
            predictions[name] = PosePredictions(image_ids[keep], keypoints[keep], person_scores[keep], boxes[keep])
            rows[name] = keep
            if name == PEAK and config.association:
                # Two boxes of one person would fight for its joints, so the duplicates have gone before.
                predictions[ASSOCIATION] = self._associate(candidates[keep], predictions[PEAK], box_scores[keep])
                rows[ASSOCIATION] = keep
        return Estimates(predictions, rows, skipped, visibility if visibility.shape[-1] else None)

    def _associate(self, candidates, peaks, box_scores):
        """The candidates [N, K, M, 3] of the people of ``PosePredictions`` assigned to them, as ``PosePredictions``."""
        # The first is the peak as pose NMS left it.
        candidates = np.concatenate([peaks.keypoints[:, :, None], candidates[:, :, 1:]], axis=2)
        areas, radius = peaks.boxes[:, 2] * peaks.boxes[:, 3], self.inference_config.association_radius
        keypoints = association.associate_images(
            candidates, peaks.scores, areas, peaks.image_ids, self.skeleton.sigmas, radius
        )
        return dataclasses.replace(peaks, keypoints=keypoints, scores=keypoints[..., 2].mean(axis=1) * box_scores)
