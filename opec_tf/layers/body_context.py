"""What all joints of one body, or of two, tell of each joint's place."""

import math

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("opec_tf")
class BodyContext(tf.keras.layers.Layer):
    """P + s D((P - c) / s, x): the first body's joints, displaced by a perceptron D that sees all joints at once.

    A graph convolution applies one matrix to every joint and reaches as far as its neighbours; here each joint has
    weights of its own for every other, those of the other body among them. c is the mean of the first body's joints
    and s the root of their mean squared distance from it, so nothing depends on where in the frame or how large the
    people are: a crop's border is drawn around the whole person and would give away where hidden limbs reach. In
    training the bodies are turned and mirrored at random, and what comes out is turned and mirrored back.

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
        self, flip_order, hidden_units=512, num_blocks=3, aspect=1.0, rotation_degrees=30.0, dropout=0.2, **kwargs
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.flip_order = [int(joint) for joint in flip_order]
        self.hidden_units = hidden_units
        self.num_blocks = num_blocks
        self.aspect = aspect
        self.rotation_degrees = rotation_degrees
        self.dropout = dropout

    def build(self, input_shape):
        joints = len(self.flip_order)

        def dense(units, name, **kwargs):
            return tf.keras.layers.Dense(units, dtype="float32", name=name, **kwargs)

        self.first = dense(self.hidden_units, "first", activation="relu", kernel_initializer="he_normal")
        self.blocks = [
            (
                dense(self.hidden_units, f"block_{block}_1", activation="relu", kernel_initializer="he_normal"),
                dense(self.hidden_units, f"block_{block}_2", kernel_initializer="zeros"),
            )
            for block in range(1, self.num_blocks + 1)
        ]
        self.last = dense(2 * joints, "last", kernel_initializer="zeros")
        super().build(input_shape)

    def call(self, inputs, training=None):
        poses, features = inputs
        joints = len(self.flip_order)
        unit = tf.constant([self.aspect, 1.0])
        own = poses[:, :joints]
        center = tf.reduce_mean(own, axis=1, keepdims=True)
        squares = tf.reduce_sum(tf.square((own - center) * unit), axis=2, keepdims=True)
        scale = tf.sqrt(tf.reduce_mean(squares, axis=1, keepdims=True) + 1e-6)
        points = (poses - center) * unit / scale
        if training:
            turn, mirrored = self._random_turn(tf.shape(points)[0])
            points = tf.matmul(points, turn)
        nodes = tf.concat([points, features], axis=2)
        if training:
            nodes = self._exchange_sides(nodes, mirrored)

        hidden = self.first(tf.reshape(nodes, [-1, nodes.shape[1] * nodes.shape[2]]))
        for inner, outer in self.blocks:
            between = inner(hidden)
            hidden += outer(tf.nn.dropout(between, self.dropout) if training else between)
        displacement = tf.reshape(self.last(hidden), [-1, joints, 2])

        if training:
            displacement = tf.matmul(self._exchange_sides(displacement, mirrored), turn, transpose_b=True)
        return own + displacement * scale / unit

    def get_config(self):
        return {
            **super().get_config(),
            "flip_order": self.flip_order,
            "hidden_units": self.hidden_units,
            "num_blocks": self.num_blocks,
            "aspect": self.aspect,
            "rotation_degrees": self.rotation_degrees,
            "dropout": self.dropout,
        }

    def _random_turn(self, count):
        """Rotations, every other one with a reflection of x before it, [count, 2, 2]; which have it, bool [count]."""
        reach = self.rotation_degrees * math.pi / 180.0
        angle = tf.random.uniform([count], -reach, reach)
        mirrored = tf.random.uniform([count]) < 0.5
        side = tf.where(mirrored, -1.0, 1.0)
        rows = [[side * tf.cos(angle), side * tf.sin(angle)], [-tf.sin(angle), tf.cos(angle)]]
        return tf.transpose(rows, [2, 0, 1]), mirrored

    def _exchange_sides(self, nodes, mirrored):
        """Nodes [B, M K, C], each in the row of its counterpart where its body is mirrored, bool [B]."""
        joints = len(self.flip_order)
        order = [body * joints + joint for body in range(nodes.shape[1] // joints) for joint in self.flip_order]
        return tf.where(mirrored[:, None, None], tf.gather(nodes, order, axis=1), nodes)
