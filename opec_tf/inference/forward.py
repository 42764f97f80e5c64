"""Crops to poses in image pixels: forward pass, flip test, decoding, TensorFlow operations only.

Prediction and the exported graph both call ``estimate_crops``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import tensorflow as tf

from opec_tf.config import InferenceConfig
from opec_tf.inference import association
from opec_tf.models import output_names
from opec_tf.poses import decoding, geometry, images
from opec_tf.poses.skeletons import Skeleton

Tensors = dict[str, tf.Tensor]

# Name of a pose in tables and files -> the model's output. The base's decoded peak is computed here, for every model.
PEAK = "peak"
_POSE_OUTPUTS = {
    output.replace("_pose", ""): output
    for output in (
        output_names.GIVEN_OUTPUT,
        *output_names.POSE_OUTPUTS,
        output_names.SECOND_LOOK_OUTPUTS[-1],
        *output_names.COUPLE_OUTPUTS,
    )
}
# What a mirror does not move.
_NO_PLACES = (output_names.VISIBILITY_OUTPUT, output_names.PAIR_LOGITS_OUTPUT)
# Places of one joint nearer than this are one; normalised crop units. It lies between the cell by which a mirror may
# move a peak (0.08 of a map 24 wide) and the three by which two peaks of a map differ at least.
_ONE_PLACE = 0.15


class CropPoses(NamedTuple):
    """What a model says of B people.

    Attributes:
      poses: pose name -> float32 [B, K, 2], image pixels, in the order of ``pose_names``.
      scores: float32 [B, K], 0..1.
      visibility: float32 [B, K, 3], probabilities of skeletons.VISIBILITY_CLASSES; None where the model gives none.
      candidates: float32 [B, K, M, 3], (x, y, score), image pixels, the places where the base's heatmaps peak; None
        unless ``InferenceConfig.association`` needs them.
    """

    poses: Tensors
    scores: tf.Tensor
    visibility: tf.Tensor | None
    candidates: tf.Tensor | None


def pose_names(model: tf.keras.Model) -> tuple[str, ...]:
    """The poses that a model gives, from the base's decoded peak to the final one."""
    outputs = set(model.output)
    if output_names.GIVEN_OUTPUT in outputs:  # the initial pose then only fills gaps
        outputs.remove("initial_pose")
    return (PEAK, *(name for name, output in _POSE_OUTPUTS.items() if output in outputs))


def answered_poses(names: Iterable[str]) -> tuple[str, str]:
    """Of the poses that a model gives, those that an exported one answers: what it starts from, and the last one."""
    *_, final = names = tuple(names)
    return next((name for name in ("given", "initial") if name in names), final), final


def answers(found: CropPoses) -> Tensors:
    """What an exported model answers about B people: keypoints and initial_keypoints [B, K, 3], (x, y, score),
    pose_score [B] and, of a model that gives it, visibility [B, K, 3]; see ``serving.signatures``."""
    initial, final = answered_poses(found.poses)
    said = {
        "keypoints": tf.concat([found.poses[final], found.scores[..., None]], axis=-1),
        "initial_keypoints": tf.concat([found.poses[initial], found.scores[..., None]], axis=-1),
        "pose_score": tf.reduce_mean(found.scores, axis=-1),
    }
    return said if found.visibility is None else {**said, "visibility": found.visibility}


def gives_visibility(model: tf.keras.Model) -> bool:
    """Whether a model says of each joint how visible it is."""
    return output_names.VISIBILITY_OUTPUT in model.output


def takes_partners(model: tf.keras.Model) -> bool:
    """Whether a model wants to know who is whose partner, as the CoupleGraph does."""
    return isinstance(model.input, dict) and "partner" in model.input


def takes_poses(model: tf.keras.Model) -> bool:
    """Whether a model wants to know the poses to start from."""
    return isinstance(model.input, dict) and "given_pose" in model.input


