import json

import cv2
import numpy as np
import pytest

from opec_tf.common.errors import UserError
from opec_tf.poses import drawing, skeletons

BODY = skeletons.BODY12


def person(offset=(0.0, 0.0), score=1.0):
    """One upright figure of body12 about 150 pixels high, [1, 12, 3]."""
    x = np.array([80, 40, 95, 25, 98, 22, 72, 48, 75, 45, 76, 44]) + offset[0]
    y = np.array([30, 30, 62, 62, 95, 95, 95, 95, 135, 135, 175, 175]) + offset[1]
    return np.stack([x, y, np.full(12, score)], -1)[None].astype(float)


def grey(height=200, width=130):
    return np.full([height, width, 3], 128, np.uint8)


def changed(drawn, image):
    return np.any(drawn != image, axis=-1)


def test_draws_on_a_copy_at_the_joints_and_along_the_bones():
    image, keypoints = grey(), person()
    drawn = drawing.draw_people(image, keypoints, BODY)
    assert np.all(image == 128)
    touched = changed(drawn, image)
    for x, y, _ in keypoints[0]:
        assert touched[int(y), int(x)]
    for first, second in BODY.edges:
        x, y = (keypoints[0, first, :2] + keypoints[0, second, :2]) / 2
        assert touched[int(y), int(x)]
    assert touched.mean() < 0.25


def test_left_limbs_are_lighter_than_right_ones():
    drawn = drawing.draw_people(grey(), person(), BODY).astype(int)
    assert drawn[62, 95].sum() > drawn[62, 25].sum() + 100


def test_hidden_joints_are_hollow_and_their_limbs_have_gaps():
    image, keypoints = grey(800, 520), person() * [4, 4, 1]
    hidden = np.zeros([1, 12], bool)
    hidden[0, 4] = True
    elbow, wrist = keypoints[0, 2, :2], keypoints[0, 4, :2]
    limb = (elbow + np.linspace(0.2, 0.8, 60)[:, None] * (wrist - elbow)).astype(int)
    for people_hidden, low, high in ((None, 1.0, 1.0), (hidden, 0.5, 0.9)):
        touched = changed(drawing.draw_people(image, keypoints, BODY, people_hidden), image)
        assert touched[int(wrist[1]), int(wrist[0])] == (people_hidden is None)
        assert low <= touched[limb[:, 1], limb[:, 0]].mean() <= high


@pytest.mark.parametrize(
    "bad", [(np.nan, 50.0, 1.0), (1e12, 50.0, 1.0), (50.0, -np.inf, 1.0), (50.0, 50.0, 0.0), (50.0, 50.0, np.nan)]
)
def test_joints_that_cannot_be_drawn_are_left_out(bad):
    keypoints = person()
    keypoints[0, 4] = bad
    without = person()
    without[0, 4, 2] = 0.0
    np.testing.assert_array_equal(
        drawing.draw_people(grey(), keypoints, BODY), drawing.draw_people(grey(), without, BODY)
    )


def test_joints_are_marked_by_prediction_then_labels_then_scores():
    keypoints = np.zeros([1, 4, 3])
    keypoints[0, :, 2] = [0.1, 0.9, 0.1, 0.9]
    labels = np.zeros([1, 4, 3])
    labels[0, :, 2] = [2, 1, 0, 0]
    visibility = np.array([[[0.5, 0.4, 0.1], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4], [0.1, 0.8, 0.1]]])
    for given, hidden, drawn in (
        ({}, [1, 0, 1, 0], [1, 1, 1, 1]),
        ({"labels": labels}, [0, 1, 1, 0], [1, 1, 1, 1]),
        ({"labels": labels, "visibility": visibility}, [0, 1, 0, 1], [1, 1, 0, 1]),
    ):
        marked, found = drawing.mark_joints(keypoints, 0.3, **given)
        np.testing.assert_array_equal(found, [hidden])
        np.testing.assert_array_equal(marked[..., 2], [drawn])


def test_nobody_and_nothing_drawn_leave_the_image():
    np.testing.assert_array_equal(drawing.draw_people(grey(), np.zeros([0, 12, 3]), BODY), grey())
    np.testing.assert_array_equal(drawing.draw_people(grey(), person(score=0.0), BODY), grey())


def test_line_width_follows_the_persons_size():
    small, large = person(), person()
    large[..., :2] *= 5
    counts = [changed(drawing.draw_people(grey(1000, 650), p, BODY), grey(1000, 650)).sum() for p in (small, large)]
    assert 8 < counts[1] / counts[0] < 30


def test_colors_choose_the_place_in_the_palette():
    two = np.concatenate([person(), person((110, 0))])
    drawn = drawing.draw_people(grey(200, 250), two, BODY, colors=[3, 3])
    np.testing.assert_array_equal(drawn[62, 95], drawn[62, 205])
    apart = drawing.draw_people(grey(200, 250), two, BODY)
    assert np.abs(apart[62, 95].astype(int) - apart[62, 205]).max() > 50


def test_contact_sheet_places_and_scales_its_images():
    images = [np.full([50, 100, 3], level, np.uint8) for level in (10, 60, 110)]
    sheet = drawing.contact_sheet(images, 2)
    assert sheet.shape == (4 + 2 * (50 + 4), 4 + 2 * (100 + 4), 3)
    assert [sheet[30, 50, 0], sheet[30, 160, 0], sheet[85, 50, 0]] == [10, 60, 110]
    assert sheet[85, 160, 0] == sheet[0, 0, 0]
    titled = drawing.contact_sheet(images, 2, ["one", "two", "three \u00e9"], cell_size=(100, 300))
    assert titled.shape == (7 + 2 * (100 + 20 + 7), 7 + 2 * (300 + 7), 3)
    assert titled[7 + 20 + 50, 7 + 150, 0] == 10
    assert titled[7:27, 7:60].min() < 100


def test_image_round_trip_and_unwritable_folder(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, [8, 9, 3], dtype=np.uint8)
    drawing.write_image(tmp_path / "deep" / "image.png", image)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "deep" / "image.png"))[..., ::-1], image)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/image\.png: cannot be written"):
        drawing.write_image(tmp_path / "file" / "image.png", image)


@pytest.mark.parametrize("name", ["image", "image.xyz", "image.gif", "image.exr"])
def test_a_suffix_of_no_format_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=f"{name}: no image can be written in a format of this suffix; choose .jpg"):
        drawing.write_image(tmp_path / name, grey())
    assert not list(tmp_path.iterdir())


def test_real_drawings_cover_the_joints(real_samples):
    ground_truth = json.loads((real_samples / "crowdpose" / "test_crowdpose.json").read_text())
    image_of = {image["id"]: image["file_name"] for image in ground_truth["images"]}
    for annotation in ground_truth["annotations"]:
        image = cv2.imread(str(real_samples / "crowdpose" / image_of[annotation["image_id"]]))[..., ::-1]
        keypoints = np.array(annotation["keypoints"], float).reshape(1, 14, 3)
        touched = changed(drawing.draw_people(image, keypoints, skeletons.CROWDPOSE14), image)
        for x, y, v in keypoints[0]:
            if v and 2 <= x < image.shape[1] - 2 and 2 <= y < image.shape[0] - 2:
                near = touched[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3]
                assert near.any()
