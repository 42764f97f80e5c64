"""MPII's JSON form, by hand and of real files."""

from opec_tf.common import files
from opec_tf.data.annotations import loading
from opec_tf.poses.skeletons import BODY12, UNLABELLED, VISIBLE


def read(folder, data, images=""):
    files.write_json(folder / "data.json", data)
    return loading.read("mpii", folder / "data.json", images)


def test_mpii_by_hand(tmp_path):
    person = {
        "image": "015601864.jpg",
        "center": [594.0, 257.0],
        "scale": 3.0,
        "joints": [[620.0 + k, 394.0] for k in range(16)],
        "joints_vis": [1] * 15 + [0],
    }
    people = read(tmp_path, [person, {**person, "image": "2.jpg"}], "images")
    assert people.image_ids.tolist() == [15601864, 2]
    # 600 pixels around pixel centre (593, 256), whose box coordinates are (593.5, 256.5).
    assert people.boxes[0].tolist() == [293.5, -43.5, 600, 600]
    assert people.areas[0] == 360000
    assert people.keypoints[0, 1].tolist() == [620, 393, VISIBLE]
    assert people.keypoints[0, 15].tolist() == [0, 0, UNLABELLED]
    assert people.with_skeleton(BODY12).keypoints[0, BODY12.joints.index("right_ankle"), 0] == 619


def test_mpii_tells_nothing_of_visibility(real_samples):
    people = loading.load("mpii:mpii/test_mpii.json:mpii", real_samples)
    assert (people.keypoints[..., 2] == VISIBLE).any() and (people.visibility == -1).all()
