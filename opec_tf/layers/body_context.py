"""What all joints of one body, or of two, tell of each joint's place."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf


@tf.keras.utils.register_keras_serializable("opec_tf")
class BodyContext(tf.keras.layers.Layer):
    """P + s D((P - c) / s, x): the first body's joints, displaced by a perceptron D that sees all joints at once.

    A graph convolution applies one matrix to every joint and reaches as far as its neighbours; here each joint has
    weights of its own for every other, those of the other body among them. c is the mean of the first body's joints
    and s the root of their mean squared distance from it, so nothing depends on where in the frame or how large the
    people are: a crop's border is drawn around the whole person and would give away where hidden limbs reach. In
    training the bodies are turned and mirrored at random, and what comes out is turned and mirrored back; otherwise,
    and where the layer is frozen, it is the mean of what comes out of the bodies and of their mirror image, so a
    mirrored person is the same person.

    D is a Dense layer with ReLU, residual blocks of two Dense layers with ReLU and dropout between (He et al., 2016;
    the baseline of Martinez et al., ICCV 2017, lifts poses by such a network), and a Dense layer that starts at zero,
    as the displacements of the graph do.

    Args:
      flip_order: [K], the row of each joint's counterpart on the other side of the body.
      hidden_units: of every Dense layer but the last.
      num_blocks: of residual blocks.
      aspect: length of a unit along x over that of one along y; width over height in the frame of a crop.
      rotation_degrees: bodies are turned by uniform(-r, r) in training.
      dropout: share of the hidden units that training leaves out between the two layers of a block.

    Input: [poses [B, M K, 2], (x, y), the joints of M bodies, one body after the other; features [B, M K, C], what is
      known of these joints that is the same in a mirror].
    Output: float32 [B, K, 2], the first body's pose.
    """

    def __init__(
        self,
        flip_order: Sequence[int] | np.ndarray,
        hidden_units: int = 512,
        num_blocks: int = 3,
        aspect: float = 1.0,
        rotation_degrees: float = 30.0,
        dropout: float = 0.2,
        **kwargs: object,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.flip_order = [int(joint) for joint in flip_order]
        self.hidden_units = hidden_units
        self.num_blocks = num_blocks
        self.aspect = aspect
        self.rotation_degrees = rotation_degrees
        self.dropout = dropout

    def build(self, input_shape: list[tf.TensorShape]) -> None:
        joints = len(self.flip_order)

        def dense(units: int, name: str, **kwargs: object) -> tf.keras.layers.Dense:
            return tf.keras.layers.Dense(units, dtype="float32", name=name, **kwargs)

        self.first = dense(self.hidden_units, "first", activation="relu", kernel_initializer="he_normal")
        # Two lists, not one of pairs: in lists within lists Keras finds no layers to save.
        self.inner = [
            dense(self.hidden_units, f"inner_{block}", activation="relu", kernel_initializer="he_normal")
            for block in range(1, self.num_blocks + 1)
        ]
        self.outer = [
            dense(self.hidden_units, f"outer_{block}", kernel_initializer="zeros")
            for block in range(1, self.num_blocks + 1)
        ]
        self.between = tf.keras.layers.Dropout(self.dropout, dtype="float32", name="between")
        self.last = dense(2 * joints, "last", kernel_initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: list[tf.Tensor], training: bool | None = None) -> tf.Tensor:
        poses, features = inputs
        unit = tf.constant([self.aspect, 1.0])
        own = poses[:, : len(self.flip_order)]
        center = tf.reduce_mean(own, axis=1, keepdims=True)
        squares = tf.reduce_sum(tf.square((own - center) * unit), axis=2, keepdims=True)
        scale = tf.sqrt(tf.reduce_mean(squares, axis=1, keepdims=True) + 1e-6)
        points = (poses - center) * unit / scale

        count = tf.shape(points)[0]
        # Passed on to the dropout, which else would take the model's word for it.
        training = bool(training) and self.trainable
        if training:
            reach = self.rotation_degrees * math.pi / 180.0
            mirrored = tf.random.uniform([count]) < 0.5
            told = self._tell(points, features, tf.random.uniform([count], -reach, reach), mirrored, training)
        else:
            straight = tf.zeros([count])
            told = self._tell(points, features, straight, straight > 0.0, training)
            told = (told + self._tell(points, features, straight, straight == 0.0, training)) / 2.0
        return own + told * scale / unit

    def _tell(
        self, points: tf.Tensor, features: tf.Tensor, angle: tf.Tensor, mirrored: tf.Tensor, training: bool
    ) -> tf.Tensor:
        """The displacements [B, K, 2] of bodies, told when they are mirrored (bool [B]) and turned by angles ([B])."""
        side = tf.where(mirrored, -1.0, 1.0)
        rows = [[side * tf.cos(angle), side * tf.sin(angle)], [-tf.sin(angle), tf.cos(angle)]]
        turn = tf.transpose(rows, [2, 0, 1])
        nodes = self._exchange_sides(tf.concat([tf.matmul(points, turn), features], axis=2), mirrored)
        hidden = self.first(tf.reshape(nodes, [-1, nodes.shape[1] * nodes.shape[2]]))
        for inner, outer in zip(self.inner, self.outer):
            hidden += outer(self.between(inner(hidden), training=training))
        told = tf.reshape(self.last(hidden), [-1, len(self.flip_order), 2])
        return tf.matmul(self._exchange_sides(told, mirrored), turn, transpose_b=True)

    def _exchange_sides(self, nodes: tf.Tensor, mirrored: tf.Tensor) -> tf.Tensor:
        """Nodes [B, M K, C], each in the row of its counterpart where its body is mirrored, bool [B]."""
        joints = len(self.flip_order)
        order = [body * joints + joint for body in range(nodes.shape[1] // joints) for joint in self.flip_order]
        return tf.where(mirrored[:, None, None], tf.gather(nodes, order, axis=1), nodes)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "flip_order": self.flip_order,
            "hidden_units": self.hidden_units,
            "num_blocks": self.num_blocks,
            "aspect": self.aspect,
            "rotation_degrees": self.rotation_degrees,
            "dropout": self.dropout,
        }
