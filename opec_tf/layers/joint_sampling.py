"""Image features at the joints."""

import warnings

import tensorflow as tf

from opec_tf import geometry

with warnings.catch_warnings():
    # TFA's last release announces its end in eight lines on every import.
    warnings.simplefilter("ignore", UserWarning)
    import tensorflow_addons as tfa


@tf.keras.utils.register_keras_serializable("opec_tf")
class JointSampling(tf.keras.layers.Layer):
    """Bilinear samples of a feature map at joint positions: the paper's "grid sample method" (section 3.2).

    Positions are normalised, cells have half-pixel centres (geometry.py); positions beyond the outermost centres get
    the border's value. The gradient flows into the features and into the positions (zero beyond the border).
    ``tfa.image.interpolate_bilinear`` is plain TensorFlow: it compiles under XLA and runs in a stock model server,
    which ``tfa.image.resampler``, a custom op, does not.

    Positions stay float32 under mixed precision (8 bits of mantissa are coarser than a cell); features keep their type.

    Input: [features [B, h, w, C] with h, w >= 2, poses [B, K, 2], (x, y), normalised].
    Output: [B, K, C] in the features' type.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs):
        features, poses = inputs
        cells = geometry.denormalize(poses, features.shape[1:3])
        sampled = tfa.image.interpolate_bilinear(features, cells, indexing="xy")
        return tf.ensure_shape(sampled, (features.shape[0], poses.shape[1], features.shape[-1]))
