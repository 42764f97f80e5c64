"""A graph convolution that owns its graph."""

import numpy as np
import tensorflow as tf
from spektral.layers import GCNConv

from opec_tf.layers.semantic_conv import SemanticConv

KINDS = {"gcn": GCNConv, "semantic": SemanticConv}


@tf.keras.utils.register_keras_serializable("opec_tf")
class GraphConv(tf.keras.layers.Layer):
    """A Spektral graph convolution over one fixed graph, followed by an activation.

    Spektral's layers take the graph as an input. The joints' graph never changes, so this layer holds it as a constant,
    preprocessed as its convolution wants it: ``gcn`` (Kipf & Welling, ICLR 2017) computes
    D^-1/2 A D^-1/2 X W + b with A as in the paper's section 3.2, a_ii = 1; ``semantic`` learns the edges' weights.
    Kernels start from He's initialization, made for the ReLU that follows: with Spektral's default the features shrink
    from layer to layer and the first poses learn half as fast.

    Args:
      channels: of the output.
      adjacency: [K, K], non-zero where two joints are neighbours; the diagonal is ignored, every joint has a self-loop.
      kind: "gcn" or "semantic".
      activation: Keras activation or its name (the paper has a ReLU after each graph convolution).
      normalization: LayerNormalization of each joint's features before the activation. (The paper has none, the release
        BatchNorm; this keeps no statistics, so that replicas, small batches and inference agree.)
      bodies: like bodies that the graph consists of, one after the other; their learned edge weights are the same, so
        that the order of the bodies means nothing.

    Input: [B, K, C].
    Output: [B, K, channels].
    """

    def __init__(
        self, channels, adjacency, kind="gcn", activation="relu", normalization=False, bodies=1, **kwargs
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.channels = channels
        self.adjacency = np.array(adjacency, np.float32)
        self.kind = kind
        self.activation = tf.keras.activations.get(activation)
        self.normalization = normalization
        self.bodies = bodies
        # The weights of GCNConv's edges are not learned.
        options = {"bodies": bodies} if kind == "semantic" else {}
        self.conv = KINDS[kind](
            channels, kernel_initializer="he_normal", dtype=self.dtype_policy, name="conv", **options
        )  # fmt: skip
        self.norm = tf.keras.layers.LayerNormalization(dtype=self.dtype_policy, name="norm") if normalization else None
        # Both preprocessings add the self-loops.
        without_loops = (self.adjacency != 0).astype(np.float32) * (1.0 - np.eye(len(self.adjacency), dtype=np.float32))
        self.graph = np.asarray(self.conv.preprocess(without_loops), np.float32)

    def call(self, features):
        output = self.conv([features, tf.constant(self.graph, features.dtype)])
        output = tf.ensure_shape(output, (*features.shape[:-1], self.channels))
        return self.activation(output if self.norm is None else self.norm(output))

    def get_config(self):
        return {
            **super().get_config(),
            "channels": self.channels,
            "adjacency": self.adjacency.tolist(),
            "kind": self.kind,
            "activation": tf.keras.activations.serialize(self.activation),
            "normalization": self.normalization,
            "bodies": self.bodies,
        }
