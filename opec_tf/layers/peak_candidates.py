"""The places where a heatmap says a joint may be."""

import tensorflow as tf

from opec_tf import decoding, geometry


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
        cells, heights = decoding.local_maxima(heatmaps, self.count)
        return geometry.normalize(tf.cast(cells, tf.float32), tuple(heatmaps.shape[1:3])), heights

    def get_config(self):
        return {**super().get_config(), "count": self.count}
