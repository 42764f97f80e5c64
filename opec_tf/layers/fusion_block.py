"""The Fusion block of the Cascaded Feature Adaption."""

import tensorflow as tf

from opec_tf.layers.squeeze_excite import SqueezeExcite


@tf.keras.utils.register_keras_serializable("opec_tf")
class FusionBlock(tf.keras.layers.Layer):
    """F^(i+1) = ReLU(Conv3x3(Attention([Up(F^i), F_(i+1)]))): paper eq. 5 and Fig. 7.

    The two maps are concatenated and pass an attention layer that "learns a weighting way for automatically combining
    information from both sides": a gate for each channel, computed from both maps. (The authors' release gates the
    upsampled side only and adds the two.) Upsampling is bilinear with half-pixel centres, so that features stay where
    they are in normalised coordinates.

    Args:
      channels: of the output.

    Input: [F^i [B, h, w, C], F_(i+1) [B, 2 h, 2 w, D]].
    Output: [B, 2 h, 2 w, channels].
    """

    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        policy = self.dtype_policy
        self.attention = SqueezeExcite(dtype=policy, name="attention")
        self.conv = tf.keras.layers.Conv2D(
            channels, 3, padding="same", activation="relu", kernel_initializer="he_normal", dtype=policy, name="conv"
        )

    def call(self, inputs):
        coarse, fine = inputs
        joined = tf.concat([upsample(coarse), fine], axis=-1)
        return self.conv(self.attention(joined))

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}


def upsample(features):
    """Bilinear enlargement by 2 with half-pixel centres: [B, h, w, C] -> [B, 2 h, 2 w, C], in the dtype it came in.

    Equal to ``tf.image.resize``, whose bilinear form always computes in float32.
    """
    for axis in (1, 2):
        features = _upsample_axis(features, axis)
    return features


def _upsample_axis(features, axis):
    # Every new cell lies a quarter of an old cell off an old centre: 3/4 of that cell and 1/4 of the neighbour on its
    # side. At the border the neighbour is the cell itself.
    paddings = [[0, 0]] * 4
    paddings[axis] = [1, 1]
    padded = tf.pad(features, paddings, "SYMMETRIC")
    size = tf.shape(features)[axis]
    before = tf.gather(padded, tf.range(size), axis=axis)
    after = tf.gather(padded, tf.range(2, size + 2), axis=axis)
    pair = tf.stack([0.75 * features + 0.25 * before, 0.75 * features + 0.25 * after], axis=axis + 1)
    static = features.shape.as_list()
    static[axis] = None if static[axis] is None else 2 * static[axis]
    shape = tf.unstack(tf.shape(features))
    shape[axis] = 2 * size
    return tf.ensure_shape(tf.reshape(pair, shape), static)
