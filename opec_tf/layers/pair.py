"""The joints of two people in one frame."""

from __future__ import annotations

import math

import tensorflow as tf

from opec_tf.layers.joints import JointSampling
from opec_tf.poses import geometry


@tf.keras.utils.register_keras_serializable("opec_tf")
class WithPartner(tf.keras.layers.Layer):
    """Appends to each person's joints the joints of the partner, who is another person of the batch.

    Input: [features [B, K, C]; partner int [B], the partner's row, -1 for none: then a person is its own].
    Output: [B, 2K, C] in the features' type: own joints, then the partner's.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        features, partner = inputs
        return tf.concat([features, tf.gather(features, partner_rows(partner))], axis=1)


def partner_rows(partner: tf.Tensor) -> tf.Tensor:
    """The row of each person's partner, int [B]; a person without one (-1) is its own."""
    return tf.where(partner >= 0, partner, tf.range(tf.shape(partner)[0], dtype=partner.dtype))


@tf.keras.utils.register_keras_serializable("opec_tf")
class PairFrame(tf.keras.layers.Layer):
    """Affines between each person's and the partner's crop and the frame that the two crops share.

    See ``geometry.pair_affine`` for the frame.

    Args:
      crop_size: (height, width) of the crops, pixels.

    Input: [crop_to_image float32 [B, 2, 3]; partner int [B], see ``WithPartner``].
    Output: to_pair float32 [B, 2, 2, 3], from normalised coordinates of a person's own crop and of the partner's crop
      to the pair's frame; to_crops float32 [B, 2, 2, 3], the way back.
    """

    def __init__(self, crop_size: tuple[int, int], **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.crop_size = (crop_size[0], crop_size[1])

    def call(self, inputs: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        crop_to_image, partner = inputs
        own = geometry.normalized_affine(crop_to_image, self.crop_size)
        crops = tf.stack([own, tf.gather(own, partner_rows(partner))], axis=1)
        pair = geometry.pair_affine(crops[:, 0], crops[:, 1])[:, None]
        return geometry.change_of_frame(crops, pair), geometry.change_of_frame(pair, crops)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "crop_size": list(self.crop_size)}


@tf.keras.utils.register_keras_serializable("opec_tf")
class ChangeFrame(tf.keras.layers.Layer):
    """Applies an affine of each body to its joints.

    Input: [points [B, M K, 2], (x, y), the joints of M bodies, one body after the other; affines [B, M, 2, 3]].
    Output: float32 [B, M K, 2].
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        points, affines = inputs
        bodies, joints = affines.shape[1], points.shape[1] // affines.shape[1]
        moved = geometry.apply_affine(affines, tf.reshape(points, [-1, bodies, joints, 2]))
        return tf.reshape(moved, [-1, bodies * joints, 2])


@tf.keras.utils.register_keras_serializable("opec_tf")
class ReturnToCrop(tf.keras.layers.Layer):
    """P + L (P'_pair - P_pair): the displacement of a person's own joints, turned and scaled to the own crop.

    Only the displacement passes between the frames, so that where nothing moves the pose stays as it is to the last
    bit, as it does for a person without a partner.

    Input: [pose [B, K, 2] in the own crop; start [B, 2K, 2], both poses in the pair's frame before the refinement;
      moved [B, K or 2K, 2] or, with A places of each joint, [B, K or 2K, A, 2], after it; to_crops [B, 2, 2, 3], see
      ``PairFrame``; partner int [B], see ``WithPartner``].
    Output: float32 [B, K, 2] or [B, K, A, 2], (x, y), normalised, in the own crop.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        pose, start, moved, to_crops, partner = inputs
        joints = pose.shape[1]
        if moved.shape.rank == 4:
            pose, start = pose[:, :, None], start[:, :, None]
        displacement = moved[:, :joints] - start[:, :joints]
        flat = tf.reshape(displacement, [-1, math.prod(displacement.shape[1:-1]), 1, 2])
        flat = tf.reduce_sum(to_crops[:, 0, None, :, :2] * flat, axis=-1)
        flat = tf.where(partner[:, None, None] >= 0, flat, 0.0)
        return pose + tf.reshape(flat, [-1, *displacement.shape[1:]])


@tf.keras.utils.register_keras_serializable("opec_tf")
class PairSampling(tf.keras.layers.Layer):
    """``JointSampling`` of a person's own feature map at the own joints and of the partner's map at the partner's.

    Input: [features [B, h, w, C]; poses [B, 2K, 2], (x, y), normalised: own joints in the own crop, then the partner's
      in the partner's crop; partner int [B], see ``WithPartner``].
    Output: [B, 2K, C] in the features' type.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(autocast=False, **kwargs)
        self.sample = JointSampling(dtype=self.dtype_policy, name="sample")

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        features, poses, partner = inputs
        own, partners = tf.split(poses, 2, axis=1)
        partners_features = tf.gather(features, partner_rows(partner))
        return tf.concat([self.sample([features, own]), self.sample([partners_features, partners])], axis=1)
