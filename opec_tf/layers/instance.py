"""One person's joints out of everybody's, as CenterNet decodes them."""

from __future__ import annotations

import tensorflow as tf

from opec_tf.poses import geometry

# Distances in cells are taken relative to this, so that a score halves at this distance; MoveNet's constant.
_REACH = 1.8


@tf.keras.utils.register_keras_serializable("opec_tf")
class InstanceHeatmaps(tf.keras.layers.Layer):
    """Heatmaps of everybody's joints, weighted to the person in whose box the crop was taken.

    The person is the cell c of highest sigmoid(center_c) / (|c - middle| + r), since a crop is drawn around its
    person's box; r = 1.8 cells. It regresses where its joints lie, J_k = c + regression_c,k, and heatmap k becomes
    H_k(p) = sigmoid(heatmap_k(p)) r / (|p - J_k| + r): MoveNet's own decoding ("Objects as Points", Zhou et al., 2019),
    without its last step, the highest cell, so that the gradient reaches the heatmaps. From them none flows into J,
    which learns as a pose of its own.

    Input: [heatmap logits [B, h, w, K]; center logits [B, h, w, 1]; regression [B, h, w, 2 K], (y, x) of joint 1,
    (y, x) of joint 2, ..., cells].
    Output: heatmaps float32 [B, h, w, K], 0..1; J float32 [B, K, 2], (x, y), normalised.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        logits, center, regression = inputs
        _, height, width, joints = logits.shape
        rows, columns = tf.meshgrid(tf.range(float(height)), tf.range(float(width)), indexing="ij")
        cells = tf.stack([rows, columns], axis=-1)  # [h, w, 2], (y, x)

        # The person.
        to_middle = tf.norm(cells - [height / 2.0, width / 2.0], axis=-1)
        nearness = tf.sigmoid(center[..., 0]) / (to_middle + _REACH)
        person = tf.argmax(tf.reshape(nearness, [-1, height * width]), axis=1, output_type=tf.int32)
        regression = tf.reshape(regression, [-1, height * width, joints, 2])
        start = tf.gather(tf.reshape(cells, [-1, 2]), person)[:, None]
        regressed = start + tf.gather(regression, person, axis=1, batch_dims=1)

        # Its joints: the nearer to where it regresses them, the likelier they are its own.
        away = tf.norm(cells[None, :, :, None] - tf.stop_gradient(regressed)[:, None, None], axis=-1)
        heatmaps = tf.sigmoid(logits) * _REACH / (away + _REACH)
        return heatmaps, geometry.normalize(tf.reverse(regressed, [-1]), (height, width))
