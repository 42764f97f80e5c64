"""A trained model on pictures and person boxes: crops in batches, one compiled forward pass, poses in image pixels.

Image files and frames in memory differ only in where their crops come from; the forward pass, the flip test, decoding
and the way back to the image are one function for both.
"""

import contextlib
import dataclasses
from typing import Optional

import numpy as np
import tensorflow as tf

from opec_tf import decoding, geometry, images, models, skeletons
from opec_tf.data import image_files, pairing, pipeline
from opec_tf.errors import UserError
from opec_tf.evaluation import oks
from opec_tf.evaluation.predictions import PosePredictions
from opec_tf.progress import Progress

# Name of a pose in tables and files -> the model's output. The base's decoded peak is computed here, for every model.
PEAK = "peak"
_POSE_OUTPUTS = {output.replace("_pose", ""): output for output in models.POSE_OUTPUTS + models.COUPLE_OUTPUTS}


@dataclasses.dataclass(frozen=True)
class Estimates:
    """Poses of people in images.

    Attributes:
      predictions: pose name -> ``PosePredictions``, in the order in which the network makes them: "peak" (the base's
        decoded heatmap peak), "initial", "pose_1", "pose_2", "pose_3", "couple_1", "couple_2", "couple_3"; of a base
        alone only "peak", of an OPEC-Net those before the couple's. All share the joint scores, so that they differ in
        geometry alone.
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
    model, image_paths, image_ids, image_index, boxes, *, model_config, box_margin, inference_config,
    strict=False, box_scores=None, progress=True,
):  # fmt: skip
    """Estimates the pose in every box of some image files; see ``PoseEstimator``, which does it repeatedly."""
    batch_size = max(1, min(inference_config.inference_batch_size, len(boxes)))
    inference_config = dataclasses.replace(inference_config, inference_batch_size=batch_size)
    estimator = PoseEstimator(
        model, model_config=model_config, box_margin=box_margin, inference_config=inference_config
    )
    return estimator.estimate_files(
        image_paths, image_ids, image_index, boxes, strict=strict, box_scores=box_scores, progress=progress
    )


def pose_names(model):
    """The poses that a model gives, from the base's decoded peak to the final one."""
    return (PEAK, *(name for name, output in _POSE_OUTPUTS.items() if output in model.output))


def gives_visibility(model):
    """Whether a model says of each joint how visible it is."""
    return models.VISIBILITY_OUTPUT in model.output


