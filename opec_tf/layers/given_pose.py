"""A pose that another system gives, completed by one's own."""

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("opec_tf")
class GivenPose(tf.keras.layers.Layer):
    """Joint by joint the given pose, or where that has none (score 0) the fallback.

    No gradient flows into what is given.

    Input: [given pose [B, K, 2]; its scores [B, K], 0 for a joint it lacks; fallback pose [B, K, 2]; its scores
    [B, K]].
    Output: pose [B, K, 2] and scores [B, K].
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs):
        pose, score, fallback_pose, fallback_score = inputs
        pose, score = tf.stop_gradient(pose), tf.stop_gradient(score)
        is_given = score > 0.0
        return tf.where(is_given[..., None], pose, fallback_pose), tf.where(is_given, score, fallback_score)