def estimate_crops(
    model: tf.keras.Model,
    crops: tf.Tensor,
    crop_to_image: tf.Tensor,
    *,
    skeleton: Skeleton,
    inference_config: InferenceConfig,
    crop_offset: float = 0.0,
    partner: tf.Tensor | None = None,
    given: tf.Tensor | None = None,
) -> CropPoses:
    """The forward pass, the flip test, decoding and the way back to the image.

    Args:
      model: from ``builders.build_base`` or ``build_opec_net``; or CoupleGraph, whose input is a dict.
      crops: [B, H, W, 3], RGB, 0..255.
      crop_to_image: float32 [B, 2, 3], the crops' affines.
      skeleton: the model's.
      crop_offset: see ``images.crop``, with which the crops were made.
      partner: int32 [B], the row of each person's partner, -1 for none; by default nobody has one. Only CoupleGraph
        looks at it.
      given: float32 [B, K, 3], (x, y, score), image pixels, the poses to start from; by default none is known. Only a
        network that refines given poses looks at it.
    """
    crop_size = tuple(crops.shape[1:3])
    mirrored = images.mirror(crops, crop_offset) if inference_config.flip_test else None
    outputs = _forward(model, crops, crop_to_image, partner, given, skeleton, mirrored)
    heatmaps = outputs["base_heatmaps"]
    peaks, scores = decoding.decode_peaks(heatmaps, inference_config.peak_refinement, inference_config.peak_smoothing)
    poses = {PEAK: peaks, **{name: outputs[output] for name, output in _POSE_OUTPUTS.items() if output in outputs}}
    poses = {name: geometry.normalized_to_image(crop_to_image, pose, crop_size) for name, pose in poses.items()}
    candidates = None
    if inference_config.association:
        candidates = _candidates(heatmaps, crop_to_image, crop_size, inference_config)
    return CropPoses(poses, tf.clip_by_value(scores, 0.0, 1.0), outputs.get(output_names.VISIBILITY_OUTPUT), candidates)


def _candidates(
    heatmaps: tf.Tensor, crop_to_image: tf.Tensor, crop_size: tuple[int, int], inference_config: InferenceConfig
) -> tf.Tensor:
    """Heatmaps [B, h, w, K] -> joint candidates [B, K, M, 3], (x, y, score), image pixels."""
    points, scores = decoding.decode_candidates(
        heatmaps,
        inference_config.peak_refinement,
        association.CANDIDATES,
        smoothing=inference_config.peak_smoothing,
    )
    points = geometry.normalized_to_image(crop_to_image[:, None], points, crop_size)
    return tf.concat([points, tf.clip_by_value(scores, 0.0, 1.0)[..., None]], axis=-1)


def _forward(
    model: tf.keras.Model,
    crops: tf.Tensor,
    crop_to_image: tf.Tensor,
    partner: tf.Tensor | None,
    given: tf.Tensor | None,
    skeleton: Skeleton,
    mirrored_crops: tf.Tensor | None,
) -> Tensors:
    """The outputs that are decoded; with mirrored crops (the flip test) the mean with theirs."""
    if given is None:
        given = tf.zeros([tf.shape(crops)[0], skeleton.num_joints, 3])
    if partner is None:
        partner = tf.fill(tf.shape(crops)[:1], -1)
    outputs = _run_network(model, crops, crop_to_image, partner, given)
    if mirrored_crops is None:
        return outputs
    mirrored_affines = geometry.mirror_affine(crop_to_image, tuple(crops.shape[1:3]))
    swap = skeleton.flip_order
    mirrored = _run_network(model, mirrored_crops, mirrored_affines, partner, tf.gather(given, swap, axis=1))
    heatmaps = tf.gather(tf.reverse(mirrored.pop("base_heatmaps"), [2]), swap, axis=3)
    back = {name: tf.gather(value, swap, axis=1) for name, value in mirrored.items()}
    back.update({name: value * [-1.0, 1.0] for name, value in back.items() if name not in _NO_PLACES})
    back["base_heatmaps"] = heatmaps
    mean = {name: (value + back[name]) / 2.0 for name, value in outputs.items()}
    if output_names.PAIR_LOGITS_OUTPUT in outputs:
        last = output_names.COUPLE_OUTPUTS[-1]
        mean[last] = tf.where(partner[:, None, None] >= 0, _choice(outputs, back, partner), mean[last])
    return mean