def estimate_crops(model, crops, crop_to_image, *, skeleton, inference_config, partner=None):
    """The forward pass, the flip test, decoding and the way back to the image: TensorFlow operations only.

    Prediction and the exported model both call this function.

    Args:
      model: from ``models.build_base`` or ``build_opec_net``; or CoupleGraph, whose input is a dict.
      crops: [B, H, W, 3], RGB, 0..255.
      crop_to_image: float32 [B, 2, 3], the crops' affines.
      skeleton: the model's ``Skeleton``.
      inference_config: ``InferenceConfig``.
      partner: int32 [B], the row of each person's partner, -1 for none; by default nobody has one. Only CoupleGraph
        looks at it.

    Returns:
      poses: pose name -> float32 [B, K, 2], image pixels, in the order of ``pose_names``.
      scores: float32 [B, K], 0..1.
      visibility: float32 [B, K, 3], probabilities of skeletons.VISIBILITY_CLASSES; None where the model gives none.
    """
    names = pose_names(model)
    crop_size = tuple(crops.shape[1:3])
    outputs = _forward(model, crops, crop_to_image, partner, names, skeleton, inference_config.flip_test)
    peaks, scores = decoding.decode_peaks(outputs["base_heatmaps"], inference_config.peak_refinement)
    poses = {PEAK: peaks, **{name: outputs[_POSE_OUTPUTS[name]] for name in names[1:]}}
    poses = {name: geometry.normalized_to_image(crop_to_image, pose, crop_size) for name, pose in poses.items()}
    return poses, tf.clip_by_value(scores, 0.0, 1.0), outputs.get(models.VISIBILITY_OUTPUT)


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
        self.crop_size = model_config.crop_size
        self.batch_size = inference_config.inference_batch_size
        self.skeleton = skeletons.SKELETONS[model_config.skeleton]
        self.pose_names = pose_names(model)
        self.in_pairs = _takes_partners(model)
        batch_size = None if self.in_pairs else self.batch_size
        crops = tf.TensorSpec([batch_size, *self.crop_size, 3], tf.float32)
        affines, partner = tf.TensorSpec([batch_size, 2, 3], tf.float32), tf.TensorSpec([batch_size], tf.int32)
        self._estimate = tf.function(self._estimate_batch, input_signature=[crops, affines, partner])
        frame, affines = tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([None, 2, 3], tf.float32)
        self._crop = tf.function(
            lambda frame, affines: images.crop(frame, affines, self.crop_size), input_signature=[frame, affines]
        )

    def estimate_files(
        self, image_paths, image_ids, image_index, boxes, *, strict=False, box_scores=None, progress=True
    ):
        """Estimates the pose in every box of some image files.

        Args:
          image_paths: [M] paths; a file that cannot be read is listed in the result and its people are left out.
          image_ids: int [M].
          image_index: int [N], the row of the image each box is in.
          boxes: float [N, 4], (x, y, w, h) in image pixels.
          strict: an image that cannot be read is an error.
          box_scores: float [N], a detector's scores. They multiply the people's scores, and of two people of an image
            that lie too close (``InferenceConfig.nms_oks``) only the better remains.
          progress: report to stderr.

        Returns:
          ``Estimates``.

        Raises:
          UserError: an image cannot be read, under ``strict``.
        """
        batches = ()
        if len(boxes):
            batches = pipeline.crop_dataset(
                image_paths, image_index, boxes,
                crop_size=self.crop_size, box_margin=self.box_margin, batch_size=self.batch_size, strict=strict,
                whole_images=self.in_pairs,
            )  # fmt: skip
        naming = image_files.naming_unreadable(image_paths) if strict else contextlib.nullcontext()
        with naming, Progress("estimating poses", "people", len(boxes), enabled=progress) as meter:
            points, scores, visibility, done = self._run(batches, image_index, boxes, meter)
        skipped = list(dict.fromkeys(str(image_paths[i]) for i in np.asarray(image_index)[~done]))
        image_ids = np.asarray(image_ids)[image_index]
        return self._assemble(points, scores, visibility, done, image_ids, boxes, box_scores, skipped)

    def estimate_frames(self, frames, frame_ids, frame_index, boxes, box_scores=None):
        """Estimates the pose in every box of pictures in memory.

        Args:
          frames: RGB uint8 [h, w, 3] each, of any sizes.
          frame_ids, frame_index, boxes, box_scores: as ``estimate_files`` has them; people ordered by frame.

        Returns:
          ``Estimates``.
        """
        batches = self._frame_batches(frames, frame_index, boxes)
        points, scores, visibility, done = self._run(batches, frame_index, boxes)
        image_ids = np.asarray(frame_ids)[frame_index]
        return self._assemble(points, scores, visibility, done, image_ids, boxes, box_scores, [])

    def _estimate_batch(self, crops, crop_to_image, partner):
        """crops [B, H, W, 3], affines [B, 2, 3], partners' rows [B] -> image points [B, P, K, 2] of the P poses, joint
        scores [B, K], visibility [B, K, 3]; [B, K, 0] of a model that gives none."""
        poses, scores, visibility = estimate_crops(
            self.model,
            crops,
            crop_to_image,
            skeleton=self.skeleton,
            inference_config=self.inference_config,
            partner=partner,
        )
        if visibility is None:
            visibility = tf.zeros([tf.shape(crops)[0], self.skeleton.num_joints, 0])
        return tf.stack(list(poses.values()), axis=1), scores, visibility

    def _frame_batches(self, frames, frame_index, boxes):
        """Batches of the form of ``pipeline.crop_dataset``."""
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

    def _run(self, batches, image_index, boxes, meter=None):
        """Estimates batches -> image points [N, P, K, 2], joint scores [N, K], visibility [N, K, 3], or [N, K, 0] of a
        model that gives none, and which people were in a batch [N]."""
        image_index, boxes = np.asarray(image_index), np.asarray(boxes)
        num_people, joints = len(boxes), self.skeleton.num_joints
        points = np.zeros([num_people, len(self.pose_names), joints, 2], np.float32)
        classes = len(skeletons.VISIBILITY_CLASSES) if gives_visibility(self.model) else 0
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
            estimated = self._estimate(crops, crop_to_image, partner)
            points[rows], scores[rows], visibility[rows] = (values[: len(rows)] for values in estimated)
            done[rows] = True
            if meter:
                meter.advance(len(rows))
        if not np.isfinite(points).all():
            raise UserError("the model's poses are not finite numbers: its training has diverged; use other weights")
        return points, scores, visibility, done

    def _assemble(self, points, joint_scores, visibility, done, image_ids, boxes, box_scores, skipped):
        """``Estimates`` from what ``_run`` gives."""
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        person_scores = joint_scores.mean(axis=1)
        if box_scores is not None:
            person_scores = person_scores * np.asarray(box_scores, np.float32)
        threshold = self.inference_config.nms_oks
        predictions, rows = {}, {}
        for p, name in enumerate(self.pose_names):
            keep = np.flatnonzero(done)
            if box_scores is not None:
                keep = suppress_duplicates(
                    points[:, p], person_scores, boxes, image_ids, keep, self.skeleton.sigmas, threshold
                )
            keypoints = np.concatenate([points[keep, p], joint_scores[keep, :, None]], axis=-1)
            predictions[name] = PosePredictions(image_ids[keep], keypoints, person_scores[keep], boxes[keep])
            rows[name] = keep
        return Estimates(predictions, rows, skipped, visibility if visibility.shape[-1] else None)


