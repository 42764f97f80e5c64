"""Who is in which image, for pipelines that decode each image once for all its people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


class PeopleByImage:
    """Groups of people, each a row [M] of people's rows, by image; images without any are left out."""

    def __init__(self, image_paths: Sequence[str], image_index: np.ndarray, groups: np.ndarray) -> None:
        image_index = np.asarray(image_index)[groups[:, 0]]
        used, self.counts = np.unique(image_index, return_counts=True)
        self.num_images, self.num_groups = len(used), len(groups)
        self._rows = tf.constant(groups[np.argsort(image_index, kind="stable")], tf.int64)
        self._starts = tf.constant(np.concatenate([[0], np.cumsum(self.counts)]), tf.int64)
        self.paths = [str(image_paths[i]) for i in used]
        self._paths = tf.constant(self.paths, tf.string)

    def rows(self, image: tf.Tensor) -> tf.Tensor:
        """The groups of an image, int64 [R, M]."""
        return self._rows[self._starts[image] : self._starts[image + 1]]

    def path(self, image: tf.Tensor) -> tf.Tensor:
        """The path of an image's file, a string."""
        return self._paths[image]
