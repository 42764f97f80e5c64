"""Image features at the joints of two people, each from the person's own crop."""

import tensorflow as tf

from opec_tf.layers.joint_sampling import JointSampling
from opec_tf.layers.with_partner import partner_rows


@tf.keras.utils.register_keras_serializable("opec_tf")
class PairSampling(tf.keras.layers.Layer):
    """``JointSampling`` of a person's own feature map at the own joints and of the partner's map at the partner's.

    Input: [features [B, h, w, C]; poses [B, 2K, 2], (x, y), normalised: own joints in the own crop, then the partner's
      in the partner's crop; partner int [B], see ``WithPartner``].
    Output: [B, 2K, C] in the features' type.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.sample = JointSampling(dtype=self.dtype_policy, name="sample")

    def call(self, inputs):
        features, poses, partner = inputs
        own, partners = tf.split(poses, 2, axis=1)
        partners_features = tf.gather(features, partner_rows(partner))
        return tf.concat([self.sample([features, own]), self.sample([partners_features, partners])], axis=1)
