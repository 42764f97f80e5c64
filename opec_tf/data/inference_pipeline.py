"""Image files and boxes to batches of person crops for inference, with tf.data end to end.

Each image is read and decoded once for all its people. An unreadable image is left out, its rows with it, so a caller
that compares rows knows whom it lost. Under ``strict`` it is an error instead: a ``UserError`` at once where its header
or end shows it, else TensorFlow's while iterating, which ``image_files.naming_unreadable`` turns into one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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

    Args:
      image_index: int [N], row of the image of each box.
      boxes: [N, 4], (x, y, w, h), image pixels.
      crop_size: (height, width) of a crop, pixels.
      box_margin: see ``geometry.crop_affine``.
      batch_size: crops in a batch, B; the last may be smaller (whoever compiles for a fixed size pads it).
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

    batches = _whole_image_batches if whole_images else _batches
    return batches(people, load, batch_size, strict).prefetch(2)


_Load = Callable[[tf.Tensor], dict[str, tf.Tensor]]


def _batches(people: PeopleByImage, load: _Load, batch_size: int, strict: bool) -> tf.data.Dataset:
    return _crops(0, people.num_images, load, strict).batch(batch_size)


def _whole_image_batches(people: PeopleByImage, load: _Load, batch_size: int, strict: bool) -> tf.data.Dataset:
    # A data set for each batch: an image that is left out then shifts nobody into another batch.
    starts = tf.constant(pairing.pack(people.counts, batch_size), tf.int64)
    return tf.data.Dataset.range(len(starts) - 1).interleave(
        lambda batch: _crops(starts[batch], starts[batch + 1], load, strict).batch(people.num_groups),
        cycle_length=2,
        num_parallel_calls=2,
        deterministic=True,
    )


def _crops(first: int | tf.Tensor, last: int | tf.Tensor, load: _Load, strict: bool) -> tf.data.Dataset:
    """The crops of images first .. last - 1, one by one."""
    dataset = tf.data.Dataset.range(first, last).map(load, num_parallel_calls=tf.data.AUTOTUNE)
    if not strict:
        dataset = dataset.ignore_errors()
    return dataset.unbatch()
