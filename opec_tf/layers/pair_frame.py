"""The frame in which the joints of two people can be compared."""

import tensorflow as tf

from opec_tf import geometry
from opec_tf.layers.with_partner import partner_rows


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

    def __init__(self, crop_size, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.crop_size = tuple(crop_size)

    def call(self, inputs):
        crop_to_image, partner = inputs
        own = geometry.normalized_affine(crop_to_image, self.crop_size)
        crops = tf.stack([own, tf.gather(own, partner_rows(partner))], axis=1)
        pair = geometry.pair_affine(crops[:, 0], crops[:, 1])[:, None]
        return geometry.change_of_frame(crops, pair), geometry.change_of_frame(pair, crops)

    def get_config(self):
        return {**super().get_config(), "crop_size": list(self.crop_size)}
