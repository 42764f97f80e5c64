"""Graph convolutions over the body's joints, and the blocks made of them."""

from __future__ import annotations

from typing import Callable, Union

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from spektral.layers import GCNConv
from spektral.layers.convolutional.conv import Conv

# A Keras activation, its name, or none.
Activation = Union[Callable[[tf.Tensor], tf.Tensor], str, None]


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

    def __init__(
        self,
        channels: int,
        activation: Activation = None,
        kernel_initializer: str | tf.keras.initializers.Initializer = "glorot_uniform",
        bodies: int = 1,
        **kwargs: object,
    ) -> None:
        super().__init__(activation=activation, kernel_initializer=kernel_initializer, **kwargs)
        self.channels = channels
        self.bodies = bodies

    def build(self, input_shape: list[tf.TensorShape]) -> None:
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
        self.diagonal = np.eye(num_joints, dtype=np.float32)
        super().build(input_shape)

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        features, edges = inputs
        edges = tf.cast(edges, tf.float32)
        logits, joints = tf.convert_to_tensor(self.edge_logits), self.edge_logits.shape[0]
        if self.bodies > 1:
            others = [tf.roll(logits, body * joints, axis=1) for body in range(1, self.bodies)]
            logits = tf.concat([logits, *others], axis=0)
        weights = tf.exp(logits - tf.reduce_max(logits, axis=-1, keepdims=True)) * edges
        weights = tf.cast(weights / tf.reduce_sum(weights, axis=-1, keepdims=True), features.dtype)
        # Masks, since TensorFlow's operations on diagonals come with four constants each.
        to_self = tf.reduce_sum(weights * tf.constant(self.diagonal, weights.dtype), axis=-1, keepdims=True)
        neighbours = weights * tf.constant(1.0 - self.diagonal, weights.dtype)
        own = to_self * tf.matmul(features, self.own_kernel)
        return self.activation(own + tf.matmul(neighbours, tf.matmul(features, self.neighbour_kernel)) + self.bias)

    @property
    def config(self) -> dict[str, int]:
        return {"channels": self.channels, "bodies": self.bodies}

    @staticmethod
    def preprocess(a: np.ndarray) -> np.ndarray:
        """Adds self-loops and makes every entry 0 or 1."""
        return (a + np.eye(len(a)) > 0).astype(np.float32)


KINDS: dict[str, type[Conv]] = {"gcn": GCNConv, "semantic": SemanticConv}


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
      bodies: like bodies that the graph consists of, one after the other; their learned edge weights are the same, so
        that the order of the bodies means nothing.

    Input: [B, K, C].
    Output: [B, K, channels].
    """

    def __init__(
        self,
        channels: int,
        adjacency: npt.ArrayLike,
        kind: str = "gcn",
        activation: Activation = "relu",
        bodies: int = 1,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.channels = channels
        self.adjacency = np.array(adjacency, np.float32)
        self.kind = kind
        self.activation = tf.keras.activations.get(activation)
        self.bodies = bodies
        # The weights of GCNConv's edges are not learned.
        options = {"bodies": bodies} if kind == "semantic" else {}
        self.conv = KINDS[kind](
            channels, kernel_initializer="he_normal", dtype=self.dtype_policy, name="conv", **options
        )
        # Both preprocessings add the self-loops.
        without_loops = (self.adjacency != 0).astype(np.float32) * (1.0 - np.eye(len(self.adjacency), dtype=np.float32))
        self.graph = np.asarray(self.conv.preprocess(without_loops), np.float32)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        output = self.conv([features, tf.constant(self.graph, features.dtype)])
        output = tf.ensure_shape(output, (*features.shape[:-1], self.channels))
        return self.activation(output)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "channels": self.channels,
            "adjacency": self.adjacency.tolist(),
            "kind": self.kind,
            "activation": tf.keras.activations.serialize(self.activation),
            "bodies": self.bodies,
        }


@tf.keras.utils.register_keras_serializable("opec_tf")
class JointAttention(tf.keras.layers.Layer):
    """X' = X + softmax(Q K^T / sqrt(C)) V with Q, K, V linear in X: every joint looks at every other (supplement 3).

    The softmax is float32 under every precision policy. (The release's "attention" is a squeeze-excite gate over the
    joints, which lets no joint see another's features; the paper's text asks for their dependencies.)

    Input and output: [B, K, C].
    """

    def build(self, input_shape: tf.TensorShape) -> None:
        channels, policy = input_shape[-1], self.dtype_policy
        self.query = tf.keras.layers.Dense(channels, use_bias=False, dtype=policy, name="query")
        self.key = tf.keras.layers.Dense(channels, use_bias=False, dtype=policy, name="key")
        self.value = tf.keras.layers.Dense(channels, use_bias=False, dtype=policy, name="value")
        super().build(input_shape)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        _, joints, channels = features.shape
        # One row a joint: of a matrix Dense is a single operation, of three axes thirty.
        rows = tf.reshape(features, [-1, channels])
        query, key, value = (
            tf.reshape(dense(rows), [-1, joints, channels]) for dense in (self.query, self.key, self.value)
        )
        # Scaled before the product, which would overflow float16 sooner than its factors.
        logits = tf.matmul(query * channels**-0.5, key, transpose_b=True)
        weights = tf.cast(tf.nn.softmax(tf.cast(logits, tf.float32)), features.dtype)
        return features + tf.matmul(weights, value)


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
      bodies: see ``GraphConv``.

    Input: [B, K, C].
    Output: [B, K, channels].
    """

    def __init__(
        self,
        channels: int,
        adjacency: npt.ArrayLike,
        graph_convolution: str = "gcn",
        attention: bool = True,
        bodies: int = 1,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.channels = channels
        self.adjacency = np.array(adjacency, np.float32)
        self.graph_convolution = graph_convolution
        self.attention = attention
        self.bodies = bodies
        policy = self.dtype_policy
        self.shortcut, self.first, self.second = (
            GraphConv(channels, self.adjacency, graph_convolution, bodies=bodies, dtype=policy, name=name)
            for name in ("shortcut", "first", "second")
        )
        self.joint_attention = JointAttention(dtype=policy, name="joint_attention") if attention else None

    def call(self, features: tf.Tensor) -> tf.Tensor:
        features = self.shortcut(features) + self.second(self.first(features))
        return features if self.joint_attention is None else self.joint_attention(features)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "channels": self.channels,
            "adjacency": self.adjacency.tolist(),
            "graph_convolution": self.graph_convolution,
            "attention": self.attention,
            "bodies": self.bodies,
        }


@tf.keras.utils.register_keras_serializable("opec_tf")
class JointIdentity(tf.keras.layers.Layer):
    """Appends to each node's features a one-hot vector that says which joint of a body it is.

    A graph convolution applies one matrix to every joint, and a body's graph looks the same from its left and from its
    right: without this only the image features could tell a left wrist from a right one, or from an ankle.

    Args:
      num_joints: K, joints of one body.

    Input: [B, M K, C]: the joints of M bodies, one body after the other.
    Output: [B, M K, C + K].
    """

    def __init__(self, num_joints: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.num_joints = num_joints

    def call(self, features: tf.Tensor) -> tf.Tensor:
        bodies = features.shape[1] // self.num_joints
        identity = tf.constant(np.tile(np.eye(self.num_joints), [1, bodies, 1]), features.dtype)
        return tf.concat([features, tf.tile(identity, [tf.shape(features)[0], 1, 1])], axis=-1)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "num_joints": self.num_joints}
