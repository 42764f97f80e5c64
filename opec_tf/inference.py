"""A trained model on pictures and person boxes: crops in batches, one compiled forward pass, poses in image pixels.

Image files and frames in memory differ only in where their crops come from; the forward pass, the flip test, decoding
and the way back to the image are one function for both.
"""

import contextlib
import dataclasses
from typing import Optional

import numpy as np
import tensorflow as tf

from opec_tf import association, decoding, geometry, given_poses, images, models, pose_nms, skeletons
from opec_tf.data import image_files, pairing, pipeline
from opec_tf.errors import UserError
from opec_tf.evaluation.predictions import PosePredictions
from opec_tf.progress import Progress

# Name of a pose in tables and files -> the model's output. The base's decoded peak is computed here, for every model.
PEAK = "peak"
# Its candidates, assigned to all people of an image at once, where ``InferenceConfig.association`` asks for it.
ASSOCIATION = "association"
_POSE_OUTPUTS = {
    output.replace("_pose", ""): output
    for output in (models.GIVEN_OUTPUT, *models.POSE_OUTPUTS, *models.COUPLE_OUTPUTS)
}


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
    model, image_paths, image_ids, image_index, boxes, *, model_config, box_margin, inference_config,
    strict=False, box_scores=None, poses=None, progress=True,
):  # fmt: skip
    """Estimates the pose in every box of some image files; see ``PoseEstimator``, which does it repeatedly."""
    batch_size = max(1, min(inference_config.inference_batch_size, len(boxes)))
    inference_config = dataclasses.replace(inference_config, inference_batch_size=batch_size)
    estimator = PoseEstimator(
        model, model_config=model_config, box_margin=box_margin, inference_config=inference_config
    )
    return estimator.estimate_files(
        image_paths, image_ids, image_index, boxes,
        strict=strict, box_scores=box_scores, poses=poses, progress=progress,
    )  # fmt: skip


def pose_names(model):
    """The poses that a model gives, from the base's decoded peak to the final one."""
    outputs = set(model.output)
    if models.GIVEN_OUTPUT in outputs:  # the initial pose then only fills gaps
        outputs.remove("initial_pose")
    return (PEAK, *(name for name, output in _POSE_OUTPUTS.items() if output in outputs))


def gives_visibility(model):
    """Whether a model says of each joint how visible it is."""
    return models.VISIBILITY_OUTPUT in model.output


def estimate_crops(
    model, crops, crop_to_image, *, skeleton, inference_config, crop_offset=0.0, partner=None, given=None
):
    """The forward pass, the flip test, decoding and the way back to the image: TensorFlow operations only.

    Prediction and the exported model both call this function.

    Args:
      model: from ``models.build_base`` or ``build_opec_net``; or CoupleGraph, whose input is a dict.
      crops: [B, H, W, 3], RGB, 0..255.
      crop_to_image: float32 [B, 2, 3], the crops' affines.
      skeleton: the model's ``Skeleton``.
      inference_config: ``InferenceConfig``.
      crop_offset: see ``images.crop``, with which the crops were made.
      partner: int32 [B], the row of each person's partner, -1 for none; by default nobody has one. Only CoupleGraph
        looks at it.
      given: float32 [B, K, 3], (x, y, score), image pixels, the poses to start from; by default none is known. Only a
        network that refines given poses looks at it.

    Returns:
      poses: pose name -> float32 [B, K, 2], image pixels, in the order of ``pose_names``.
      scores: float32 [B, K], 0..1.
      visibility: float32 [B, K, 3], probabilities of skeletons.VISIBILITY_CLASSES; None where the model gives none.
    """
    crop_size = tuple(crops.shape[1:3])
    mirrored = images.mirror(crops, crop_offset) if inference_config.flip_test else None
    outputs = _forward(model, crops, crop_to_image, partner, given, skeleton, mirrored)
    return _decode(outputs, crop_to_image, crop_size, inference_config)


def _decode(outputs, crop_to_image, crop_size, inference_config):
    """What ``estimate_crops`` returns, of the outputs of ``_forward``."""
    peaks, scores = decoding.decode_peaks(outputs["base_heatmaps"], inference_config.peak_refinement)
    poses = {PEAK: peaks, **{name: outputs[output] for name, output in _POSE_OUTPUTS.items() if output in outputs}}
    poses = {name: geometry.normalized_to_image(crop_to_image, pose, crop_size) for name, pose in poses.items()}
    return poses, tf.clip_by_value(scores, 0.0, 1.0), outputs.get(models.VISIBILITY_OUTPUT)


