"""What the exported graph refuses: a model server does not hold a request to the shapes of a signature, nor to values.

Every refusal is INVALID_ARGUMENT with a sentence that a client understands.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

# Beyond this, float32 no longer tells the pixels' fractions apart.
_LARGEST_COORDINATE = 1e5


def of_any_shape(tensor: tf.Tensor) -> tf.Tensor:
    """The tensor, its shape forgotten, so that TensorFlow does not settle the checks of it when the graph is made."""
    return tf.compat.v1.placeholder_with_default(tensor, None)


def checked(image_bytes: tf.Tensor, boxes: tf.Tensor, expected: str) -> tuple[tf.Tensor, tf.Tensor]:
    """The inputs, once their shapes are what the signature says and their first dimensions agree."""
    any_bytes, any_boxes = of_any_shape(image_bytes), of_any_shape(boxes)
    shape_refusals = [
        refuse_shape("image_bytes", any_bytes, "[B]", image_bytes.shape),
        refuse_shape("boxes", any_boxes, expected, boxes.shape),
    ]
    with tf.control_dependencies(shape_refusals):
        counts = tf.shape(any_bytes)[0], tf.shape(any_boxes)[0]
    message = "image_bytes and boxes must have the same first dimension; they have"
    with tf.control_dependencies([refuse_unless(counts[0] == counts[1], message, *counts)]):
        return tf.ensure_shape(any_bytes, image_bytes.shape), tf.ensure_shape(any_boxes, boxes.shape)


def checked_poses(keypoints: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
    """keypoints [B, N, K, 3] with scores cut off at 0 and 1, once they are those of the boxes [B, N, 4]."""
    any_keypoints = of_any_shape(keypoints)
    expected = f"[B, N, {keypoints.shape[2]}, 3]"
    with tf.control_dependencies([refuse_shape("keypoints", any_keypoints, expected, keypoints.shape)]):
        counts = tf.shape(boxes)[:2], tf.shape(any_keypoints)[:2]
    message = "boxes and keypoints must have the same first two dimensions; they have"
    refusals = [
        refuse_unless(tf.reduce_all(counts[0] == counts[1]), message, *counts),
        *_refusals_of_numbers("keypoints", any_keypoints, "; give a joint that was not found a score of 0"),
    ]
    with tf.control_dependencies(refusals):
        keypoints = tf.ensure_shape(any_keypoints, keypoints.shape)
    return tf.concat([keypoints[..., :2], tf.clip_by_value(keypoints[..., 2:], 0.0, 1.0)], axis=-1)


def refuse_shape(name: str, tensor: tf.Tensor, expected: str, static_shape: Sequence[int | None]) -> tf.Operation:
    """Refuses a tensor whose shape is not a static one's."""
    any_size, nothing = -1, -2
    # Compared at equal length, one longer than it may be, so that a wrong rank is an answer too. tf.rank would not do:
    # the optimiser of the graph knows the signature's rank and removes the check.
    shape, length = tf.shape(tensor), len(static_shape) + 1
    padded = tf.concat([shape, tf.fill([length], nothing)], axis=0)[:length]
    wanted = tf.constant([*(any_size if size is None else size for size in static_shape), nothing])
    fits = tf.reduce_all((wanted == padded) | ((wanted == any_size) & (padded != nothing)))
    return refuse_unless(fits, f"{name} must have the shape {expected}; it has", shape)


def refusals_of_boxes(boxes: tf.Tensor, present: tf.Tensor) -> list[tf.Operation]:
    """Refuses boxes [..., 4] that are no boxes; where ``present`` [...] is False there is none to be wrong."""
    finite = tf.math.is_finite(boxes)
    extent = tf.where(present[..., None], boxes[..., 2:], 1.0)
    return [
        *_refusals_of_numbers("boxes", boxes),
        refuse_unless(
            tf.reduce_all((extent > 0.0) | ~finite[..., 2:]),
            "boxes holds a box without area; give (x, y, w, h) with w and h above 0",
        ),
    ]


def _refusals_of_numbers(name: str, values: tf.Tensor, remedy: str = "") -> list[tf.Operation]:
    """Refuses what is not finite, or no place in a picture."""
    finite = tf.math.is_finite(values)
    return [
        refuse_unless(tf.reduce_all(finite), f"{name} holds NaN or infinity{remedy}"),
        refuse_unless(
            tf.reduce_all((tf.abs(values) <= _LARGEST_COORDINATE) | ~finite),
            f"{name} holds a number beyond {_LARGEST_COORDINATE:.0f} pixels",
        ),
    ]


def refuse_unless(condition: tf.Tensor, message: str, *data: tf.Tensor) -> tf.Operation:
    """An operation that fails with INVALID_ARGUMENT and the message where the condition, a scalar, is false."""
    return tf.debugging.Assert(condition, [message, *data], summarize=8)
