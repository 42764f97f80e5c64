"""Poses as other systems get them wrong, made from the annotated ones.

The errors are those that Ronchi & Perona ("Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation", ICCV
2017) tell apart, synthesized as PoseFix does (Moon et al., CVPR 2019). A joint's similarity s at a distance d is
exp(-d^2 / (2 area (2 sigma)^2)), its own OKS:

* good: anywhere within s above 0.85 of the joint;
* jitter: at s in 0.5 .. 0.85;
* miss: at s in 0.1 .. 0.5;
* inversion: within s above 0.5 of the same person's joint of the other side;
* swap: within s above 0.5 of the same joint of the partner, the person whose box overlaps most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from opec_tf.data import pairing
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.skeletons import UNLABELLED, Skeleton

_GOOD, _JITTER, _MISS = 0.85, 0.5, 0.1  # the similarities that part good, jitter and miss
# What a joint's score means differs between systems. Drawn without regard to the error it teaches not to rely on it.
_SCORES = (0.1, 1.0)


class Rates(NamedTuple):
    """Shares of the joints that have each error."""

    jitter: float = 0.0
    miss: float = 0.0
    inversion: float = 0.0
    swap: float = 0.0


# Between PoseFix's, which depend on the joint and on how many joints are labelled: 0.10 to 0.25, 0.02 to 0.25, 0.01 to
# 0.06 and 0.01 to 0.15.
RATES = Rates(jitter=0.15, miss=0.1, inversion=0.05, swap=0.08)


def poses_of(
    annotations: PoseAnnotations,
) -> Callable[[tf.Tensor, tf.Tensor | Sequence[int]], tf.Tensor]:
    """Poses to start from: ``annotations.given_poses``, or where there are none the annotated ones with errors.

    Returns:
      function of (people's rows [P], seed [2]) -> float32 [P, K, 3], (x, y, score), image pixels.
    """
    if annotations.given_poses is not None:
        given = tf.constant(annotations.given_poses, tf.float32)
        return lambda rows, seed: tf.gather(given, rows)
    keypoints = tf.constant(annotations.keypoints, tf.float32)
    partners = tf.constant(partners_keypoints(annotations), tf.float32)
    areas = tf.constant(annotations.areas, tf.float32)

    def with_errors(rows: tf.Tensor, seed: tf.Tensor | Sequence[int]) -> tf.Tensor:
        people, others, sizes = (tf.gather(values, rows) for values in (keypoints, partners, areas))
        return synthesize(people, others, sizes, annotations.skeleton, seed)

    return with_errors


def synthesize(
    keypoints: tf.Tensor,
    partner_keypoints: tf.Tensor,
    areas: tf.Tensor,
    skeleton: Skeleton,
    seed: tf.Tensor | Sequence[int],
    rates: Rates = RATES,
) -> tf.Tensor:
    """Draws a pose with errors for each person.

    Args:
      keypoints: float32 [P, K, 3], (x, y, v), image pixels.
      partner_keypoints: float32 [P, K, 3], the partners'; v = 0 where there is none.
      areas: float32 [P], pixels^2.
      skeleton: of the joints.
      seed: int [2].

    Returns:
      float32 [P, K, 3], (x, y, score), image pixels; zeros for a joint that is not labelled.
    """
    seeds = tf.random.experimental.stateless_split(seed, 2)
    shape = tf.shape(keypoints)[:2]
    kind, distance, turn = tf.unstack(tf.random.stateless_uniform([3, *tf.unstack(shape)], seeds[0]))
    points, labelled = keypoints[..., :2], keypoints[..., 2] != UNLABELLED

    jitter, miss, inversion, swap = (
        (kind >= low) & (kind < low + rate) for low, rate in zip(np.cumsum((0.0, *rates)), rates)
    )
    other_side = tf.gather(keypoints, skeleton.flip_order, axis=1)
    has_side = skeleton.flip_order != np.arange(skeleton.num_joints)
    inversion &= has_side & (other_side[..., 2] != UNLABELLED)
    swap &= partner_keypoints[..., 2] != UNLABELLED
    points = tf.where(inversion[..., None], other_side[..., :2], points)
    points = tf.where(swap[..., None], partner_keypoints[..., :2], points)

    # Distances in units of 2 sigma sqrt(area).
    good, jittered, missed = (np.sqrt(-2.0 * np.log(s)).astype(np.float32) for s in (_GOOD, _JITTER, _MISS))
    nearest = tf.where(jitter, good, tf.where(miss, jittered, 0.0))
    farthest = tf.where(miss, missed, tf.where(jitter | inversion | swap, jittered, good))
    unit = 2.0 * skeleton.sigmas * tf.sqrt(areas)[:, None]
    radius, angle = unit * (nearest + distance * (farthest - nearest)), 2.0 * np.pi * turn
    points += radius[..., None] * tf.stack([tf.cos(angle), tf.sin(angle)], axis=-1)
    scores = tf.random.stateless_uniform(shape, seeds[1], *_SCORES)
    return tf.where(labelled[..., None], tf.concat([points, scores[..., None]], axis=-1), 0.0)


def partners_keypoints(annotations: PoseAnnotations) -> np.ndarray:
    """The partners' keypoints of all people, zeros for people without; float64 [N, K, 3]."""
    partner = pairing.partners(annotations.boxes, annotations.image_index)
    return np.where(partner[:, None, None] >= 0, annotations.keypoints[partner], 0.0)


def of_annotations(annotations: PoseAnnotations, seed: int = 0) -> np.ndarray:
    """Poses with errors of all people; float32 [N, K, 3]; see ``synthesize``."""
    return synthesize(
        tf.constant(annotations.keypoints, tf.float32),
        tf.constant(partners_keypoints(annotations), tf.float32),
        tf.constant(annotations.areas, tf.float32),
        annotations.skeleton,
        [seed, 0],
    ).numpy()
