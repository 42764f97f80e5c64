"""A person's joints together with the partner's."""

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("opec_tf")
class WithPartner(tf.keras.layers.Layer):
    """Appends to each person's joints the joints of the partner, who is another person of the batch.

    Input: [features [B, K, C]; partner int [B], the partner's row, -1 for none: then a person is its own].
    Output: [B, 2K, C] in the features' type: own joints, then the partner's.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs):
        features, partner = inputs
        return tf.concat([features, tf.gather(features, partner_rows(partner))], axis=1)


def partner_rows(partner):
    """The row of each person's partner, int [B]; a person without one (-1) is its own."""
    return tf.where(partner >= 0, partner, tf.range(tf.shape(partner)[0], dtype=partner.dtype))
