"""The choice between a refined joint and the heatmaps' candidates, made for two people at once."""

from __future__ import annotations

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("opec_tf")
class PairChoice(tf.keras.layers.Layer):
    """Each joint of two people takes one of its alternatives A, B: the refined position or one of the M candidates.

    p(a, b) = softmax over all pairs of u_a + u_b - lambda exp(-|A_a - B_b|^2 / 2 r^2), where the first two terms are
    what speaks for an alternative by itself, u = beta h + W ReLU(V [x, h]) with the alternatives' heights h (the
    refined position has that of the highest candidate) and the joint's features x; the third keeps the two people from
    claiming one place. beta and, for each joint, lambda and r are learnt.

    In training the L1 loss sees the mean of the alternatives, so that p is learnt; otherwise the likeliest pair is
    taken, for between two people there is nobody.

    The association of joints in CrowdPose (Li et al., CVPR 2019) solves the same problem outside the network.

    Args:
      initial_beta, initial_lambda, initial_radius: before training; the radius in the frame of the points.
      hidden_units: of V.

    Input: [pose [B, 2K, 2], (x, y), one person's joints, then the other's; points [B, 2K, M, 2] in the same frame;
      heights [B, 2K, M]; features [B, 2K, C]].
    Output: pose float32 [B, 2K, 2]; and what it was chosen from, since the flip test has two passes and one choice to
      make: alternatives float32 [B, 2K, 1 + M, 2], the refined position first, and the logits of the pairs (a, b),
      float32 [B, K, 1 + M, 1 + M].
    """

    def __init__(
        self,
        initial_beta: float = 15.0,
        initial_lambda: float = 4.5,
        initial_radius: float = 0.1,
        hidden_units: int = 64,
        **kwargs: object,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.initial_beta = initial_beta
        self.initial_lambda = initial_lambda
        self.initial_radius = initial_radius
        self.hidden_units = hidden_units

    def build(self, input_shape: list[tf.TensorShape]) -> None:
        (_, joints, _), (_, _, candidates, _) = input_shape[:2]
        constant = tf.keras.initializers.Constant
        self.beta = self.add_weight("beta", (), initializer=constant(self.initial_beta))
        self.rivalry = self.add_weight("lambda", (joints // 2,), initializer=constant(self.initial_lambda))
        self.radius = self.add_weight("radius", (joints // 2,), initializer=constant(self.initial_radius))
        self.hidden = tf.keras.layers.Dense(self.hidden_units, activation="relu", dtype="float32", name="hidden")
        self.preference = tf.keras.layers.Dense(
            1 + candidates,
            kernel_initializer="zeros",
            bias_initializer=constant([1.0] + candidates * [0.0]),
            dtype="float32",
            name="preference",
        )
        super().build(input_shape)

    def call(self, inputs: list[tf.Tensor], training: bool | None = None) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        pose, points, heights, features = inputs
        alternatives = tf.concat([pose[:, :, None], points], axis=2)
        heights = tf.concat([heights[..., :1], heights], axis=2)
        joints, count = pose.shape[1] // 2, alternatives.shape[2]
        # One row a joint: of a matrix Dense is a single operation, of three axes thirty.
        rows = tf.reshape(tf.concat([features, heights], axis=2), [-1, features.shape[2] + count])
        preference = tf.reshape(self.preference(self.hidden(rows)), [-1, 2 * joints, count])
        alone = self.beta * heights + preference
        logits = alone[:, :joints, :, None] + alone[:, joints:, None] - self._rivalry(alternatives)
        flat = tf.reshape(logits, [-1, joints, count**2])
        if training:
            pairs = tf.reshape(tf.nn.softmax(flat), tf.shape(logits))
            weights = tf.concat([tf.reduce_sum(pairs, axis=3), tf.reduce_sum(pairs, axis=2)], axis=1)
            return tf.reduce_sum(weights[..., None] * alternatives, axis=2), alternatives, logits
        likeliest = tf.argmax(flat, axis=-1, output_type=tf.int32)
        chosen = tf.concat([likeliest // count, likeliest % count], axis=1)
        return tf.gather(alternatives, chosen, axis=2, batch_dims=2), alternatives, logits

    def _rivalry(self, alternatives: tf.Tensor) -> tf.Tensor:
        """What claiming one place costs each pair of alternatives, [B, K, 1 + M, 1 + M]."""
        joints = alternatives.shape[1] // 2
        first, second = alternatives[:, :joints, :, None], alternatives[:, joints:, None]
        distance = tf.reduce_sum(tf.math.squared_difference(first, second), axis=-1)
        rivalry, radius = self.rivalry[:, None, None], self.radius[:, None, None]
        return rivalry * tf.exp(-distance / (2.0 * tf.square(radius)))

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "initial_beta": self.initial_beta,
            "initial_lambda": self.initial_lambda,
            "initial_radius": self.initial_radius,
            "hidden_units": self.hidden_units,
        }
