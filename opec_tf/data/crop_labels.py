"""The joints that a crop is labelled with: its person's, and those of others in it."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from opec_tf.data import interference
from opec_tf.poses import geometry
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.skeletons import UNKNOWN, UNLABELLED, VISIBILITY_CLASSES


def label_table(
    annotations: PoseAnnotations, everybody: PoseAnnotations | None, crop_size: tuple[int, int], box_margin: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """The labels (x, y, v, class of visibility) of all people and, last, of nobody, float32 [P + 1, K, 4]; and the rows
    in it of each person and of the M others in the person's crop, int32 [N, 1 + M], M = 0 without ``everybody``."""
    tables = [annotations] if everybody is None else [annotations, everybody]
    labels = [np.concatenate([table.keypoints, table.visibility[..., None]], axis=-1) for table in tables]
    nobody = np.tile([0.0, 0.0, UNLABELLED, UNKNOWN], [1, annotations.skeleton.num_joints, 1])
    rows = np.arange(annotations.num_people)[:, None]
    if everybody is not None:
        others = interference.others_in_crops(annotations, everybody, crop_size, box_margin)
        rows = np.concatenate([rows, annotations.num_people + others], axis=1)
    return tf.constant(np.concatenate([*labels, nobody]), tf.float32), tf.constant(rows, tf.int32)


def crop_joints(labels: tf.Tensor, affines: tf.Tensor, crop_size: tuple[int, int]) -> tf.Tensor:
    """Labels [P, 1 + M, K, 4] (x, y, v, class), image pixels, of a crop's person and M others -> joints of the same
    shape: normalised (x, y), weight, zeros where not labelled or, of others, not in the crop; and the class."""
    points = geometry.image_to_normalized(affines[:, None], labels[..., :2], crop_size)
    beyond = tf.reduce_any(tf.abs(points) > 1.0, axis=-1, keepdims=True)
    labelled, classes = labels[..., 2:3] != UNLABELLED, labels[..., 3:]
    is_own = tf.range(labels.shape[1])[:, None, None] == 0
    weights = tf.cast(labelled & (is_own | ~beyond), tf.float32)
    # A labelled joint that the crop cuts off is outside what the network sees.
    cut_off = beyond & labelled & (classes != UNKNOWN)
    classes = tf.where(cut_off, float(VISIBILITY_CLASSES.index("outside")), classes)
    return tf.concat([points * weights, weights, classes], axis=-1)
