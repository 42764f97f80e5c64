"""The flip test where couples choose: each joint is at one of the places that a pass found, never between two."""

import numpy as np
import pytest
import tensorflow as tf
import tiny_run

from opec_tf.config import InferenceConfig
from opec_tf.inference import forward
from opec_tf.models import builders, output_names
from opec_tf.poses import geometry, skeletons

pytestmark = pytest.mark.slow

SKELETON = skeletons.SKELETONS[tiny_run.MODEL.skeleton]
JOINTS = SKELETON.num_joints
SIZE = tiny_run.MODEL.crop_size
BOXES = np.array([[10, 10, 50, 80], [30, 0, 60, 90], [500, 500, 20, 50]], np.float32)
AFFINES = geometry.crop_affine(BOXES, SIZE, 1.25)
PARTNER = np.array([1, 0, -1], np.int32)
# Two people's places of a joint, and that of the one who is alone.
HERE, THERE, ALONE = [-0.5, 0.2], [0.4, 0.3], [0.1, -0.6]


def scripted(plain, mirrored):
    """A couple's network without weights that answers a dark crop by one script and a bright one by another.

    A script is (alternatives [3, A, 2] of each person, the same for all joints, and pair logits [3, A, A]); the last
    pose is what the network chooses by itself, all others are the mean of the alternatives.
    """
    crops = tf.keras.Input((*SIZE, 3), name="crops")
    affines, partner = tf.keras.Input((2, 3), name="crop_to_image"), tf.keras.Input((), dtype="int32", name="partner")

    def answer(crops):
        is_plain = tf.reduce_mean(crops) < 128.0
        places, logits = (tf.where(is_plain, first, second) for first, second in zip(plain, mirrored))
        likeliest = tf.argmax(tf.reshape(logits, [3, -1]), axis=1) // places.shape[1]
        chosen = tf.gather(places, likeliest, axis=1, batch_dims=1)
        found = [tf.reduce_mean(places, axis=1), chosen, places, logits]
        heatmaps = tf.repeat(crops[:, ::4, ::4, :1], JOINTS, axis=3)
        return [heatmaps, *(tf.repeat(value[:, None], JOINTS, axis=1) for value in found)]

    heatmaps, mean, chosen, places, logits = tf.keras.layers.Lambda(answer)(crops)
    outputs = {
        "base_heatmaps": heatmaps,
        **dict.fromkeys((*output_names.POSE_OUTPUTS, *output_names.COUPLE_OUTPUTS), mean),
    }
    outputs[output_names.COUPLE_OUTPUTS[-1]] = chosen
    outputs.update({output_names.ALTERNATIVES_OUTPUT: places, output_names.PAIR_LOGITS_OUTPUT: logits})
    return tf.keras.Model({"crops": crops, "crop_to_image": affines, "partner": partner}, outputs)


def last_pose(plain, mirrored, monkeypatch, flip_test=True):
    """The couple's last pose of each person's first joint, [3, 2], normalised in the crop."""
    monkeypatch.setattr(forward.images, "mirror", lambda crops, crop_offset: crops + 255.0)
    found = forward.estimate_crops(
        scripted(plain, mirrored),
        tf.zeros((3, *SIZE, 3)),
        AFFINES,
        skeleton=SKELETON,
        inference_config=InferenceConfig(flip_test=flip_test),
        partner=tf.constant(PARTNER),
    )
    return geometry.image_to_normalized(AFFINES, found.poses["couple_3"], SIZE).numpy()[:, 0]


def script(first, second, scores, mirrored=False):
    """Alternatives of two people and of one alone, and logits of the couple's pairs (first's, second's)."""
    scores = np.array(scores, np.float32)
    places = np.array([first, second, [ALONE] * len(first)], np.float32)
    places = places * np.float32([-1, 1]) if mirrored else places
    return places, np.stack([scores, scores.T, np.zeros_like(scores)])


