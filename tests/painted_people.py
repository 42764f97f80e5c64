"""People that a model without weights finds exactly: a red, a green and a blue spot each. Shared by several tests."""

import numpy as np
import tensorflow as tf

from opec_tf.config import ModelConfig
from opec_tf.poses import geometry

CONFIG = ModelConfig(crop_height=160, crop_width=128)
# Left and right joints of a pair see the same colour, so that the flip test must change nothing.
COLOR_OF_JOINT = (np.arange(12) // 2) % 3


def color_model(base_only=False, visibility=None):
    """A model without weights whose joints are where the crop's red, green and blue are: a quarter-size heatmap each.

    Peaks have the height of the colour's maximum over 255, poses are the squared heatmap's centre of mass; the logits
    of visibility, [12, 3] where they are given, are the same for everybody.
    """
    crops = tf.keras.Input((*CONFIG.crop_size, 3))
    heatmaps = tf.gather(tf.keras.layers.AveragePooling2D(4)(crops / 255.0), COLOR_OF_JOINT, axis=3)
    squared = tf.square(heatmaps)  # a JPEG file's colours mix a little; the centre should not feel it
    weights = squared / tf.reduce_sum(squared, axis=[1, 2], keepdims=True)
    pose = tf.einsum("bhwk,hwc->bkc", weights, tf.constant(geometry.cell_centers((40, 32))))
    outputs = {"base_heatmaps": heatmaps}
    if not base_only:
        outputs.update(dict.fromkeys(("initial_pose", "pose_1", "pose_2", "pose_3"), pose))
    if visibility is not None:
        outputs["visibility"] = 0.0 * tf.reduce_sum(crops, axis=[1, 2, 3])[:, None, None] + visibility
    return tf.keras.Model(crops, outputs)


def paint(height, width, people, level=250.0, sigma=7.0):
    """Black image with a red, a green and a blue Gaussian a person; people [N, 3, 2], (x, y)."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    image = np.zeros([height, width, 3])
    for centers in people:
        for color, (px, py) in enumerate(centers):
            image[..., color] += level * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2))
    return np.round(np.minimum(image, 255)).astype(np.uint8)
