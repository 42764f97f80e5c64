"""A pair's refined pose as the change of each person's own pose."""

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("opec_tf")
class ReturnToCrop(tf.keras.layers.Layer):
    """P + L (P'_pair - P_pair): the displacement of a person's own joints, turned and scaled to the own crop.

    Only the displacement passes between the frames, so that where nothing moves the pose stays as it is to the last
    bit, as it does for a person without a partner.

    Input: [pose [B, K, 2] in the own crop; start [B, 2K, 2], both poses in the pair's frame before the refinement;
      moved [B, K or 2K, 2], after it; to_crops [B, 2, 2, 3], see ``PairFrame``; partner int [B], see ``WithPartner``].
    Output: float32 [B, K, 2], (x, y), normalised, in the own crop.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs):
        pose, start, moved, to_crops, partner = inputs
        joints = pose.shape[1]
        displacement = (moved[:, :joints] - start[:, :joints])[:, :, None, :]
        displacement = tf.reduce_sum(to_crops[:, 0, None, :, :2] * displacement, axis=-1)
        return pose + tf.where(partner[:, None, None] >= 0, displacement, 0.0)