@pytest.mark.parametrize("surer", ["plain", "mirrored"])
def test_of_two_passes_that_choose_different_people_the_surer_has_its_way(surer, monkeypatch):
    """The plain pass has the first person here and the second there, the mirrored pass the other way round."""
    sure, unsure = (3.0, 1.0) if surer == "plain" else (1.0, 3.0)
    plain = script([HERE, THERE], [HERE, THERE], [[-5, sure], [0, -5]])
    mirrored = script([HERE, THERE], [HERE, THERE], [[-5, 0], [unsure, -5]], mirrored=True)
    expected = [HERE, THERE] if surer == "plain" else [THERE, HERE]
    np.testing.assert_allclose(last_pose(plain, mirrored, monkeypatch), [*expected, ALONE], atol=1e-4)


def test_candidates_that_come_in_another_order_are_matched_by_their_places(monkeypatch):
    """Refined joints apart, both passes have the first person here and the second there, a little shifted."""
    far = [0.9, 0.9]
    plain = script([far, HERE, THERE], [far, HERE, THERE], [[-9, -9, -9], [-9, -5, 2], [-9, 0, -5]])
    moved = [far, np.add(THERE, [0.04, 0.0]), np.add(HERE, [0.0, 0.02])]
    mirrored = script(moved, moved, [[-9, -9, -9], [-9, -5, 0], [-9, 2, -5]], mirrored=True)
    found = last_pose(plain, mirrored, monkeypatch)
    np.testing.assert_allclose(found, [np.add(HERE, [0, 0.01]), np.add(THERE, [0.02, 0]), ALONE], atol=1e-4)


def test_a_place_that_only_one_pass_knows_is_not_averaged_with_another(monkeypatch):
    """The plain pass would rather have the first person between the two; the mirrored pass knows no such place."""
    between = [-0.05, 0.25]
    plain = script([between, HERE], [THERE, THERE], [[1.0, 1.0], [0.5, 0.5]])
    mirrored = script([HERE, HERE], [THERE, THERE], [[2.0, 2.0], [-3.0, -3.0]], mirrored=True)
    found = last_pose(plain, mirrored, monkeypatch)
    np.testing.assert_allclose(found, [HERE, THERE, ALONE], atol=1e-4)


def test_without_the_flip_test_the_networks_own_choice_is_taken(monkeypatch):
    plain = script([HERE, THERE], [HERE, THERE], [[-5, 0], [2, -5]])
    found = last_pose(plain, plain, monkeypatch, flip_test=False)
    np.testing.assert_allclose(found, [THERE, HERE, ALONE], atol=1e-4)


def test_who_is_alone_has_the_mean_of_both_passes(monkeypatch):
    plain = script([HERE, THERE], [HERE, THERE], [[-5, 2], [0, -5]])
    mirrored = script([HERE, THERE], [HERE, THERE], [[-5, 2], [0, -5]], mirrored=True)
    mirrored[0][2] += [0.4, 0.2]
    np.testing.assert_allclose(last_pose(plain, mirrored, monkeypatch)[2], np.add(ALONE, [-0.2, 0.1]), atol=1e-4)


@pytest.mark.slowest
def test_the_real_networks_flip_test_compiles_and_chooses_a_place_that_it_knows():
    tf.keras.utils.set_random_seed(0)
    model, random = builders.build_couple_net(tiny_run.MODEL), np.random.default_rng(1)
    model.set_weights([weight + 0.05 * random.uniform(size=weight.shape) for weight in model.get_weights()])
    crops = tf.constant(random.uniform(0, 255, (3, *SIZE, 3)), tf.float32)

    @tf.function(jit_compile=True)
    def estimate(crops):
        settings = {"skeleton": SKELETON, "inference_config": InferenceConfig(flip_test=True)}
        return forward.estimate_crops(model, crops, AFFINES, partner=tf.constant(PARTNER), **settings).poses

    found = geometry.image_to_normalized(AFFINES, estimate(crops)["couple_3"], SIZE)
    outputs = model({"crops": crops, "crop_to_image": AFFINES, "partner": PARTNER})
    distance = np.linalg.norm(found[:, :, None] - outputs[output_names.ALTERNATIVES_OUTPUT], axis=-1).min(axis=-1)
    # The mean of two places that are one lies at most half as far off as they may be apart.
    assert distance[:2].max() < 0.076
