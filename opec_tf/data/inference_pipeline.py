"""Image files and boxes to batches of person crops for inference, with tf.data end to end.

Each image is read and decoded once for all its people.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from opec_tf.data import image_files, pairing
from opec_tf.data.people_by_image import PeopleByImage
from opec_tf.poses import geometry, images


@tf.autograph.experimental.do_not_convert
def crop_dataset(
    image_paths: Sequence[str],
    image_index: np.ndarray,
    boxes: np.ndarray,
    *,
    crop_size: tuple[int, int],
    box_margin: float,
    batch_size: int,
    strict: bool,
    whole_images: bool = False,
    crop_offset: float = 0.0,
) -> tf.data.Dataset:
    """Batches of crops of given boxes; finite, in the order of the images.

    The last batch may be smaller (whoever compiles for a fixed size pads it). The rows of an unreadable image are
    missing, so a caller that compares rows knows whom it lost.

    Args:
      image_paths: M paths.
      image_index: int [N], row of the image of each box.
      boxes: [N, 4], (x, y, w, h), image pixels.
      crop_size: (height, width) of a crop, pixels.
      box_margin: see ``geometry.crop_affine``.
      batch_size: crops in a batch, B.
      strict: an unreadable image is an error instead: a ``UserError`` from here where its header or end shows it, else
        TensorFlow's while iterating, which ``image_files.naming_unreadable`` turns into one.
      whole_images: all people of an image share a batch: as many neighbouring images as fit make one, and an image of
        more people than the batch size makes a larger one of its own.
      crop_offset: see ``images.crop``.

    Returns:
      dict(crops float32 [B, H, W, 3] RGB 0..255, crop_to_image float32 [B, 2, 3], row int64 [B], the index of the
      crop's box).
    """
    if strict:
        image_files.check(image_paths, np.zeros([len(image_paths), 2], int), strict)
    people = PeopleByImage(image_paths, image_index, np.arange(len(boxes))[:, None])
    all_boxes = tf.constant(np.asarray(boxes, np.float32).reshape(-1, 4))

    def load(index: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = people.rows(index)[:, 0]
        affines = geometry.crop_affine(tf.gather(all_boxes, rows), crop_size, box_margin)
        crops = images.crop(images.decode(tf.io.read_file(people.path(index))), affines, crop_size, crop_offset)
        return {"crops": crops, "crop_to_image": affines, "row": rows}

    def batches_of(first: int | tf.Tensor, last: int | tf.Tensor, size: int) -> tf.data.Dataset:
        dataset = tf.data.Dataset.range(first, last).map(load, num_parallel_calls=tf.data.AUTOTUNE)
        if not strict:
            dataset = dataset.ignore_errors()
        return dataset.unbatch().batch(size)

    if not whole_images:
        return batches_of(0, people.num_images, batch_size).prefetch(2)
    # A data set for each batch: an image that is left out then shifts nobody into another batch.
    starts = tf.constant(pairing.pack(people.counts, batch_size), tf.int64)
    batches = tf.data.Dataset.range(len(starts) - 1).interleave(
        lambda batch: batches_of(starts[batch], starts[batch + 1], len(boxes)),
        cycle_length=2,
        num_parallel_calls=2,
        deterministic=True,
    )
    return batches.prefetch(2)
