"""Graph convolution with learned edge weights, as a Spektral layer."""

import numpy as np
import tensorflow as tf
from spektral.layers.convolutional.conv import Conv


@tf.keras.utils.register_keras_serializable("opec_tf")
class SemanticConv(Conv):
    """X' = (S * I) X W_self + (S * (1 - I)) X W_neighbour + b, S = softmax of learned logits over each row's edges.

    Reference: Zhao et al., "Semantic Graph Convolutional Networks for 3D Human Pose Regression" (CVPR 2019); it is the
    graph convolution of the authors' release, whose mask is a logit of -9e15. Here the softmax runs over the edges
    alone, in float32, so that no precision overflows.

    Args:
      channels: of the output.
      activation: Keras activation or its name.
      kernel_initializer: of both matrices, each drawn for itself.
      bodies: M, bodies of which the graph consists, one after the other. All share the logits: those between a joint
        and the joints of its own body, of the body after it, and so on, the first following the last.
      **kwargs: Spektral's and Keras's layer arguments.

    Input: [X [B, K, C], A [K, K]]; A holds 1 for an edge or self-loop and 0 elsewhere (``preprocess`` makes it).
    Output: [B, K, channels].
    """

    def __init__(self, channels, activation=None, kernel_initializer="glorot_uniform", bodies=1, **kwargs):
        super().__init__(activation=activation, kernel_initializer=kernel_initializer, **kwargs)
        self.channels = channels
        self.bodies = bodies

    def build(self, input_shape):
        (*_, features), (num_joints, _) = input_shape
        shape = (features, self.channels)
        self.own_kernel = self.add_weight("own_kernel", shape, initializer=self.kernel_initializer)
        # An initializer without a seed draws the same values at every call; a copy of it draws others.
        other = type(self.kernel_initializer).from_config(self.kernel_initializer.get_config())
        self.neighbour_kernel = self.add_weight("neighbour_kernel", shape, initializer=other)
        self.edge_logits = self.add_weight(
            "edge_logits", (num_joints // self.bodies, num_joints), initializer="ones", experimental_autocast=False
        )
        self.bias = self.add_weight("bias", (self.channels,), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs):
        features, edges = inputs
        edges = tf.cast(edges, tf.float32)
        joints = self.edge_logits.shape[0]
        logits = tf.concat([tf.roll(self.edge_logits, body * joints, axis=1) for body in range(self.bodies)], axis=0)
        weights = tf.exp(logits - tf.reduce_max(logits, axis=-1, keepdims=True)) * edges
        weights = tf.cast(weights / tf.reduce_sum(weights, axis=-1, keepdims=True), features.dtype)
        own = tf.linalg.diag_part(weights)[:, None] * tf.matmul(features, self.own_kernel)
        neighbours = tf.linalg.set_diag(weights, tf.zeros_like(weights[0]))
        return self.activation(own + tf.matmul(neighbours, tf.matmul(features, self.neighbour_kernel)) + self.bias)

    @property
    def config(self):
        return {"channels": self.channels, "bodies": self.bodies}

    @staticmethod
    def preprocess(a):
        """Adds self-loops and makes every entry 0 or 1."""
        return (a + np.eye(len(a)) > 0).astype(np.float32)
