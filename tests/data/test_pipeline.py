"""Training batches against pictures whose joints can be seen: frames, order, determinism, bad images."""

import dataclasses
import logging
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from annotated_people import people_of

from opec_tf import config
from opec_tf.common.errors import UserError
from opec_tf.data import pipeline
from opec_tf.data.annotations import loading
from opec_tf.poses import geometry, skeletons

SIZE = (96, 64)
LEFT = np.array([joint.startswith("left") for joint in skeletons.BODY12.joints])
WILD = config.DataConfig(rotation_degrees=40.0, scale_jitter=0.25, box_jitter=0.1)


def first_batches(dataset, count):
    return [tuple(np.array(part) for part in batch) for batch in dataset.take(count)]


def training(data, data_config, batch_size=8, seed=5, crop_size=SIZE, **changes):
    return pipeline.training_dataset(
        data, crop_size=crop_size, data_config=data_config, batch_size=batch_size, seed=seed, **changes
    )


def persons_in(batches, crop_size=SIZE, scale=1):
    """Rows of ``coloured``'s people in batches made without augmentation: read off ``scale`` times the x of joint 2."""
    affine = geometry.crop_affine([[20.0, 15.0, 20.0, 20.0]], crop_size, config.DataConfig().box_margin)
    points = np.concatenate([joints[:, 2:3, :2] for _, joints in batches])
    return np.round(scale * geometry.normalized_to_image(affine, points, crop_size)[:, 0, 0]).astype(int)


PLAIN = config.DataConfig(flip_probability=0.0, box_jitter=0.0)


def test_dots_are_found_at_the_joints_under_every_change(dotted):
    """Left joints are red dots; in a mirrored crop what is labelled left must be the green ones' mirror image."""
    batches = first_batches(training(dotted, WILD), 12)
    crops, joints = (np.concatenate(parts) for parts in zip(*batches))
    places = geometry.denormalize(joints[..., :2], SIZE).numpy()
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    errors, mirrored_crops = [], 0
    for crop, crop_places in zip(crops, places):
        # Red at its left joints, or green there: the channel says whether this crop is mirrored.
        inside = np.all((crop_places > 9) & (crop_places < np.array(SIZE[::-1]) - 10), axis=-1)
        weight = crop[..., :2].sum(axis=-1)
        for joint in np.flatnonzero(inside):
            near = (x - crop_places[joint, 0]) ** 2 + (y - crop_places[joint, 1]) ** 2 < 7.5**2
            mass = weight * near
            errors.append(np.array([(mass * x).sum(), (mass * y).sum()]) / mass.sum() - crop_places[joint])
        colours = [crop[tuple(np.round(crop_places[j, ::-1]).astype(int))] for j in np.flatnonzero(inside)]
        red_is_left = np.array([c[0] > c[1] for c in colours]) == LEFT[inside]
        assert red_is_left.all() or not red_is_left.any()
        mirrored_crops += not red_is_left.any()
    assert len(errors) > 300 and 30 < mirrored_crops < 66
    errors = np.abs(errors)
    assert errors.mean() < 0.05 and np.quantile(errors, 0.99) < 0.1, (errors.mean(), errors.max())


@pytest.mark.slow
def test_epochs_show_everybody_equally_often_in_changing_order(coloured):
    epochs, people = 20, coloured.num_people
    persons = persons_in(first_batches(training(coloured, PLAIN, batch_size=people), epochs))
    # The shuffle buffer carries a few crops over an epoch's end.
    assert np.ptp(np.bincount(persons, minlength=people)) <= 3
    orders = persons.reshape(epochs, people)
    assert np.mean(orders[0] == orders[1]) < 0.2 and np.mean(np.diff(persons) == 1) < 0.3


