"""Annotated image files to batches of person crops, with tf.data end to end.

Each image is read and decoded once for all its people. Every random choice is a function of the seed and of a running
index, so that two runs see the same crops whatever the number of threads.
"""

import logging

import numpy as np
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.data import augment, image_files, interference, pairing, pose_errors
from opec_tf.poses import geometry, images
from opec_tf.poses.skeletons import UNKNOWN, UNLABELLED, VISIBILITY_CLASSES

# Crops held for shuffling, as uint8 (63 MB at 320 x 256). It only has to part the people of one image, as images come
# in random order; a larger share of a small data set than a quarter would blur its epochs.
_SHUFFLED_CROPS, _SHUFFLED_SHARE = 256, 4
# What a network that refines given poses takes of them.
_GIVEN = ("given_pose", "given_score")


def trainable_people(annotations, data_config):
    """Which people are trained on: no crowd regions, a usable box, enough labelled joints; bool [N]."""
    labelled = np.sum(annotations.keypoints[..., 2] != UNLABELLED, axis=1)
    return ~annotations.is_crowd & annotations.has_usable_box & (labelled >= max(data_config.min_labelled_joints, 1))


@tf.autograph.experimental.do_not_convert
def training_dataset(
    annotations, *, crop_size, data_config, batch_size, seed, crop_offset=0.0, everybody=None, with_poses=False
):
    """Infinite batches of augmented crops for training.

    Images come in a new random order each epoch; then the crops of neighbouring images are shuffled among each other,
    since an image's people would otherwise share a batch. Images that are missing, end too early or have another size
    than stated are left out with one counted warning; those damaged within show it only when they are decoded, and are
    left out then, with a warning each. Any of them stops the run if ``data_config.strict``.

    A joint that the augmentation moves outside the crop keeps its label and weight: its target lies beyond [-1, 1], the
    pose loss still says in which direction, and its heatmap target is empty.

    Args:
      annotations: ``PoseAnnotations``; ``boxes`` are what is cropped (jittered where ``data_config.train_boxes`` is
        "gt"), people that ``trainable_people`` leaves out are not used.
      crop_size: (height, width) of a crop, pixels.
      data_config: ``config.DataConfig``.
      batch_size: crops in a batch, B.
      seed: int; order and augmentation follow from it.
      crop_offset: see ``images.crop``.
      everybody: ``PoseAnnotations`` of all people of the same images, with the same annotation ids: the joints of
        others in the crop come too, for the joint-candidate loss; None: they do not.
      with_poses: give, for a network that refines given poses, ``annotations.given_poses``, or where there are none the
        annotated ones with errors (``pose_errors``). The crops are then a dict of crops, given_pose float32 [B, K, 2],
        normalised crop (x, y), and given_score float32 [B, K], 0 for joints that are not given.

    Returns:
      tf.data.Dataset of (crops float32 [B, H, W, 3] RGB 0..255, joints float32 [B, K, 4]: normalised crop (x, y);
      weight, 1 where the joint is labelled, else 0, with x = y = 0; and visibility, an index into
      skeletons.VISIBILITY_CLASSES, of which "outside" is also what the crop cuts off, or UNKNOWN). Under
      ``everybody`` the joints are [B, 1 + M, K, 4]: the person's, then those of the M = ``interference.OTHERS`` people
      with most joints in the person's crop, with weight 0 where a joint is outside it or there is nobody.

    Raises:
      UserError: nobody is left to train on, no image can be decoded, or one is unreadable and ``data_config.strict``.
    """
    used = _used_people(annotations, data_config)
    batches = _training_batches(
        annotations,
        np.flatnonzero(used)[:, None],
        crop_size=crop_size,
        data_config=data_config,
        batch_size=batch_size,
        seed=seed,
        crop_offset=crop_offset,
        everybody=everybody,
        with_poses=with_poses,
    )

    def arrange(batch):
        return {name: batch[name] for name in ("crops", *_GIVEN)} if with_poses else batch["crops"], batch["joints"]

    return batches.map(arrange).prefetch(2)


