"""Channels rearranged into space."""

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("opec_tf")
class PixelShuffle(tf.keras.layers.Layer):
    """Sub-pixel rearrangement by 2 (Shi et al., CVPR 2016): every cell's channels become a 2 x 2 block of cells.

    The channel order is TensorFlow's: channel (2 dy + dx) C + c of cell (y, x) becomes channel c of cell
    (2 y + dy, 2 x + dx). PyTorch's ``PixelShuffle`` reads channel 4 c + 2 dy + dx there, so converted weights need the
    channels of the convolution before the shuffle permuted.

    Input: [B, h, w, 4 C].
    Output: [B, 2 h, 2 w, C].
    """

    def call(self, features):
        return tf.nn.depth_to_space(features, 2)
