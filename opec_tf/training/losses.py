"""The losses: heatmaps of the base module, poses (eq. 3, OKS), and visibility.

All take ``y_true`` = joints float32 [B, K, 4], normalised crop (x, y), weight (0: not labelled, not learnt) and
visibility (a class, negative: not known, not learnt), whatever the output they belong to; or [B, 1 + M, K, 4], the
person's joints followed by those of M other people in the crop, at whom only the joint-candidate target looks. Only
``VisibilityLoss`` needs the fourth number. A position with weight 0 is never looked at: NaN there does no harm.

All are averages over the labelled joints of the GLOBAL batch. Under a tf.distribute strategy every replica divides its
sum by the number of labelled joints on all replicas, and Keras adds the gradients; dividing by the replica's own number
would count a joint more where it has fewer labelled neighbours. To Keras that is reduction SUM, for which it also logs
the right value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from opec_tf.poses import gaussians

# OKS measures errors by the square root of the person's area. Of the crop's it is this share at a box margin of 1.25:
# the mean over the validation split of the generated couples.
_PERSON_SCALE = 0.45


@tf.keras.utils.register_keras_serializable("opec_tf")
class PoseLoss(tf.keras.losses.Loss):
    """Masked L1 of eq. 3: |dx| + |dy| averaged over the labelled joints; normalised units (2 is the side of the crop).

    With an OKS share a it is (1 - a) L1 + a (1 - OKS), the second what the joint costs in the metric. L1 asks for the
    median of where a joint may be, which between two people, or two arms, is nowhere; 1 - OKS asks for the likeliest
    place, but does not pull joints that are far off. The person's scale is taken as ``_PERSON_SCALE``.

    Args:
      oks_share: a, 0 to 1.
      sigmas: of OKS, one a joint; where a is above 0.
      crop_size: (height, width) of the crop; where a is above 0.

    y_pred: [B, K, 2], (x, y), normalised.
    """

    def __init__(
        self,
        *,
        oks_share: float = 0.0,
        sigmas: Sequence[float] | None = None,
        crop_size: tuple[int, int] | None = None,
        name: str = "pose_loss",
        reduction: str = tf.keras.losses.Reduction.SUM,
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        self.oks_share, self.sigmas, self.crop_size = oks_share, sigmas, crop_size

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        points, weights, _ = _labels(y_true)
        y_pred = tf.cast(y_pred, tf.float32)
        tf.debugging.assert_shapes([(y_pred, ("B", "K", 2)), (points, ("B", "K", 2))])
        errors = tf.reduce_sum(tf.abs(y_pred - points), axis=-1)
        if self.oks_share:
            errors += self.oks_share * (1.0 - self._oks(y_pred - points) - errors)
        return tf.reduce_sum(weights * errors, axis=-1) / _global_labelled(weights)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "oks_share": self.oks_share,
            "sigmas": self.sigmas,
            "crop_size": self.crop_size,
        }

    def _oks(self, offsets: tf.Tensor) -> tf.Tensor:
        """Each joint's OKS, [B, K], of offsets [B, K, 2]."""
        assert self.crop_size is not None
        height, width = self.crop_size
        # In units of the person's scale: half a side is 1, and the scale is a share of sqrt(height width).
        sides = tf.constant([(width / height) ** 0.5, (height / width) ** 0.5]) / (2.0 * _PERSON_SCALE)
        squares = tf.reduce_sum(tf.square(offsets * sides), axis=-1)
        return tf.exp(-squares / (2.0 * tf.square(2.0 * tf.constant(self.sigmas, tf.float32))))


