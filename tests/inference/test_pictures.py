"""What is handed to ``PoseModel.predict``: taken where it is right, refused in one line where it is not."""

import cv2
import numpy as np
import pytest

from opec_tf.common.errors import UserError
from opec_tf.inference import pictures
from opec_tf.inference.pictures import Pictures
from opec_tf.poses import skeletons

IMAGE = np.random.default_rng(0).integers(0, 256, [40, 60, 3], np.uint8)


@pytest.fixture
def two(tmp_path):
    """A file and an array."""
    cv2.imwrite(str(tmp_path / "a.png"), IMAGE[..., ::-1])
    return Pictures([tmp_path / "a.png", IMAGE])


def test_files_and_arrays_are_frames_alike(two, tmp_path):
    assert (len(two), two.names, two.ids.tolist()) == (2, ["a.png", ""], [1, 2])
    assert [row for row, _ in two.start_at(0)] == [0, 1] and [row for row, _ in two.start_at(1)] == [1]
    for _, frame in two.start_at(0):
        np.testing.assert_array_equal(frame, IMAGE)
    # The file is kept as its path, the array as it is.
    assert two[0] == tmp_path / "a.png" and two[1] is IMAGE


@pytest.mark.parametrize(
    "picture, message",
    [
        (IMAGE[..., 0], r"picture 0: is grey, \[40, 60\]; give RGB"),
        (IMAGE[..., :1], r"picture 0: is grey, \[40, 60, 1\]; give RGB"),
        (np.dstack([IMAGE, IMAGE])[..., :4], r"picture 0: has the shape \[40, 60, 4\]; give RGB"),
        (IMAGE[None], r"picture 0: has the shape \[1, 40, 60, 3\]; give a batch as a list"),
        (IMAGE[:0], r"picture 0: has the shape \[0, 60, 3\]"),
        (IMAGE / 255.0, r"picture 0: holds float64; give uint8, 0 to 255"),
        (IMAGE.astype(np.int32), r"picture 0: holds int32; give uint8"),
        (IMAGE.tolist(), r"picture 0: is list; give a path, an RGB uint8 array, or a list of them"),
        (None, "picture 0: is NoneType"),
        ("nowhere.jpg", r"nowhere.jpg: cannot be read \(No such file or directory\)"),
        ("/", "/: is a folder, not an image file"),
    ],
)
def test_no_pictures(picture, message):
    with pytest.raises(UserError, match=f"^{message}") as error:
        Pictures([picture])
    assert "\n" not in str(error.value)


def test_a_damaged_file(tmp_path):
    """Half of it is known at once, damage in the middle where it is decoded."""
    content = bytearray(cv2.imencode(".png", IMAGE)[1].tobytes())
    (tmp_path / "half.png").write_bytes(content[: len(content) // 2])
    content[200:260] = bytes(60)
    (tmp_path / "damaged.png").write_bytes(content)
    with pytest.raises(UserError, match=r"half.png: is truncated or damaged; give a JPEG, PNG, BMP, GIF, WebP"):
        Pictures([tmp_path / "half.png"])
    damaged = Pictures([IMAGE, tmp_path / "damaged.png"])
    with pytest.raises(UserError, match=r"damaged.png: is truncated or damaged; replace the file"):
        list(damaged.start_at(1))


def test_boxes_are_the_pictures(two):
    found = pictures.people(two, [np.array([[1, 2, 3, 4], [5, 6, 7, 8]]), []], None, skeletons.BODY12)
    assert found.boxes.image_index.tolist() == [0, 0] and found.boxes.boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert found.boxes.scores is None and not found.have_poses
    assert len(pictures.people(two, [[], np.zeros([0, 4])], None, skeletons.BODY12).boxes) == 0


@pytest.mark.parametrize(
    "boxes, message",
    [
        ([[[1, 2, 3, 4]]], "boxes: 1 arrays for 2 pictures; give one a picture"),
        ([[], [1, 2, 3, 4]], r"boxes of picture 1: is of the shape \[4\]; give \[N, 4\]"),
        ([[[1, 2, 3]], []], r"boxes of picture 0: is of the shape \[1, 3\]"),
        ([[[1, 2, 3, 4], [5]], []], "boxes of picture 0: is no array of numbers"),
        (["boxes.json", []], "boxes of picture 0: is no array of numbers"),
        ([[[1, 2, 0, 4]], []], r"boxes of picture 0: \[1.0, 2.0, 0.0, 4.0\] has no area"),
        ([[[1, 2, np.nan, 4]], []], "boxes of picture 0: .* has no area"),
        ([[[60, 2, 3, 4]], []], "boxes of picture 0: .* lies outside the picture"),
    ],
)
def test_no_boxes(two, boxes, message):
    with pytest.raises(UserError, match=f"^{message}"):
        pictures.people(two, boxes, None, skeletons.BODY12)


def test_poses_bring_their_boxes_and_are_mapped_by_name(two):
    pose = np.concatenate([np.linspace([10, 5], [42, 35], 17), np.full([17, 1], 0.5)], axis=1)
    pose[0, 2], pose[16, 2] = 0.0, 7.0
    found = pictures.people(two, None, [[], [pose]], skeletons.BODY12)
    assert found.have_poses and found.boxes.image_index.tolist() == [1] and found.boxes.scores is None
    # COCO's joints 5 to 16 are the twelve; the box is around these.
    np.testing.assert_array_equal(found.boxes.poses[0, :, :2], pose[5:, :2])
    np.testing.assert_array_equal(found.boxes.poses[0, :, 2], [0.5] * 11 + [1.0])
    np.testing.assert_array_equal(found.boxes.boxes, [[20, 14.375, 22, 20.625]])
    own = pictures.people(two, [[], [[1, 2, 30, 30]]], [[], [pose]], skeletons.BODY12)
    np.testing.assert_array_equal(own.boxes.boxes, [[1, 2, 30, 30]])


@pytest.mark.parametrize(
    "poses, boxes, message",
    [
        ([np.ones([1, 12, 2]), []], None, r"initial_poses of picture 0: is of the shape \[1, 12, 2\]"),
        ([np.full([1, 12, 3], np.nan), []], None, "initial_poses of picture 0: .* or not finite"),
        ([np.ones([1, 5, 3]), []], None, "initial_poses of picture 0: poses have 5 joints; known are"),
        ([np.ones([1, 12, 3]), []], None, "initial_poses of picture 0: .* has no area"),
        ([np.ones([1, 12, 3]), []], [[], []], "boxes of picture 0: 0 boxes for 1 poses; give one a pose"),
        ([np.ones([1, 12, 3])], None, "initial_poses: 1 arrays for 2 pictures"),
    ],
)
def test_no_poses(two, poses, boxes, message):
    with pytest.raises(UserError, match=f"^{message}"):
        pictures.people(two, boxes, poses, skeletons.BODY12)
