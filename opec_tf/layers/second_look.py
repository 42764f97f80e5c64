"""A pose drawn into a feature map, so that who looks at the map again knows where that person is."""

from __future__ import annotations

import tensorflow as tf

from opec_tf.poses import gaussians, geometry


@tf.keras.utils.register_keras_serializable("opec_tf")
class PartnerInCrop(tf.keras.layers.Layer):
    """Where the partner's joints lie in a person's own crop; no gradient flows back into the partner's pose.

    Input: [poses [B, 2K, 2] in the pair's frame, the own joints and the partner's; to_crops [B, 2, 2, 3], see
      ``PairFrame``].
    Output: float32 [B, K, 2], (x, y), normalised, in the own crop.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        poses, to_crops = inputs
        partners = tf.stop_gradient(poses[:, poses.shape[1] // 2 :])
        return geometry.apply_affine(to_crops[:, :1], partners[:, None])[:, 0]


@tf.keras.utils.register_keras_serializable("opec_tf")
class DrawnPose(tf.keras.layers.Layer):
    """F' = F + W_0 * [F, relu(W * G)]: a feature map that is told where the joints of the partner are.

    G has a Gaussian of height 1 at each joint. W_0 starts at zero: before training, and for whoever has no partner, the
    map stays as it is. Conditions of this kind: Zhou et al., "Rethinking pose estimation in crowds: overcoming the
    detection information bottleneck and ambiguity" (BUCTD, ICCV 2023), who give them to the whole network.

    Args:
      hidden_channels: of W.
      sigma: standard deviation of the Gaussians as a share of the map's height.

    Input: [features [B, h, w, C]; pose [B, K, 2], (x, y), normalised; partner int [B], -1 for none].
    Output: [B, h, w, C] in the features' type.
    """

    def __init__(self, hidden_channels: int = 32, sigma: float = 0.0235, **kwargs: object) -> None:
        super().__init__(autocast=False, **kwargs)
        self.hidden_channels, self.sigma = hidden_channels, sigma

    def build(self, input_shape: list[tf.TensorShape]) -> None:
        def conv(channels: int, name: str, **options: object) -> tf.keras.layers.Conv2D:
            return tf.keras.layers.Conv2D(channels, 3, padding="same", dtype=self.dtype_policy, name=name, **options)

        self.hidden = conv(self.hidden_channels, "hidden", activation="relu", kernel_initializer="he_normal")
        self.correction = conv(input_shape[0][-1], "correction", kernel_initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        features, pose, partner = inputs
        size = features.shape[1:3]
        drawn = self.hidden(gaussians.heatmaps(pose, size, self.sigma * size[0]))
        correction = self.correction(tf.concat([tf.cast(features, drawn.dtype), drawn], axis=-1))
        return features + tf.where(partner[:, None, None, None] >= 0, tf.cast(correction, features.dtype), 0)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "hidden_channels": self.hidden_channels, "sigma": self.sigma}
