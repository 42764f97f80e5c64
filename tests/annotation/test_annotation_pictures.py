"""Pictures as a browser gets them, and where skeletons start from."""

import cv2
import numpy as np
import pytest

from opec_tf.annotation import suggestions
from opec_tf.annotation.pictures import Pictures
from opec_tf.common.errors import UserError
from opec_tf.poses.picture_poses import Poses
from opec_tf.poses.skeletons import BODY12, COCO17, CROWDPOSE14, SKELETONS


def _image():
    return np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)


def test_what_every_browser_shows_upright_is_sent_as_it_is(tmp_path):
    for name in ("a.jpg", "b.png"):
        cv2.imwrite(str(tmp_path / name), _image())
    pictures = Pictures(tmp_path)
    assert pictures.names == ["a.jpg", "b.png"]
    for name, media_type in (("a.jpg", "image/jpeg"), ("b.png", "image/png")):
        assert pictures.content(name) == ((tmp_path / name).read_bytes(), media_type)
        assert pictures.size(name) == (30, 20)


# The Exif data of a picture that is to be turned right by 90 degrees.
_TURNED = b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"


def _jpeg(segments=b""):
    """(JPEG, its pixels, BGR) of a smooth picture of 30 x 20 before it is turned, with segments at its beginning."""
    smooth = cv2.resize(_image()[:3, :4], (30, 20), interpolation=cv2.INTER_CUBIC)
    encoded = cv2.imencode(".jpg", smooth)[1].tobytes()
    return encoded[:2] + segments + encoded[2:], cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)


def test_a_turned_jpeg_and_a_tiff_become_upright_jpegs(tmp_path):
    turned, plain = _jpeg(_TURNED)
    (tmp_path / "b.jpg").write_bytes(turned)
    cv2.imwrite(str(tmp_path / "a.tif"), plain)
    pictures = Pictures(tmp_path)
    for name, size, expected in (("a.tif", (30, 20), plain), ("b.jpg", (20, 30), np.rot90(plain, -1))):
        content, media_type = pictures.content(name)
        assert (media_type, pictures.size(name)) == ("image/jpeg", size)
        sent = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        assert np.abs(sent.astype(int) - expected).mean() < 4  # encoded anew


def test_exif_data_that_a_browser_alone_would_find_turn_nothing(tmp_path):
    comment = b"\xff\xfe" + (2000 + 2).to_bytes(2, "big") + bytes(2000)
    stored, plain = _jpeg(comment + _TURNED)
    (tmp_path / "a.jpg").write_bytes(stored)
    pictures = Pictures(tmp_path)
    content, _ = pictures.content("a.jpg")
    assert pictures.size("a.jpg") == (30, 20) and b"Exif" not in content
    sent = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(sent.astype(int) - plain).mean() < 4


def test_a_picture_that_is_replaced_has_its_new_size_and_one_that_is_gone_its_old(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), _image())
    pictures = Pictures(tmp_path)
    assert pictures.size("a.png") == (30, 20)
    cv2.imwrite(str(tmp_path / "a.png"), _image()[:12, :10])
    assert pictures.size("a.png") == (10, 12)
    (tmp_path / "a.png").unlink()
    assert pictures.size("a.png") == (10, 12)
    with pytest.raises(UserError, match=r"a.png: cannot be read \(No such file"):
        pictures.content("a.png")


def test_a_name_that_is_no_text_is_left_out_and_said(tmp_path, caplog):
    for name in (b"a.png", b"\xff.png"):
        (tmp_path / name.decode(errors="surrogateescape")).write_bytes(cv2.imencode(".png", _image())[1].tobytes())
    assert Pictures(tmp_path).names == ["a.png"]
    assert r"'\udcff.png': left out, since its name is not UTF-8; rename the file" in caplog.text


def test_a_damaged_picture_and_one_that_became_a_link_are_refused(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), _image())
    (folder / "b.jpg").write_bytes(cv2.imencode(".jpg", _image())[1].tobytes()[:200])
    cv2.imwrite(str(tmp_path / "secret.png"), _image())
    pictures = Pictures(folder)
    with pytest.raises(UserError, match="b.jpg: is truncated or damaged; replace the file, or go on with the next"):
        pictures.size("b.jpg")
    (folder / "a.png").unlink()
    (folder / "a.png").symlink_to(tmp_path / "secret.png")
    for read in (pictures.size, pictures.content):
        with pytest.raises(KeyError):
            read("a.png")


def test_a_folder_without_pictures_is_named(tmp_path):
    with pytest.raises(UserError, match="none: is no folder; give the folder of pictures as --images"):
        Pictures(tmp_path / "none")
    with pytest.raises(UserError, match="the folder holds no image"):
        Pictures(tmp_path)
    cv2.imwrite(str(tmp_path / "secret.png"), _image())
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(UserError, match="images: all its pictures are links that lead out of it"):
        Pictures(tmp_path / "images")


@pytest.mark.parametrize("name", SKELETONS)
def test_the_template_stands_upright_and_faces_the_camera(name):
    skeleton = SKELETONS[name]
    joints = dict(zip(skeleton.joints, suggestions.standing(skeleton).tolist()))
    assert joints["left_shoulder"][0] > joints["right_shoulder"][0] == -joints["left_shoulder"][0]
    heights = [joints[f"left_{part}"][1] for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")]
    assert heights == sorted(heights) and 0 <= min(heights) and max(heights) < 1
    mirrored = suggestions.standing(skeleton)[skeleton.flip_order] * [-1, 1]
    np.testing.assert_array_equal(mirrored, suggestions.standing(skeleton))


def _poses(skeleton, visibility=None):
    keypoints = 100 * suggestions.standing(skeleton)[None] + [40, 7]
    scores = np.ones(keypoints.shape[:2])
    return Poses(keypoints, scores, np.ones(1), np.zeros((1, 4)), visibility, skeleton, np.zeros((9, 9, 3), np.uint8))


def test_a_models_poses_become_joints_of_another_skeleton():
    joints = np.array(suggestions.as_joints(_poses(CROWDPOSE14), 0, BODY12))
    np.testing.assert_allclose(joints[:, :2], 100 * suggestions.standing(BODY12) + [40, 7], atol=0.01)
    assert joints[:, 2].tolist() == [2] * 12


def test_joints_that_the_model_lacks_stand_where_the_template_has_them():
    joints = np.array(suggestions.as_joints(_poses(BODY12), 0, COCO17))
    np.testing.assert_allclose(joints[:, :2], 100 * suggestions.standing(COCO17) + [40, 7], atol=0.01)


def test_the_models_visibility_becomes_labels():
    visibility = np.zeros((1, 12, 3))
    visibility[0, np.arange(12), np.arange(12) % 3] = 1
    joints = suggestions.as_joints(_poses(BODY12, visibility), 0, BODY12)
    assert [label for _, _, label in joints] == [2, 1, 0] * 4
