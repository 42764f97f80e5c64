"""Space rearranged into channels."""

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("opec_tf")
class PixelUnshuffle(tf.keras.layers.Layer):
    """The inverse of ``PixelShuffle``: every 2 x 2 block of cells becomes the channels of one cell.

    It halves the resolution and loses nothing, where a stride leaves cells out. The channel order is TensorFlow's:
    channel c of cell (2 y + dy, 2 x + dx) becomes channel (2 dy + dx) C + c of cell (y, x). PyTorch's
    ``PixelUnshuffle`` makes it channel 4 c + 2 dy + dx, so converted weights need the inputs of the convolution after
    it permuted.

    Input: [B, 2 h, 2 w, C].
    Output: [B, h, w, 4 C].
    """

    def call(self, features):
        return tf.nn.space_to_depth(features, 2)