def _choice(outputs: Tensors, back: Tensors, partner: tf.Tensor) -> tf.Tensor:
    """The couples' last pose, float32 [B, K, 2], chosen as ``PairChoice`` does by the mean of two passes' scores.

    The mean of what each pass chooses would lie between two people where they choose different ones. The alternatives
    are those of the plain pass. Candidates are ordered by their height, which differs between the passes, so those of
    the mirrored pass (``back``) are found by their places: it scores a place as the best of what it has there, and one
    where it has nothing as low as any.
    """
    places, others = outputs[output_names.ALTERNATIVES_OUTPUT], back[output_names.ALTERNATIVES_OUTPUT]
    distance = tf.norm(places[:, :, :, None] - others[:, :, None], axis=-1)
    # A partner's alternatives are found in the partner's own crop.
    is_there = distance < _ONE_PLACE
    partner_is_there = tf.gather(is_there, tf.maximum(partner, 0))
    scores = back[output_names.PAIR_LOGITS_OUTPUT]
    lowest = tf.reduce_min(scores, axis=(2, 3), keepdims=True)
    scores = tf.reduce_max(tf.where(is_there[..., None], scores[:, :, None], lowest[..., None]), axis=3)
    scores = tf.reduce_max(tf.where(partner_is_there[:, :, None], scores[:, :, :, None], lowest[..., None]), axis=4)
    scores = (outputs[output_names.PAIR_LOGITS_OUTPUT] + scores) / 2.0

    joints, count = places.shape[1:3]
    likeliest = tf.argmax(tf.reshape(scores, [-1, joints, count**2]), axis=-1, output_type=tf.int32)
    return tf.gather(_averaged(places, others, distance), likeliest // count, axis=2, batch_dims=2)


def _averaged(places: tf.Tensor, others: tf.Tensor, distance: tf.Tensor) -> tf.Tensor:
    """Each of one pass's places [B, K, A, 2] at the mean with the nearest of the other's, where the two are one place.

    The refined joint, the first alternative, is rather the other pass's refined joint than a peak as near.
    """
    is_peak = tf.range(places.shape[2]) > 0
    other_kind = tf.cast(is_peak[:, None] != is_peak, tf.float32)
    nearest = tf.argmin(distance + _ONE_PLACE * other_kind, axis=-1, output_type=tf.int32)
    is_same = tf.gather(distance, nearest, axis=3, batch_dims=3) < _ONE_PLACE
    others = tf.gather(others, nearest, axis=2, batch_dims=2)
    return tf.where(is_same[..., None], (places + others) / 2.0, places)


def _run_network(
    model: tf.keras.Model, crops: tf.Tensor, crop_to_image: tf.Tensor, partner: tf.Tensor, given: tf.Tensor
) -> Tensors:
    """The outputs of the model that are decoded, visibility as probabilities."""
    outputs = model(_inputs(model, crops, crop_to_image, partner, given), training=False)
    names = ["base_heatmaps", *(_POSE_OUTPUTS[name] for name in pose_names(model)[1:])]
    names += [name for name in (output_names.ALTERNATIVES_OUTPUT, output_names.PAIR_LOGITS_OUTPUT) if name in outputs]
    kept = {name: outputs[name] for name in names}
    if gives_visibility(model):
        kept[output_names.VISIBILITY_OUTPUT] = tf.nn.softmax(outputs[output_names.VISIBILITY_OUTPUT])
    return kept


def _inputs(
    model: tf.keras.Model, crops: tf.Tensor, crop_to_image: tf.Tensor, partner: tf.Tensor, given: tf.Tensor
) -> tf.Tensor | Tensors:
    """What the model takes: the crops, or a dict: CoupleGraph's says who belongs to whom and where they are, that of a
    network which refines given poses has these in the crops' frames."""
    if not isinstance(model.input, dict):
        return crops
    inputs = {"crops": crops}
    if takes_partners(model):
        inputs.update(crop_to_image=crop_to_image, partner=partner)
    if takes_poses(model):
        points = geometry.image_to_normalized(crop_to_image, given[..., :2], tuple(crops.shape[1:3]))
        inputs.update(given_pose=points, given_score=given[..., 2])
    return inputs