def test_shards_share_nobody_within_an_epoch(coloured):
    """100 pictures of one person each, whose number is twice the x of joint 2."""
    people, shards, buffer = 100, 2, 1 + 100 // 4
    keypoints = np.tile(coloured.keypoints[:1], [people, 1, 1])
    keypoints[:, 2, :2] = np.stack([np.arange(people) / 2.0, np.full(people, 20.0)], axis=1)
    alone = people_of(
        coloured.image_paths[:1].tolist() * people, keypoints, range(people), coloured.boxes[:1].repeat(people, 0)
    )
    found = [
        persons_in(
            first_batches(training(alone, PLAIN, batch_size=1, shard=(which, shards)), people // shards - buffer),
            scale=2,
        )
        for which in range(shards)
    ]
    assert len(set(np.concatenate(found))) == len(np.concatenate(found)) == people - shards * buffer


def test_neighbours_in_a_batch_come_from_different_images(coloured):
    batches = first_batches(training(coloured, PLAIN, batch_size=10), 20)
    images_per_batch = [len(np.unique(np.round(crops[:, 48, 32, 0]))) for crops, _ in batches]
    assert np.mean(images_per_batch) > 6.5


def test_crops_and_labels_belong_together(coloured):
    for crops, joints in first_batches(training(coloured, config.DataConfig()), 10):
        red = crops[:, 48, 32, 0]
        upright = geometry.crop_affine([[20.0, 15.0, 20.0, 20.0]], SIZE, 1.25)
        # Joint 2 (or, mirrored, joint 3) lies at y = the image's red; jitter moves it by a few pixels.
        y = np.where(joints[:, 2, 2] > 0, joints[:, 2, 1], joints[:, 3, 1])
        image_y = geometry.normalized_to_image(upright, np.stack([y, y], -1)[:, None], SIZE)[:, 0, 1]
        assert (np.abs(image_y - red) < 0.25 * (red + 30)).all()


def test_unlabelled_joints_have_no_weight_and_no_place(coloured):
    for crops, joints in first_batches(training(coloured, PLAIN), 3):
        assert crops.shape == (8, *SIZE, 3) and crops.dtype == np.float32
        np.testing.assert_array_equal(joints[:, [0, 2], 2], 1.0)
        np.testing.assert_array_equal(np.delete(joints, [0, 2], axis=1)[..., :3], 0.0)


def test_joint_outside_the_crop_keeps_its_label(coloured):
    _, joints = first_batches(training(coloured, PLAIN, batch_size=64), 1)[0]
    assert np.abs(joints[:, 2, :2]).max() > 2.0 and joints[:, 2, 2].min() == 1.0


@pytest.mark.slowest
def test_runs_are_equal_whatever_the_number_of_threads(coloured):
    lively = config.DataConfig(rotation_degrees=20.0, color_jitter=0.5)

    def run(threads, seed=5):
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        return first_batches(training(coloured, lively, seed=seed).with_options(options), 8)

    for one, other in zip(run(1), run(4)):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    assert not np.array_equal(run(1)[0][0], run(1, seed=6)[0][0])


def test_shapes_are_static(coloured):
    crops, joints = training(coloured, PLAIN).element_spec
    assert crops.shape == (8, *SIZE, 3) and joints.shape == (8, 12, 4)


def test_trainable_people_leaves_out_crowds_empty_boxes_and_the_unlabelled(coloured):
    keypoints, boxes, crowd = coloured.keypoints.copy(), coloured.boxes.copy(), coloured.is_crowd.copy()
    keypoints[0] = 0.0
    keypoints[1, 2] = 0.0
    boxes[2, 2], crowd[3] = 0.0, True
    changed = people_of(coloured.image_paths, keypoints, coloured.image_index, boxes)
    object.__setattr__(changed, "is_crowd", crowd)
    assert np.flatnonzero(~pipeline.trainable_people(changed, config.DataConfig())).tolist() == [0, 2, 3]
    two = config.DataConfig(min_labelled_joints=2)
    assert np.flatnonzero(~pipeline.trainable_people(changed, two)).tolist() == [0, 1, 2, 3]


def test_who_is_outside_the_image_is_not_trained_on(coloured):
    boxes, sizes = [[900.0, 900.0, 20.0, 20.0]], np.full([20, 2], 50)
    outside = people_of(coloured.image_paths, coloured.keypoints[:1], [5], boxes, sizes)
    assert not pipeline.trainable_people(outside, PLAIN).any()


def test_nobody_to_train_on_is_an_error(coloured):
    with pytest.raises(UserError, match="none of the 39 people in the training data can be trained on"):
        training(coloured, config.DataConfig(min_labelled_joints=3))


def test_training_skips_bad_images_with_a_warning(with_bad_images, caplog):
    with caplog.at_level(logging.WARNING):
        persons = persons_in(first_batches(training(with_bad_images, PLAIN), 60))
    missing, damaged = caplog.messages
    assert missing.startswith("left out 1 of 20 images: ") and "missing.png cannot be read" in missing
    assert damaged == f"left out 1 of 19 images so far: {with_bad_images.image_paths[4]} cannot be decoded"
    lost = np.flatnonzero(np.isin(with_bad_images.image_index, [2, 4]))
    assert set(persons) == set(range(39)) - set(lost)


def test_training_names_every_damaged_image_once(with_bad_images, caplog):
    """All but image 7 have only a header that is whole."""
    content = pathlib.Path(with_bad_images.image_paths[4]).read_bytes()
    paths = [str(pathlib.Path(with_bad_images.image_paths[4]).with_name(f"{i}.png")) for i in range(20)]
    for path in paths:
        pathlib.Path(path).write_bytes(content)
    paths[7] = with_bad_images.image_paths[7]
    bad = dataclasses.replace(with_bad_images, image_paths=np.array(paths))
    with caplog.at_level(logging.WARNING):
        persons = persons_in(first_batches(training(bad, PLAIN, batch_size=2), 10))
    assert set(with_bad_images.image_index[persons]) == {7}
    assert [message.split(": ")[0] for message in caplog.messages] == [
        f"left out {count} of 20 images so far" for count in range(1, 20)
    ]
    assert {message.split(": ")[1].split()[0] for message in caplog.messages} == set(paths[:7] + paths[8:])


def test_images_of_which_none_can_be_decoded_are_an_error(with_bad_images):
    bad = with_bad_images.select(with_bad_images.image_index == 4)
    message = r"damaged\.png: is truncated or damaged, and not one of the 1 images can be decoded"
    with pytest.raises(UserError, match=message):
        training(bad, PLAIN)
    with pytest.raises(UserError, match=message):
        pipeline.couple_dataset(bad, crop_size=SIZE, data_config=PLAIN, batch_size=4, seed=0)


def test_training_stops_at_a_bad_image_under_strict(with_bad_images):
    with pytest.raises(UserError, match=r"missing\.png: cannot be read"):
        training(with_bad_images, config.DataConfig(strict=True))


def test_real_people_are_cropped(real_samples):
    data = loading.load("coco:coco/test_coco.json:coco", real_samples)
    crops, joints = first_batches(training(data, PLAIN, batch_size=4), 1)[0]
    assert crops.std() > 20
    # Nearly all labelled joints lie in their person's box, so within the crop around it.
    assert np.mean(np.abs(joints[..., :2][joints[..., 2] > 0]) <= 1.0) > 0.95


@pytest.mark.slow
def test_given_poses_move_with_their_crop(dotted):
    """Poses of a file lie on the labels in every crop, mirrored or not; of none the labels' own with errors."""
    poses = dotted.keypoints.copy()
    poses[:, 3, 2], poses[:, 4, 2] = 0.0, 0.25
    settings = {"crop_size": SIZE, "data_config": WILD, "batch_size": 8, "seed": 3, "with_poses": True}
    given = pipeline.training_dataset(dataclasses.replace(dotted, given_poses=poses), **settings)
    inputs, joints = next(iter(given))
    np.testing.assert_allclose(inputs["given_pose"], joints[..., :2], atol=1e-5)
    mirrored = np.asarray(inputs["given_score"])[:, 3] != 0.0
    assert 0 < mirrored.sum() < 8
    order = skeletons.BODY12.flip_order if mirrored[0] else np.arange(12)
    np.testing.assert_array_equal(inputs["given_score"][0], poses[0, order, 2])
    made, joints = next(iter(pipeline.training_dataset(dotted, **settings)))
    np.testing.assert_array_equal(made["crops"], inputs["crops"])
    off = np.linalg.norm(made["given_pose"] - joints[..., :2], axis=-1)
    assert 0 < off.max() and np.asarray(made["given_score"]).min() >= 0.1
    again, _ = next(iter(pipeline.training_dataset(dotted, **settings)))
    np.testing.assert_array_equal(again["given_pose"], made["given_pose"])


def test_visibility_follows_the_joints_and_what_the_crop_cuts_off_is_outside(dotted):
    """Left joints are occluded, right ones visible, joint 0 of unknown visibility."""
    classes = np.where(LEFT, 1, 0)[None]
    classes[0, 0] = -1
    people = dataclasses.replace(dotted, visibility=classes)
    _, joints = (np.concatenate(parts) for parts in zip(*first_batches(training(people, WILD), 12)))
    beyond = np.any(np.abs(joints[..., :2]) > 1, axis=-1)
    # An unknown joint tells whether a crop is mirrored: its label comes to be that of the other side.
    mirrored = joints[:, 1, 3] == -1
    assert 30 < mirrored.sum() < 66 and (joints[~mirrored, 0, 3] == -1).all()
    expected = np.where(LEFT[None] != mirrored[:, None], 1, 0)
    known = joints[..., 3] != -1
    assert beyond[known].sum() > 10
    np.testing.assert_array_equal(joints[..., 3][known], np.where(beyond, 2, expected)[known])