@tf.autograph.experimental.do_not_convert
def couple_dataset(
    annotations, *, crop_size, data_config, batch_size, seed, crop_offset=0.0, everybody=None, with_poses=False
):
    """Infinite batches of pairs of people for training the CoupleGraph.

    As ``training_dataset``, with the pairs of ``trainable_pairs`` in place of people. The two crops of a pair are
    mirrored and turned alike and otherwise changed each for itself; they are rows 2 p and 2 p + 1 of a batch.

    Args:
      annotations, crop_size, data_config, seed, crop_offset, everybody, with_poses: as for ``training_dataset``.
      batch_size: crops in a batch, B, an even number.

    Returns:
      tf.data.Dataset of (dict(crops float32 [B, H, W, 3] RGB 0..255, crop_to_image float32 [B, 2, 3], partner int32
      [B], the row of each person's partner), joints float32 [B, K, 4], or as for ``training_dataset``).

    Raises:
      UserError: the batch size is odd, there are no pairs, no image can be decoded, or one is unreadable and
        ``data_config.strict``.
    """
    if batch_size % 2:
        raise UserError(f"--batch_size: stage couple trains on pairs, so a device's {batch_size} crops must be even")
    pairs = trainable_pairs(annotations, data_config, _used_people(annotations, data_config))
    if not len(pairs):
        raise UserError("--train_data: no two people's boxes overlap, so stage couple has nothing to learn from")
    partner = tf.range(batch_size) + tf.tile([1, -1], [batch_size // 2])
    batches = _training_batches(
        annotations,
        pairs,
        crop_size=crop_size,
        data_config=data_config,
        batch_size=batch_size,
        seed=seed,
        crop_offset=crop_offset,
        everybody=everybody,
        with_poses=with_poses,
    )
    names = ("crops", "crop_to_image", *(_GIVEN if with_poses else ()))

    def arrange(batch):
        return {**{name: batch[name] for name in names}, "partner": partner}, batch["joints"]

    return batches.map(arrange).prefetch(2)


def trainable_pairs(annotations, data_config, used=None):
    """The pairs of people that are trained on: everybody with the partner of largest box IoU, each pair once.

    Two proposals of one person are no pair.

    Args:
      annotations: ``PoseAnnotations``.
      data_config: ``DataConfig``.
      used: bool [N], people who may be in a pair; None: ``trainable_people``.

    Returns:
      int [R, 2], rows of people.
    """
    people = np.flatnonzero(trainable_people(annotations, data_config) if used is None else used)
    columns = (annotations.boxes, annotations.image_index, annotations.annotation_ids)
    return people[pairing.pairs(*(column[people] for column in columns))]


def _used_people(annotations, data_config):
    """People who can be trained on and whose image can be read, bool [N]; a ``UserError`` where there are none."""
    readable = image_files.check(annotations.image_paths, annotations.image_sizes, data_config.strict)
    used = trainable_people(annotations, data_config) & readable[annotations.image_index]
    if not used.any():
        raise UserError(
            f"none of the {len(used)} people in the training data can be trained on (readable image, box, at least "
            f"{data_config.min_labelled_joints} labelled joints); check --train_data and --min_labelled_joints"
        )
    return used


def _training_batches(
    annotations, groups, *, crop_size, data_config, batch_size, seed, crop_offset, everybody, with_poses
):
    """Infinite batches of augmented crops, dict(crops, crop_to_image, joints, given_pose, given_score), of groups.

    Args:
      groups: int [R, M], rows of the M people of each group, who share an image; they stay neighbours.
      annotations, crop_size, data_config, batch_size, seed, crop_offset, everybody, with_poses: see
        ``training_dataset``.
    """
    members = groups.shape[1]
    people = _PeopleByImage(annotations.image_paths, annotations.image_index, groups)
    boxes = tf.constant(annotations.boxes, tf.float32)
    keypoints, labelled_rows = _labels(annotations, everybody, crop_size, data_config.box_margin)
    flip_order = tf.constant(annotations.skeleton.flip_order)
    # 31 bits: what tf.data takes for a seed.
    order, mixing, placing, looks, errors = (np.random.SeedSequence(seed).generate_state(5) >> 1).tolist()
    poses_of = pose_errors.poses_of(annotations) if with_poses else None

    def image_at(index):
        epoch, position = index // people.num_images, index % people.num_images
        return tf.random.experimental.index_shuffle(position, [order, epoch], people.num_images - 1)

    def load(index):
        image = image_at(index)
        rows = tf.reshape(people.rows(image), [-1])
        affines, mirrored = augment.random_affines(
            tf.gather(boxes, rows), crop_size, data_config, [placing, index], members
        )
        crops = images.crop(images.decode(tf.io.read_file(people.path(image))), affines, crop_size, crop_offset)
        labels = tf.gather(keypoints, tf.gather(labelled_rows, rows))
        labels = tf.where(mirrored[:, None, None, None], tf.gather(labels, flip_order, axis=2), labels)
        joints = _crop_joints(labels, affines, crop_size)
        loaded = {"crops": tf.cast(tf.round(crops), tf.uint8), "crop_to_image": affines, "joints": joints}
        if poses_of is not None:
            given = poses_of(rows, [errors, index])
            given = tf.where(mirrored[:, None, None], tf.gather(given, flip_order, axis=1), given)
            given_pose = geometry.image_to_normalized(affines, given[..., :2], crop_size)
            loaded.update(given_pose=given_pose, given_score=given[..., 2])
        return index, {name: tf.reshape(value, [-1, members, *value.shape[1:]]) for name, value in loaded.items()}

    def finish(index, batch):
        batch = {name: tf.reshape(value, [batch_size, *value.shape[2:]]) for name, value in batch.items()}
        crops = tf.cast(batch["crops"], tf.float32)
        if data_config.color_jitter > 0:
            # The second of two seeds, so that runs of earlier versions can be repeated.
            colors = tf.random.experimental.stateless_split([looks, index], 2)[1]
            crops = augment.jitter_colors(crops, data_config.color_jitter, colors)
        joints = batch["joints"]
        return {**batch, "crops": crops, "joints": joints[:, 0] if everybody is None else joints}

    dataset = tf.data.Dataset.range(np.iinfo(np.int64).max).map(load, num_parallel_calls=tf.data.AUTOTUNE)
    if not data_config.strict:
        image_files.check_one_decodes(people.paths)
        dataset = _skip_errors(dataset, lambda index: people.path(image_at(index)), people.num_images)
    dataset = dataset.map(lambda index, loaded: loaded)
    buffer = min(_SHUFFLED_CROPS // members, 1 + len(groups) // _SHUFFLED_SHARE)
    dataset = dataset.unbatch().shuffle(buffer, seed=mixing).batch(batch_size // members, drop_remainder=True)
    return dataset.enumerate().map(finish, num_parallel_calls=tf.data.AUTOTUNE)


def _labels(annotations, everybody, crop_size, box_margin):
    """The labels (x, y, v, class of visibility) of all people and, last, of nobody, float32 [P + 1, K, 4]; and the rows
    in it of each person and of the M others in the person's crop, int32 [N, 1 + M], M = 0 without ``everybody``."""
    tables = [annotations] if everybody is None else [annotations, everybody]
    labels = [np.concatenate([table.keypoints, table.visibility[..., None]], axis=-1) for table in tables]
    nobody = np.tile([0.0, 0.0, UNLABELLED, UNKNOWN], [1, annotations.skeleton.num_joints, 1])
    rows = np.arange(annotations.num_people)[:, None]
    if everybody is not None:
        others = interference.others_in_crops(annotations, everybody, crop_size, box_margin)
        rows = np.concatenate([rows, annotations.num_people + others], axis=1)
    return tf.constant(np.concatenate([*labels, nobody]), tf.float32), tf.constant(rows, tf.int32)


def _skip_errors(dataset, path_at, num_images):
    """Leaves out what raises, with a warning for each image.

    Args:
      dataset: tf.data.Dataset of (0, 1, 2, ..., anything).
      path_at: TensorFlow function of an index that gives the image's path.
      num_images: how many images there are, for the warning.
    """
    left_out = set()

    def warn(paths):
        for path in paths.tolist():
            if path not in left_out:
                left_out.add(path)
                logging.getLogger(__name__).warning(
                    "left out %d of %d images so far: %s cannot be decoded", len(left_out), num_images, path.decode()
                )

    def follow(expected, element):
        index, _ = element

        def tell():
            skipped = tf.range(expected, index)
            tf.numpy_function(warn, [tf.map_fn(path_at, skipped, fn_output_signature=tf.string)], [])
            return index + 1

        return tf.cond(index > expected, tell, lambda: index + 1), element

    return dataset.ignore_errors().scan(tf.constant(0, tf.int64), follow)


def _crop_joints(labels, affines, crop_size):
    """Labels [P, 1 + M, K, 4] (x, y, v, class), image pixels, of a crop's person and M others -> joints of the same
    shape: normalised (x, y), weight, zeros where not labelled or, of others, not in the crop; and the class."""
    points = geometry.image_to_normalized(affines[:, None], labels[..., :2], crop_size)
    beyond = tf.reduce_any(tf.abs(points) > 1.0, axis=-1, keepdims=True)
    labelled, classes = labels[..., 2:3] != UNLABELLED, labels[..., 3:]
    is_own = tf.range(labels.shape[1])[:, None, None] == 0
    weights = tf.cast(labelled & (is_own | ~beyond), tf.float32)
    # A labelled joint that the crop cuts off is outside what the network sees.
    cut_off = beyond & labelled & (classes != UNKNOWN)
    classes = tf.where(cut_off, float(VISIBILITY_CLASSES.index("outside")), classes)
    return tf.concat([points * weights, weights, classes], axis=-1)


@tf.autograph.experimental.do_not_convert
def crop_dataset(
    image_paths, image_index, boxes, *, crop_size, box_margin, batch_size, strict, whole_images=False, crop_offset=0.0
):
    """Batches of crops of given boxes, for inference; finite, in the order of the images.

    The last batch may be smaller (whoever compiles for a fixed size pads it). The rows of an unreadable image are
    missing, so a caller that compares rows knows whom it lost.

    Under ``whole_images`` all people of an image share a batch: as many neighbouring images as fit make one, and an
    image of more people than the batch size makes a larger one of its own.

    Args:
      image_paths: M paths.
      image_index: int [N], row of the image of each box.
      boxes: [N, 4], (x, y, w, h), image pixels.
      crop_size: (height, width) of a crop, pixels.
      box_margin: see ``geometry.crop_affine``.
      batch_size: crops in a batch, B.
      whole_images: see above.
      crop_offset: see ``images.crop``.
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
    people = _PeopleByImage(image_paths, image_index, np.arange(len(boxes))[:, None])
    boxes = tf.constant(np.asarray(boxes, np.float32).reshape(-1, 4))

    def load(index):
        rows = people.rows(index)[:, 0]
        affines = geometry.crop_affine(tf.gather(boxes, rows), crop_size, box_margin)
        crops = images.crop(images.decode(tf.io.read_file(people.path(index))), affines, crop_size, crop_offset)
        return {"crops": crops, "crop_to_image": affines, "row": rows}

    def batches_of(first, last, size):
        dataset = tf.data.Dataset.range(first, last).map(load, num_parallel_calls=tf.data.AUTOTUNE)
        if not strict:
            dataset = dataset.ignore_errors()
        return dataset.unbatch().batch(size)

    if not whole_images:
        return batches_of(0, people.num_images, batch_size).prefetch(2)
    # A data set for each batch: an image that is left out then shifts nobody into another batch.
    starts = tf.constant(pairing.pack(people.counts, batch_size), tf.int64)
    return (
        tf.data.Dataset.range(len(starts) - 1)
        .interleave(
            lambda batch: batches_of(starts[batch], starts[batch + 1], len(boxes)),
            cycle_length=2,
            num_parallel_calls=2,
            deterministic=True,
        )
        .prefetch(2)
    )


class _PeopleByImage:
    """Groups of people, each a row [M] of people's rows, by image; images without any are left out."""

    def __init__(self, image_paths, image_index, groups):
        image_index = np.asarray(image_index)[groups[:, 0]]
        used, self.counts = np.unique(image_index, return_counts=True)
        self.num_images = len(used)
        self._rows = tf.constant(groups[np.argsort(image_index, kind="stable")], tf.int64)
        self._starts = tf.constant(np.concatenate([[0], np.cumsum(self.counts)]), tf.int64)
        self.paths = [str(image_paths[i]) for i in used]
        self._paths = tf.constant(self.paths, tf.string)

    def rows(self, image):
        return self._rows[self._starts[image] : self._starts[image + 1]]

    def path(self, image):
        return self._paths[image]
