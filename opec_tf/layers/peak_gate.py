"""The choice between a heatmap's peak and a refined pose."""

import math

import tensorflow as tf

from opec_tf import decoding


@tf.keras.utils.register_keras_serializable("opec_tf")
class PeakGate(tf.keras.layers.Layer):
    """P' = P + g (peak - P), g = sigmoid(features w + b), one learned gate a joint.

    The authors' release keeps the base's peak wherever its score exceeds 0.2 and takes the graph's joint elsewhere;
    this is that choice, learned. No gradient flows into the peak.

    Args:
      refinement: sub-pixel rule of the peak, see ``decoding.decode_peaks``.
      initial_gate: g before training, 0..1.

    Input: [pose [B, K, 2], (x, y), normalised; features [B, K, C]; heatmaps [B, h, w, K]].
    Output: float32 [B, K, 2].
    """

    def __init__(self, refinement="dark", initial_gate=0.5, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.refinement = refinement
        self.initial_gate = initial_gate

    def build(self, input_shape):
        bias = tf.keras.initializers.Constant(math.log(self.initial_gate / (1.0 - self.initial_gate)))
        self.gate = tf.keras.layers.Dense(
            1, activation="sigmoid", kernel_initializer="zeros", bias_initializer=bias, dtype="float32", name="gate"
        )
        super().build(input_shape)

    def call(self, inputs):
        pose, features, heatmaps = inputs
        peak, _ = decoding.decode_peaks(tf.stop_gradient(heatmaps), self.refinement)
        return pose + self.gate(features) * (peak - pose)

    def get_config(self):
        return {**super().get_config(), "refinement": self.refinement, "initial_gate": self.initial_gate}