def _forward(model, crops, crop_to_image, partner, names, skeleton, flip_test):
    """The outputs that are decoded; under the flip test the mean with those of the mirrored crops."""
    kept = ["base_heatmaps", *(_POSE_OUTPUTS[name] for name in names[1:])]
    kept += [models.VISIBILITY_OUTPUT] if gives_visibility(model) else []
    outputs = _run_network(model, crops, crop_to_image, partner, kept)
    if not flip_test:
        return outputs
    mirrored_affines = geometry.mirror_affine(crop_to_image, tuple(crops.shape[1:3]))
    mirrored = _run_network(model, tf.reverse(crops, [2]), mirrored_affines, partner, kept)
    swap = skeleton.flip_order
    back = {name: tf.gather(mirrored[name], swap, axis=1) for name in kept[1:]}
    back.update({name: back[name] * [-1.0, 1.0] for name in back if name != models.VISIBILITY_OUTPUT})
    back["base_heatmaps"] = tf.gather(tf.reverse(mirrored["base_heatmaps"], [2]), swap, axis=3)
    return {name: (outputs[name] + back[name]) / 2.0 for name in kept}


def _run_network(model, crops, crop_to_image, partner, kept):
    """The kept outputs of the model, visibility as probabilities."""
    outputs = model(_inputs(model, crops, crop_to_image, partner), training=False)
    outputs = {name: outputs[name] for name in kept}
    if models.VISIBILITY_OUTPUT in kept:
        outputs[models.VISIBILITY_OUTPUT] = tf.nn.softmax(outputs[models.VISIBILITY_OUTPUT])
    return outputs


def _takes_partners(model):
    return isinstance(model.input, dict)


def _inputs(model, crops, crop_to_image, partner):
    """What the model takes: the crops, or CoupleGraph's dict, which says who belongs to whom and where they are."""
    if not _takes_partners(model):
        return crops
    if partner is None:
        partner = tf.fill(tf.shape(crops)[:1], -1)
    return {"crops": crops, "crop_to_image": crop_to_image, "partner": partner}


def suppress_duplicates(points, scores, boxes, image_ids, candidates, sigmas, threshold):
    """Drops the weaker of two people of one image whose OKS exceeds a threshold (greedy, best score first).

    Args:
      points: [N, K, 2], image pixels.
      scores: [N] people's scores.
      boxes: [N, 4], (x, y, w, h); the better person's box area is the OKS's.
      image_ids: [N].
      candidates: int [C], rows to consider.
      sigmas: [K], OKS sigmas.
      threshold: OKS above which two people are one.

    Returns:
      int64 [C'], the rows that remain, in ascending order.
    """
    kept = []
    areas = boxes[:, 2] * boxes[:, 3]
    order = candidates[np.argsort(image_ids[candidates], kind="stable")]
    for rows in np.split(order, np.flatnonzero(np.diff(image_ids[order])) + 1):
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        similar = oks.pairwise_oks(points[rows], points[rows], areas[rows], sigmas) > threshold
        alive = np.ones(len(rows), bool)
        for i in range(len(rows)):
            if alive[i]:
                alive[i + 1 :] &= ~similar[i, i + 1 :]
        kept.append(rows[alive])
    return np.sort(np.concatenate(kept)) if kept else candidates