def _decode_candidates(heatmaps, crop_to_image, crop_size, inference_config):
    """Heatmaps [B, h, w, K] -> joint candidates [B, K, M, 3], (x, y, score), image pixels."""
    points, scores = decoding.decode_candidates(
        heatmaps, inference_config.peak_refinement, inference_config.association_candidates
    )
    points = geometry.normalized_to_image(crop_to_image[:, None], points, crop_size)
    return tf.concat([points, tf.clip_by_value(scores, 0.0, 1.0)[..., None]], axis=-1)


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
        self._network_poses = pose_names(model)
        between = [ASSOCIATION] if inference_config.association else []
        self.pose_names = (PEAK, *between, *self._network_poses[1:])
        self.in_pairs = _takes_partners(model)
        batch_size = None if self.in_pairs else self.batch_size
        crops = tf.TensorSpec([batch_size, *self.crop_size, 3], tf.float32)
        affines, partner = tf.TensorSpec([batch_size, 2, 3], tf.float32), tf.TensorSpec([batch_size], tf.int32)
        given = tf.TensorSpec([batch_size, self.skeleton.num_joints, 3], tf.float32)
        self._estimate = tf.function(self._estimate_batch, input_signature=[crops, affines, partner, given])
        frame, affines = tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([None, 2, 3], tf.float32)
        self._crop = tf.function(
            lambda frame, affines: images.crop(frame, affines, self.crop_size, self.crop_offset),
            input_signature=[frame, affines],
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
            batches = pipeline.crop_dataset(
                image_paths, image_index, boxes,
                crop_size=self.crop_size, box_margin=self.box_margin, batch_size=self.batch_size, strict=strict,
                whole_images=self.in_pairs, crop_offset=self.crop_offset,
            )  # fmt: skip
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
        of the P poses, joint scores [B, K], visibility [B, K, 3], 0 classes of a model that gives
        none, joint candidates [B, K, M, 3], M = 0 unless association asks for them."""
        config = self.inference_config
        mirrored = images.mirror(crops, self.crop_offset) if config.flip_test else None
        outputs = _forward(self.model, crops, crop_to_image, partner, given, self.skeleton, mirrored)
        poses, scores, visibility = _decode(outputs, crop_to_image, self.crop_size, config)
        nothing = tf.shape(scores)[0], scores.shape[1], 0
        candidates = tf.zeros([*nothing, 3])
        if visibility is None:
            visibility = tf.zeros(nothing)
        if config.association:
            candidates = _decode_candidates(outputs["base_heatmaps"], crop_to_image, self.crop_size, config)
        return tf.stack(list(poses.values()), axis=1), scores, visibility, candidates

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

    def _run(self, batches, image_index, boxes, poses=None, meter=None):
        """Estimates batches -> what ``_estimate_batch`` gives of all N people, and which people were in a batch [N]."""
        image_index, boxes = np.asarray(image_index), np.asarray(boxes)
        num_people, joints = len(boxes), self.skeleton.num_joints
        count = self.inference_config.association_candidates if self.inference_config.association else 0
        points = np.zeros([num_people, len(self._network_poses), joints, 2], np.float32)
        candidates = np.zeros([num_people, joints, count, 3], np.float32)
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
            given = np.zeros([len(rows) + missing, joints, 3], np.float32)
            if poses is not None:
                given[: len(rows)] = poses[rows]
            estimated = self._estimate(crops, crop_to_image, partner, given)
            for array, found in zip((points, scores, visibility, candidates), estimated):
                array[rows] = found[: len(rows)]
            done[rows] = True
            if meter:
                meter.advance(len(rows))
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
                    keypoints, person_scores, boxes, image_ids, keep,
                    sigmas=self.skeleton.sigmas, rule=config.pose_nms, threshold=config.nms_oks,
                )  # fmt: skip
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


def _forward(model, crops, crop_to_image, partner, given, skeleton, mirrored_crops):
    """The outputs that are decoded; with mirrored crops (the flip test) the mean with theirs."""
    if given is None:
        given = tf.zeros([tf.shape(crops)[0], skeleton.num_joints, 3])
    outputs = _run_network(model, crops, crop_to_image, partner, given)
    if mirrored_crops is None:
        return outputs
    mirrored_affines = geometry.mirror_affine(crop_to_image, tuple(crops.shape[1:3]))
    swap = skeleton.flip_order
    mirrored = _run_network(model, mirrored_crops, mirrored_affines, partner, tf.gather(given, swap, axis=1))
    heatmaps = tf.gather(tf.reverse(mirrored.pop("base_heatmaps"), [2]), swap, axis=3)
    back = {name: tf.gather(value, swap, axis=1) for name, value in mirrored.items()}
    back.update({name: value * [-1.0, 1.0] for name, value in back.items() if name != models.VISIBILITY_OUTPUT})
    back["base_heatmaps"] = heatmaps
    return {name: (value + back[name]) / 2.0 for name, value in outputs.items()}


def _run_network(model, crops, crop_to_image, partner, given):
    """The outputs of the model that are decoded, visibility as probabilities."""
    outputs = model(_inputs(model, crops, crop_to_image, partner, given), training=False)
    kept = {name: outputs[name] for name in ("base_heatmaps", *(_POSE_OUTPUTS[name] for name in pose_names(model)[1:]))}
    if gives_visibility(model):
        kept[models.VISIBILITY_OUTPUT] = tf.nn.softmax(outputs[models.VISIBILITY_OUTPUT])
    return kept


def _takes_partners(model):
    return isinstance(model.input, dict) and "partner" in model.input


def _inputs(model, crops, crop_to_image, partner, given):
    """What the model takes: the crops, or a dict: CoupleGraph's says who belongs to whom and where they are, that of a
    network which refines given poses has these in the crops' frames."""
    if not isinstance(model.input, dict):
        return crops
    inputs = {"crops": crops}
    if "partner" in model.input:
        partner = tf.fill(tf.shape(crops)[:1], -1) if partner is None else partner
        inputs.update(crop_to_image=crop_to_image, partner=partner)
    if "given_pose" in model.input:
        points = geometry.image_to_normalized(crop_to_image, given[..., :2], tuple(crops.shape[1:3]))
        inputs.update(given_pose=points, given_score=given[..., 2])
    return inputs
