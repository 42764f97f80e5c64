"""The places where a heatmap says a joint may be."""

import tensorflow as tf

from opec_tf import decoding


@tf.keras.utils.register_keras_serializable("opec_tf")
class PeakCandidates(tf.keras.layers.Layer):
    """The highest local maxima of each heatmap, see ``decoding.decode_candidates``.

    Where two people compete for a crop, a joint's heatmap has a peak on each; an integral over the map lies between
    them, and the highest peak alone hides that there is a choice. Positions carry no gradient, heights do.

    Args:
      count: M, candidates of each joint.
      refinement: sub-cell rule, see ``decoding.decode_peaks``.

    Input: [B, h, w, K].
    Output: points float32 [B, K, M, 2], (x, y), normalised, highest first; heights float32 [B, K, M]; a candidate that
      does not exist has the place of the highest and height 0.
    """

    def __init__(self, count=2, refinement="dark", **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.count = count
        self.refinement = refinement

    def call(self, heatmaps):
        points, heights = decoding.decode_candidates(heatmaps, self.refinement, self.count, threshold=0.0)
        return tf.stop_gradient(points), heights

    def get_config(self):
        return {**super().get_config(), "count": self.count, "refinement": self.refinement}
