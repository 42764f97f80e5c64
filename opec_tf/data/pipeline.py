"""Annotated image files to infinite batches of augmented person crops for training, with tf.data end to end.

Each image is read and decoded once for all its people. Every random choice is a function of the seed and of a running
index, so that two runs see the same crops whatever the number of threads. Images come in a new random order each epoch;
then the crops of neighbouring images are shuffled among each other, since an image's people would otherwise share a
batch.

Images that are missing, end too early or have another size than stated are left out with one counted warning; those
damaged within show it only when they are decoded, and are left out then, with a warning each. Any of them stops the run
if ``DataConfig.strict``.

The joints of a crop are float32 [K, 4]: normalised crop (x, y); weight, 1 where the joint is labelled, else 0, with
x = y = 0; and visibility, an index into skeletons.VISIBILITY_CLASSES, of which "outside" is also what the crop cuts
off, or UNKNOWN. A joint that the augmentation moves outside the crop keeps its label and weight: its target lies beyond
[-1, 1], the pose loss still says in which direction, and its heatmap target is empty.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig
from opec_tf.data import augment, crop_labels, image_files, pairing, pose_errors
from opec_tf.data.people_by_image import PeopleByImage
from opec_tf.poses import geometry, images
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.skeletons import UNLABELLED

# Crops held for shuffling, as uint8 (63 MB at 320 x 256). It only has to part the people of one image, as images come
# in random order; a larger share of a small data set than a quarter would blur its epochs.
_SHUFFLED_CROPS, _SHUFFLED_SHARE = 256, 4
# The one shard where nobody else reads the same data.
ALL = (0, 1)
# What a network that refines given poses takes of them.
_GIVEN = ("given_pose", "given_score")


def trainable_people(annotations: PoseAnnotations, data_config: DataConfig) -> np.ndarray:
    """Which people are trained on: no crowd regions, a usable box, enough labelled joints; bool [N]."""
    labelled = np.sum(annotations.keypoints[..., 2] != UNLABELLED, axis=1)
    return ~annotations.is_crowd & annotations.has_usable_box & (labelled >= max(data_config.min_labelled_joints, 1))


def trainable_pairs(
    annotations: PoseAnnotations, data_config: DataConfig, used: np.ndarray | None = None
) -> np.ndarray:
    """The pairs of people that are trained on: everybody with the partner of largest box IoU, each pair once.

    Two proposals of one person are no pair.

    Args:
      used: bool [N], people who may be in a pair; None: ``trainable_people``.

    Returns:
      int [R, 2], rows of people.
    """
    people = np.flatnonzero(trainable_people(annotations, data_config) if used is None else used)
    columns = (annotations.boxes, annotations.image_index, annotations.annotation_ids)
    return people[pairing.pairs(*(column[people] for column in columns))]


@tf.autograph.experimental.do_not_convert
def training_dataset(
    annotations: PoseAnnotations,
    *,
    crop_size: tuple[int, int],
    data_config: DataConfig,
    batch_size: int,
    seed: int,
    crop_offset: float = 0.0,
    everybody: PoseAnnotations | None = None,
    with_poses: bool = False,
    shard: tuple[int, int] = ALL,
) -> tf.data.Dataset:
    """Batches of the people of ``trainable_people``.

    Args:
      annotations: ``boxes`` are what is cropped (jittered where ``data_config.train_boxes`` is "gt").
      crop_size: (height, width) of a crop, pixels.
      batch_size: crops in a batch, B.
      seed: order and augmentation follow from it.
      crop_offset: see ``images.crop``.
      everybody: all people of the same images, with the same annotation ids: the joints of others in the crop come too,
        for the joint-candidate loss; None: they do not.
      with_poses: give, for a network that refines given poses, ``annotations.given_poses``, or where there are none the
        annotated ones with errors (``pose_errors``). The crops are then a dict of crops, given_pose float32 [B, K, 2],
        normalised crop (x, y), and given_score float32 [B, K], 0 for joints that are not given.
      shard: (which, of how many): every n-th image of the order that the seed gives, so that all shards together see
        each image once an epoch.

    Returns:
      (crops float32 [B, H, W, 3] RGB 0..255, joints [B, K, 4]). Under ``everybody`` the joints are [B, 1 + M, K, 4]:
      the person's, then those of the M = ``interference.OTHERS`` people with most joints in the person's crop, with
      weight 0 where a joint is outside it or there is nobody.

    Raises:
      UserError: nobody is left to train on, no image can be decoded, or one is unreadable and ``data_config.strict``.
    """
    people = np.flatnonzero(_used_people(annotations, data_config))[:, None]
    crops = _TrainingCrops(annotations, people, crop_size, data_config, seed, crop_offset, everybody, with_poses, shard)

    def arrange(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor | dict[str, tf.Tensor], tf.Tensor]:
        return {name: batch[name] for name in ("crops", *_GIVEN)} if with_poses else batch["crops"], batch["joints"]

    return crops.batches(batch_size).map(arrange).prefetch(2)


@tf.autograph.experimental.do_not_convert
def couple_dataset(
    annotations: PoseAnnotations,
    *,
    crop_size: tuple[int, int],
    data_config: DataConfig,
    batch_size: int,
    seed: int,
    crop_offset: float = 0.0,
    everybody: PoseAnnotations | None = None,
    with_poses: bool = False,
    shard: tuple[int, int] = ALL,
) -> tf.data.Dataset:
    """Batches of the pairs of ``trainable_pairs``, for training the CoupleGraph; arguments as of ``training_dataset``.

    The two crops of a pair are mirrored and turned alike and otherwise changed each for itself; they are rows 2 p and
    2 p + 1 of a batch of an even number of crops.

    Returns:
      (dict(crops float32 [B, H, W, 3] RGB 0..255, crop_to_image float32 [B, 2, 3], partner int32 [B], the row of each
      person's partner), joints as of ``training_dataset``).

    Raises:
      UserError: the batch size is odd, there are no pairs, or as of ``training_dataset``.
    """
    if batch_size % 2:
        raise UserError(f"--batch_size: stage couple trains on pairs, so a device's {batch_size} crops must be even")
    pairs = trainable_pairs(annotations, data_config, _used_people(annotations, data_config))
    if not len(pairs):
        raise UserError("--train_data: no two people's boxes overlap, so stage couple has nothing to learn from")
    crops = _TrainingCrops(annotations, pairs, crop_size, data_config, seed, crop_offset, everybody, with_poses, shard)
    partner = tf.range(batch_size) + tf.tile([1, -1], [batch_size // 2])
    names = ("crops", "crop_to_image", *(_GIVEN if with_poses else ()))

    def arrange(batch: dict[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        return {**{name: batch[name] for name in names}, "partner": partner}, batch["joints"]

    return crops.batches(batch_size).map(arrange).prefetch(2)


def _used_people(annotations: PoseAnnotations, data_config: DataConfig) -> np.ndarray:
    """People who can be trained on and whose image can be read, bool [N]; a ``UserError`` where there are none."""
    readable = image_files.check(annotations.image_paths.tolist(), annotations.image_sizes, data_config.strict)
    used = trainable_people(annotations, data_config) & readable[annotations.image_index]
    if not used.any():
        raise UserError(
            f"none of the {len(used)} people in the training data can be trained on (readable image, box, at least "
            f"{data_config.min_labelled_joints} labelled joints); check --train_data and --min_labelled_joints"
        )
    return used


class _TrainingCrops:
    """Augmented crops, image by image; arguments as of ``training_dataset``.

    ``groups`` int [R, M] are rows of the M people of each group, who share an image; they stay neighbours.
    """

    def __init__(
        self,
        annotations: PoseAnnotations,
        groups: np.ndarray,
        crop_size: tuple[int, int],
        data_config: DataConfig,
        seed: int,
        crop_offset: float,
        everybody: PoseAnnotations | None,
        with_poses: bool,
        shard: tuple[int, int],
    ) -> None:
        self._shard = shard
        self._members = groups.shape[1]
        self._people = PeopleByImage(annotations.image_paths.tolist(), annotations.image_index, groups)
        self._boxes = tf.constant(annotations.boxes, tf.float32)
        self._labels, self._labelled_rows = crop_labels.label_table(
            annotations, everybody, crop_size, data_config.box_margin
        )
        self._flip_order = tf.constant(annotations.skeleton.flip_order)
        self._given_poses_of = pose_errors.poses_of(annotations) if with_poses else None
        self._crop_size, self._crop_offset, self._data_config = crop_size, crop_offset, data_config
        # 31 bits: what tf.data takes for a seed.
        self._order, self._mixing, self._placing, self._looks, self._errors = (
            np.random.SeedSequence(seed).generate_state(5) >> 1
        ).tolist()

    def batches(self, batch_size: int) -> tf.data.Dataset:
        """Infinite batches, dict(crops, crop_to_image, joints [B, 1 + M, K, 4] or, of one, [B, K, 4], _GIVEN)."""
        dataset = tf.data.Dataset.range(np.iinfo(np.int64).max).map(self._load, num_parallel_calls=tf.data.AUTOTUNE)
        if not self._data_config.strict:
            image_files.check_one_decodes(self._people.paths)
            dataset = image_files.leave_out_undecodable(
                dataset, lambda index: self._people.path(self._image_at(self._of_all(index))), self._people.num_images
            )
        dataset = dataset.map(lambda index, loaded: loaded)
        buffer = min(_SHUFFLED_CROPS // self._members, 1 + self._people.num_groups // _SHUFFLED_SHARE)
        dataset = dataset.unbatch().shuffle(buffer, seed=self._mixing)
        dataset = dataset.batch(batch_size // self._members, drop_remainder=True)
        return dataset.enumerate().map(self._finish, num_parallel_calls=tf.data.AUTOTUNE)

    def _of_all(self, index: tf.Tensor) -> tf.Tensor:
        """The place among all shards' elements of the shard's element of a running index."""
        which, shards = self._shard
        return index * shards + which

    def _image_at(self, place: tf.Tensor) -> tf.Tensor:
        epoch, position = place // self._people.num_images, place % self._people.num_images
        return tf.random.experimental.index_shuffle(position, [self._order, epoch], self._people.num_images - 1)

    def _load(self, index: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Everybody in the image of a running index, in groups: [R, M, ...]; passes the index on."""
        place = self._of_all(index)
        image = self._image_at(place)
        rows = tf.reshape(self._people.rows(image), [-1])
        affines, mirrored = augment.random_affines(
            tf.gather(self._boxes, rows), self._crop_size, self._data_config, [self._placing, place], self._members
        )
        picture = images.decode(tf.io.read_file(self._people.path(image)))
        crops = images.crop(picture, affines, self._crop_size, self._crop_offset)
        labels = tf.gather(self._labels, tf.gather(self._labelled_rows, rows))
        labels = tf.where(mirrored[:, None, None, None], tf.gather(labels, self._flip_order, axis=2), labels)
        joints = crop_labels.crop_joints(labels, affines, self._crop_size)
        loaded = {"crops": tf.cast(tf.round(crops), tf.uint8), "crop_to_image": affines, "joints": joints}
        if self._given_poses_of is not None:
            given = self._given_poses_of(rows, [self._errors, place])
            given = tf.where(mirrored[:, None, None], tf.gather(given, self._flip_order, axis=1), given)
            given_pose = geometry.image_to_normalized(affines, given[..., :2], self._crop_size)
            loaded.update(given_pose=given_pose, given_score=given[..., 2])
        return index, {name: tf.reshape(value, [-1, self._members, *value.shape[1:]]) for name, value in loaded.items()}

    def _finish(self, index: tf.Tensor, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """A batch [B / M, M, ...] with its appearance changed, [B, ...]."""
        batch_size = batch["crops"].shape[0] * self._members
        batch = {name: tf.reshape(value, [batch_size, *value.shape[2:]]) for name, value in batch.items()}
        crops = tf.cast(batch["crops"], tf.float32)
        if self._data_config.color_jitter > 0:
            # The second of two seeds, so that runs of earlier versions can be repeated.
            colors = tf.random.experimental.stateless_split([self._looks, self._of_all(index)], 2)[1]
            crops = augment.jitter_colors(crops, self._data_config.color_jitter, colors)
        joints = batch["joints"]
        return {**batch, "crops": crops, "joints": joints[:, 0] if joints.shape[1] == 1 else joints}
