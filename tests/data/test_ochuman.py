"""OCHuman's native file, by hand."""

import pytest

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.data.annotations import loading, ochuman
from opec_tf.poses.skeletons import COCO17, OCCLUDED, UNLABELLED, VISIBLE

NATIVE_NAMES = list(reversed(COCO17.joints)) + ["head", "neck"]


def read(folder, data, images=""):
    files.write_json(folder / "data.json", data)
    return loading.read("ochuman", folder / "data.json", images)


def _native_person(offset, **fields):
    """Joint k of the native order at (offset + k, k), v = 0, 1, 2, 3, 0, ..."""
    joints = [n for k in range(19) for n in (offset + k, k, k % 4)]
    return {
        "bbox": [offset, 10, offset + 20, 50],
        "keypoints": joints,
        "segms": {"outer": []},
        "max_iou": 0.6,
        **fields,
    }


def test_ochuman_native_is_read_as_the_official_export(tmp_path):
    images = [
        {
            "image_id": "000817",
            "file_name": "000817.jpg",
            "width": 200,
            "height": 100,
            "annotations": [
                _native_person(0),
                _native_person(30, keypoints=None),
                _native_person(60, segms=None),
                _native_person(90),
            ],
        },
        {
            "image_id": "000818",
            "file_name": "000818.jpg",
            "width": 200,
            "height": 100,
            "annotations": [_native_person(0, keypoints=None)],
        },
        {
            "image_id": "000819",
            "file_name": "000819.jpg",
            "width": 200,
            "height": 100,
            "annotations": [_native_person(120)],
        },
    ]
    data = {"keypoint_names": NATIVE_NAMES, "keypoint_visible": {}, "images": images}
    people = read(tmp_path, data, "images")
    assert people.image_ids.tolist() == [1, 2]
    assert people.image_paths.tolist() == ["images/000817.jpg", "images/000819.jpg"]
    assert people.image_index.tolist() == [0, 0, 1]
    assert people.boxes.tolist() == [[0, 10, 20, 40], [90, 10, 20, 40], [120, 10, 20, 40]]
    assert people.areas.tolist() == [800] * 3
    # COCO's joint j is native joint 16 - j, whose v is (16 - j) % 4; 1 and 2 are visible, 3 is occluded.
    assert people.keypoints[1, 0].tolist() == [106, 16, UNLABELLED]
    assert people.keypoints[1, 1].tolist() == [105, 15, OCCLUDED]
    assert people.keypoints[1, 2].tolist() == [104, 14, VISIBLE]
    assert people.keypoints[1, 3].tolist() == [103, 13, VISIBLE]


def test_ochuman_split_has_the_first_2500_images_for_validation(tmp_path):
    images = [
        {"image_id": str(i), "file_name": f"{i}.jpg", "annotations": [_native_person(0)]}
        for i in range(ochuman.VALIDATION_IMAGES + 3)
    ]
    data = {"keypoint_names": NATIVE_NAMES, "images": images}
    parts = ochuman.split(read(tmp_path, data))
    assert {name: part.num_images for name, part in parts.items()} == {"val": 2500, "test": 3}
    assert parts["test"].image_paths.tolist() == ["2500.jpg", "2501.jpg", "2502.jpg"]
    assert parts["test"].image_ids.tolist() == parts["test"].annotation_ids.tolist() == [1, 2, 3]
    with pytest.raises(UserError, match="the file has 3 images"):
        ochuman.split(parts["test"])


def test_a_file_without_images_is_told(tmp_path):
    with pytest.raises(UserError, match=r"data\.json: has no 'images'; give the ochuman\.json of the release"):
        read(tmp_path, {"keypoint_names": NATIVE_NAMES})
