"""The ResGCN Attention Block."""

import numpy as np
import tensorflow as tf

from opec_tf.layers.graph_conv import GraphConv
from opec_tf.layers.joint_attention import JointAttention


@tf.keras.utils.register_keras_serializable("opec_tf")
class ResidualGraphBlock(tf.keras.layers.Layer):
    """RAB: Attention(GCN(X) + GCN(GCN(X))), each GCN with its ReLU (supplement 3, Fig. 6).

    The upper branch's graph convolution brings the input to the block's channels, so that the lower two learn a
    residual. (The release adds the input itself, and normalises the sum by BatchNorm.)

    Args:
      channels: of every graph convolution and of the output.
      adjacency: [K, K], non-zero where two joints are neighbours.
      graph_convolution: "gcn" or "semantic", see ``GraphConv``.
      attention: self-attention over the joints at the end.
      normalization: of every graph convolution, see ``GraphConv``.
      bodies: see ``GraphConv``.

    Input: [B, K, C].
    Output: [B, K, channels].
    """

    def __init__(
        self, channels, adjacency, graph_convolution="gcn", attention=True, normalization=False, bodies=1, **kwargs
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.channels = channels
        self.adjacency = np.array(adjacency, np.float32)
        self.graph_convolution = graph_convolution
        self.attention = attention
        self.normalization = normalization
        self.bodies = bodies
        policy = self.dtype_policy
        self.shortcut, self.first, self.second = (
            GraphConv(
                channels, self.adjacency, graph_convolution,
                normalization=normalization, bodies=bodies, dtype=policy, name=name,
            )  # fmt: skip
            for name in ("shortcut", "first", "second")
        )
        self.joint_attention = JointAttention(dtype=policy, name="joint_attention") if attention else None

    def call(self, features):
        features = self.shortcut(features) + self.second(self.first(features))
        return features if self.joint_attention is None else self.joint_attention(features)

    def get_config(self):
        return {
            **super().get_config(),
            "channels": self.channels,
            "adjacency": self.adjacency.tolist(),
            "graph_convolution": self.graph_convolution,
            "attention": self.attention,
            "normalization": self.normalization,
            "bodies": self.bodies,
        }