@tf.keras.utils.register_keras_serializable("opec_tf")
class HeatmapLoss(tf.keras.losses.Loss):
    """Masked squared error to a Gaussian of height 1 at each joint, averaged over the labelled joints.

    The squared error is summed over a joint's cells and divided by pi sigma^2, the sum of the squares of the Gaussian:
    the share of the target that is unexplained. All-zero heatmaps cost 1 (less for joints at the crop's border, nothing
    for joints far outside, whose target is empty), perfect ones 0, at every resolution and sigma.

    The Gaussian is rendered where the loss is computed, at the joint's exact position between the cells' centres.

    With an interference weight mu the target is that of CrowdPose's joint-candidate estimator (Li et al., CVPR 2019):
    T_k + mu C_k, where C_k has a Gaussian at the joint k of every other person in the crop. The map then answers to all
    of a joint's candidates, the person's own most, which association chooses from.

    Args:
      sigma: standard deviation, heatmap cells.
      interference_weight: mu; where it is above 0, ``y_true`` may carry other people's joints.

    y_pred: [B, h, w, K].
    """

    def __init__(
        self,
        *,
        sigma: float = 2.0,
        interference_weight: float = 0.0,
        name: str = "heatmap_loss",
        reduction: str = tf.keras.losses.Reduction.SUM,
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        self.sigma, self.interference_weight = sigma, interference_weight

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        points, weights, others = _labels(y_true)
        y_pred = tf.cast(y_pred, tf.float32)
        tf.debugging.assert_shapes([(y_pred, ("B", "h", "w", "K")), (points, ("B", "K", 2))])
        targets = gaussians.heatmaps(points, y_pred.shape[1:3], self.sigma)
        if self.interference_weight and others is not None:
            targets += self.interference_weight * self._interference(others, y_pred.shape[1:3])
        errors = tf.reduce_sum(tf.math.squared_difference(y_pred, targets), axis=(1, 2)) / (math.pi * self.sigma**2)
        return tf.reduce_sum(weights * errors, axis=-1) / _global_labelled(weights)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "sigma": self.sigma, "interference_weight": self.interference_weight}

    def _interference(self, others: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
        """C_k: joints [B, M, K, 3] of other people -> the sum of their Gaussians [B, h, w, K]."""
        candidates = 0.0
        for m in range(others.shape[1]):
            points, weights, _ = _labels(others[:, m])
            candidates += weights[:, None, None] * gaussians.heatmaps(points, size, self.sigma)
        return candidates


@tf.keras.utils.register_keras_serializable("opec_tf")
class VisibilityLoss(tf.keras.losses.Loss):
    """Cross entropy of the joints' visibility classes, averaged over the joints whose class is known.

    y_pred: [B, K, classes], logits.
    """

    def __init__(self, *, name: str = "visibility_loss", reduction: str = tf.keras.losses.Reduction.SUM) -> None:
        super().__init__(name=name, reduction=reduction)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        classes = _people(y_true)[0][..., 3]
        y_pred = tf.cast(y_pred, tf.float32)
        tf.debugging.assert_shapes([(y_pred, ("B", "K", "classes")), (classes, ("B", "K"))])
        weights = tf.cast(classes >= 0.0, tf.float32)
        errors = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(tf.maximum(classes, 0.0), tf.int32), y_pred)
        return tf.reduce_sum(weights * errors, axis=-1) / _global_labelled(weights)


def _labels(y_true: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """Joints [B, K, 3 or 4] or [B, 1 + M, K, 3 or 4] -> the person's positions [B, K, 2], zero where not labelled, its
    weights [B, K], and the joints of the other people, [B, M, K, 3 or 4] or None."""
    joints, others = _people(y_true)
    weights = joints[..., 2]
    return tf.where(weights[..., None] > 0.0, joints[..., :2], 0.0), weights, others


def _people(y_true: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
    """The person's joints [B, K, 3 or 4] and those of the others in the crop, [B, M, K, 3 or 4] or None."""
    joints = tf.cast(y_true, tf.float32)
    return (joints[:, 0], joints[:, 1:]) if joints.shape.rank == 4 else (joints, None)


def _global_labelled(weights: tf.Tensor) -> tf.Tensor:
    """The number (sum of weights) of labelled joints of the global batch, at least 1e-6."""
    total = tf.reduce_sum(weights)
    replica_context = tf.distribute.get_replica_context()
    if replica_context is not None and replica_context.num_replicas_in_sync > 1:
        total = replica_context.all_reduce(tf.distribute.ReduceOp.SUM, total)
    return tf.maximum(total, 1e-6)
