"""The Fusion block of the Cascaded Feature Adaption."""

from __future__ import annotations

import tensorflow as tf

from opec_tf.layers.image import SqueezeExcite


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

    def __init__(self, channels: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.channels = channels
        policy = self.dtype_policy
        self.attention = SqueezeExcite(dtype=policy, name="attention")
        self.conv = tf.keras.layers.Conv2D(
            channels, 3, padding="same", activation="relu", kernel_initializer="he_normal", dtype=policy, name="conv"
        )

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        coarse, fine = inputs
        joined = tf.concat([upsample(coarse), fine], axis=-1)
        return self.conv(self.attention(joined))

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "channels": self.channels}


def upsample(features: tf.Tensor) -> tf.Tensor:
    """Bilinear enlargement by 2 with half-pixel centres: [B, h, w, C] -> [B, 2 h, 2 w, C], in the type it came in."""
    _, height, width, _ = features.shape
    # Resized in float32: XLA cannot compile the gradient of a resize of half-precision features.
    resized = tf.image.resize(tf.cast(features, tf.float32), (2 * height, 2 * width))
    return tf.cast(resized, features.dtype)
