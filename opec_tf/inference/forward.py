"""Crops to poses in image pixels: forward pass, flip test, decoding, TensorFlow operations only.

Prediction and the exported graph both call ``estimate_crops``.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from opec_tf.models import builders
from opec_tf.poses import decoding, geometry, images

# Name of a pose in tables and files -> the model's output. The base's decoded peak is computed here, for every model.
PEAK = "peak"
_POSE_OUTPUTS = {
    output.replace("_pose", ""): output
    for output in (builders.GIVEN_OUTPUT, *builders.POSE_OUTPUTS, *builders.COUPLE_OUTPUTS)
}


class CropPoses(NamedTuple):
    """What a model says of B people.

    Attributes:
      poses: pose name -> float32 [B, K, 2], image pixels, in the order of ``pose_names``.
      scores: float32 [B, K], 0..1.
      visibility: float32 [B, K, 3], probabilities of skeletons.VISIBILITY_CLASSES; None where the model gives none.
      candidates: float32 [B, K, M, 3], (x, y, score), image pixels, the places where the base's heatmaps peak; None
        unless ``InferenceConfig.association`` needs them.
    """

    poses: dict
    scores: Any
    visibility: Any
    candidates: Any


def pose_names(model):
    """The poses that a model gives, from the base's decoded peak to the final one."""
    outputs = set(model.output)
    if builders.GIVEN_OUTPUT in outputs:  # the initial pose then only fills gaps
        outputs.remove("initial_pose")
    return (PEAK, *(name for name, output in _POSE_OUTPUTS.items() if output in outputs))


def gives_visibility(model):
    """Whether a model says of each joint how visible it is."""
    return builders.VISIBILITY_OUTPUT in model.output


def takes_partners(model):
    """Whether a model wants to know who is whose partner, as the CoupleGraph does."""
    return isinstance(model.input, dict) and "partner" in model.input


def takes_poses(model):
    """Whether a model wants to know the poses to start from."""
    return isinstance(model.input, dict) and "given_pose" in model.input


def estimate_crops(
    model, crops, crop_to_image, *, skeleton, inference_config, crop_offset=0.0, partner=None, given=None
):
    """The forward pass, the flip test, decoding and the way back to the image.

    Args:
      model: from ``builders.build_base`` or ``build_opec_net``; or CoupleGraph, whose input is a dict.
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
      ``CropPoses``.
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
    return CropPoses(poses, tf.clip_by_value(scores, 0.0, 1.0), outputs.get(builders.VISIBILITY_OUTPUT), candidates)


def _candidates(heatmaps, crop_to_image, crop_size, inference_config):
    """Heatmaps [B, h, w, K] -> joint candidates [B, K, M, 3], (x, y, score), image pixels."""
    points, scores = decoding.decode_candidates(
        heatmaps,
        inference_config.peak_refinement,
        inference_config.association_candidates,
        smoothing=inference_config.peak_smoothing,
    )
    points = geometry.normalized_to_image(crop_to_image[:, None], points, crop_size)
    return tf.concat([points, tf.clip_by_value(scores, 0.0, 1.0)[..., None]], axis=-1)


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
    back.update({name: value * [-1.0, 1.0] for name, value in back.items() if name != builders.VISIBILITY_OUTPUT})
    back["base_heatmaps"] = heatmaps
    return {name: (value + back[name]) / 2.0 for name, value in outputs.items()}


def _run_network(model, crops, crop_to_image, partner, given):
    """The outputs of the model that are decoded, visibility as probabilities."""
    outputs = model(_inputs(model, crops, crop_to_image, partner, given), training=False)
    kept = {name: outputs[name] for name in ("base_heatmaps", *(_POSE_OUTPUTS[name] for name in pose_names(model)[1:]))}
    if gives_visibility(model):
        kept[builders.VISIBILITY_OUTPUT] = tf.nn.softmax(outputs[builders.VISIBILITY_OUTPUT])
    return kept


def _inputs(model, crops, crop_to_image, partner, given):
    """What the model takes: the crops, or a dict: CoupleGraph's says who belongs to whom and where they are, that of a
    network which refines given poses has these in the crops' frames."""
    if not isinstance(model.input, dict):
        return crops
    inputs = {"crops": crops}
    if takes_partners(model):
        partner = tf.fill(tf.shape(crops)[:1], -1) if partner is None else partner
        inputs.update(crop_to_image=crop_to_image, partner=partner)
    if takes_poses(model):
        points = geometry.image_to_normalized(crop_to_image, given[..., :2], tuple(crops.shape[1:3]))
        inputs.update(given_pose=points, given_score=given[..., 2])
    return inputs
