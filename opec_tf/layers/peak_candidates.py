"""The places where a heatmap says a joint may be."""

import tensorflow as tf

from opec_tf import geometry


@tf.keras.utils.register_keras_serializable("opec_tf")
class PeakCandidates(tf.keras.layers.Layer):
    """The highest local maxima of each heatmap: cells that none of their 5 x 5 neighbourhood exceeds.

    Where two people compete for a crop, a joint's heatmap has a peak on each; an integral over the map lies between
    them, and the highest peak alone hides that there is a choice. Positions carry no gradient, heights do.

    Args:
      count: candidates of each joint.

    Input: [B, h, w, K].
    Output: points float32 [B, K, count, 2], (x, y), normalised, cells' centres, highest first; heights float32
      [B, K, count]; a candidate that does not exist has the place of the highest and height 0.
    """

    def __init__(self, count=2, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.count = count

    def call(self, heatmaps):
        _, height, width, num_joints = heatmaps.shape
        is_maximum = heatmaps >= tf.nn.max_pool2d(heatmaps, 5, 1, "SAME")
        peaks = tf.where(is_maximum & (heatmaps > 0.0), heatmaps, 0.0)
        flat = tf.reshape(tf.transpose(peaks, [0, 3, 1, 2]), [-1, num_joints, height * width])
        heights, index = tf.math.top_k(flat, self.count)
        index = tf.where(heights > 0.0, index, index[..., :1])
        cells = tf.cast(tf.stack([index % width, index // width], axis=-1), tf.float32)
        return geometry.normalize(cells, (height, width)), heights

    def get_config(self):
        return {**super().get_config(), "count": self.count}
