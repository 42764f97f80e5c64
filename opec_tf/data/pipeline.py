"""Annotated image files to batches of person crops, with tf.data end to end.

Each image is read and decoded once for all its people. Every random choice is a function of the seed and of a running
index, so that two runs see the same crops whatever the number of threads.
"""

import numpy as np
import tensorflow as tf

from opec_tf import geometry, images
from opec_tf.data import augment, image_files
from opec_tf.errors import UserError
from opec_tf.skeletons import UNLABELLED

# Crops held for shuffling, as uint8 (63 MB at 320 x 256). It only has to part the people of one image, as images come
# in random order; a larger share of a small data set than a quarter would blur its epochs.
_SHUFFLED_CROPS, _SHUFFLED_SHARE = 256, 4


def trainable_people(annotations, data_config):
    """Which people are trained on: no crowd regions, a usable box, enough labelled joints; bool [N]."""
    labelled = np.sum(annotations.keypoints[..., 2] != UNLABELLED, axis=1)
    return ~annotations.is_crowd & annotations.has_usable_box & (labelled >= max(data_config.min_labelled_joints, 1))


def training_dataset(annotations, *, crop_size, data_config, batch_size, seed):
    """Infinite batches of augmented crops for training.

    Images come in a new random order each epoch; then the crops of neighbouring images are shuffled among each other,
    since an image's people would otherwise share a batch. Unreadable images are left out with a counted warning,
    or stop the run if ``data_config.strict``.

    A joint that the augmentation moves outside the crop keeps its label and weight: its target lies beyond [-1, 1], the
    pose loss still says in which direction, and its heatmap target is empty.

    Args:
      annotations: ``PoseAnnotations``; ``boxes`` are what is cropped (jittered where ``data_config.train_boxes`` is
        "gt"), people that ``trainable_people`` leaves out are not used.
      crop_size: (height, width) of a crop, pixels.
      data_config: ``config.DataConfig``.
      batch_size: crops in a batch, B.
      seed: int; order and augmentation follow from it.

    Returns:
      tf.data.Dataset of (crops float32 [B, H, W, 3] RGB 0..255, joints float32 [B, K, 3]: normalised crop (x, y) and
      weight, 1 where the joint is labelled, else 0, with x = y = 0).

    Raises:
      UserError: nobody is left to train on, or an image is unreadable and ``data_config.strict``.
    """
    readable = image_files.check(annotations.image_paths, annotations.image_sizes, data_config.strict)
    used = trainable_people(annotations, data_config) & readable[annotations.image_index]
    if not used.any():
        raise UserError(
            f"none of the {len(used)} people in the training data can be trained on (readable image, box, at least "
            f"{data_config.min_labelled_joints} labelled joints); check --train_data and --min_labelled_joints"
        )
    people = _PeopleByImage(annotations.image_paths, annotations.image_index, np.flatnonzero(used))
    boxes = tf.constant(annotations.boxes, tf.float32)
    keypoints = tf.constant(annotations.keypoints, tf.float32)
    flip_order = tf.constant(annotations.skeleton.flip_order)
    # 31 bits: what tf.data takes for a seed.
    order, mixing, placing, looks = (np.random.SeedSequence(seed).generate_state(4) >> 1).tolist()

    def load(index):
        epoch, position = index // people.num_images, index % people.num_images
        image = tf.random.experimental.index_shuffle(position, [order, epoch], people.num_images - 1)
        rows = people.rows(image)
        affines, mirrored = augment.random_affines(tf.gather(boxes, rows), crop_size, data_config, [placing, index])
        crops = images.crop(images.decode(tf.io.read_file(people.path(image))), affines, crop_size)
        labels = tf.gather(keypoints, rows)
        labels = tf.where(mirrored[:, None, None], tf.gather(labels, flip_order, axis=1), labels)
        points = geometry.image_to_normalized(affines, labels[..., :2], crop_size)
        weights = tf.cast(labels[..., 2:] != UNLABELLED, tf.float32)
        return tf.cast(tf.round(crops), tf.uint8), tf.concat([points * weights, weights], axis=-1)

    def finish(index, batch):
        crops, joints = batch
        return augment.appearance(tf.cast(crops, tf.float32), data_config, [looks, index]), joints

    dataset = tf.data.Dataset.range(np.iinfo(np.int64).max).map(load, num_parallel_calls=tf.data.AUTOTUNE)
    if not data_config.strict:
        dataset = dataset.ignore_errors()
    buffer = min(_SHUFFLED_CROPS, 1 + np.count_nonzero(used) // _SHUFFLED_SHARE)
    dataset = dataset.unbatch().shuffle(buffer, seed=mixing).batch(batch_size, drop_remainder=True)
    return dataset.enumerate().map(finish, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def crop_dataset(image_paths, image_index, boxes, *, crop_size, box_margin, batch_size, strict):
    """Batches of crops of given boxes, for inference; finite, in the order of the images.

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

    Returns:
      tf.data.Dataset of dict(crops float32 [B, H, W, 3] RGB 0..255, crop_to_image float32 [B, 2, 3], row int64 [B], the
      index of the crop's box).

    Raises:
      UserError: an image is unreadable and ``strict``.
    """
    if strict:
        image_files.check(image_paths, np.zeros([len(image_paths), 2], int), strict)
    people = _PeopleByImage(image_paths, image_index, np.arange(len(boxes)))
    boxes = tf.constant(np.asarray(boxes, np.float32).reshape(-1, 4))

    def load(index):
        rows = people.rows(index)
        affines = geometry.crop_affine(tf.gather(boxes, rows), crop_size, box_margin)
        crops = images.crop(images.decode(tf.io.read_file(people.path(index))), affines, crop_size)
        return {"crops": crops, "crop_to_image": affines, "row": rows}

    dataset = tf.data.Dataset.range(people.num_images).map(load, num_parallel_calls=tf.data.AUTOTUNE)
    if not strict:
        dataset = dataset.ignore_errors()
    return dataset.unbatch().batch(batch_size).prefetch(2)


class _PeopleByImage:
    """Rows of people, grouped by image; images without any are left out."""

    def __init__(self, image_paths, image_index, rows):
        image_index = np.asarray(image_index)[rows]
        used, starts = np.unique(image_index, return_counts=True)
        self.num_images = len(used)
        self._rows = tf.constant(rows[np.argsort(image_index, kind="stable")], tf.int64)
        self._starts = tf.constant(np.concatenate([[0], np.cumsum(starts)]), tf.int64)
        self._paths = tf.constant([str(image_paths[i]) for i in used], tf.string)

    def rows(self, image):
        return self._rows[self._starts[image] : self._starts[image + 1]]

    def path(self, image):
        return self._paths[image]
