"""Image features at the joints, and what is read off the features of a joint."""

from __future__ import annotations

import warnings

import tensorflow as tf

from opec_tf.poses import geometry

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

    def __init__(self, **kwargs: object) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        features, poses = inputs
        cells = geometry.denormalize(poses, features.shape[1:3])
        sampled = tfa.image.interpolate_bilinear(features, cells, indexing="xy")
        return tf.ensure_shape(sampled, (features.shape[0], poses.shape[1], features.shape[-1]))


@tf.keras.utils.register_keras_serializable("opec_tf")
class VisibilityHead(tf.keras.layers.Layer):
    """logits = W_2 relu(W_1 flatten(LN(stop_gradient(X))) + b_1) + b_2 (not in the paper).

    All joints share the hidden layer: whether one is hidden shows in the others too. The features are normalised since
    OPEC-Net's can be of any size, most often a small one, at which nothing would be learnt.

    The gradient ends here: the features stay what the poses make of them, so that the head cannot cost accuracy. For
    the same reason its kernels are drawn with seeds of their own, which leaves to the layers that are made after it the
    random numbers that they would have without it.

    Args:
      hidden: width of the hidden layer.
      classes: number of logits.

    Input: features [B, K, C]. Output: logits [B, K, classes].
    """

    def __init__(self, hidden: int = 128, classes: int = 3, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.hidden, self.classes = hidden, classes

    def build(self, input_shape: tf.TensorShape) -> None:
        joints, policy = input_shape[1], self.dtype_policy
        dense, glorot = tf.keras.layers.Dense, tf.keras.initializers.GlorotUniform
        self.normalization = tf.keras.layers.LayerNormalization(epsilon=1e-8, dtype=policy, name="normalization")
        self.hidden_layer = dense(
            self.hidden, "relu", kernel_initializer=glorot(seed=1), dtype=policy, name="hidden_layer"
        )
        self.logits = dense(joints * self.classes, kernel_initializer=glorot(seed=2), dtype=policy, name="logits")
        self.per_joint = tf.keras.layers.Reshape((joints, self.classes), dtype=policy, name="per_joint")
        super().build(input_shape)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        features = self.normalization(tf.stop_gradient(features))
        body = tf.reshape(features, [-1, features.shape[1] * features.shape[2]])
        return self.per_joint(self.logits(self.hidden_layer(body)))

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "hidden": self.hidden, "classes": self.classes}
