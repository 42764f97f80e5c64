"""Files of results: what is written is read again; a file with any fault is read or refused in one line."""

import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as st_numpy
from mutated_json import EXAMPLES, texts

from opec_tf.common.errors import UserError
from opec_tf.inference import given_poses, person_boxes
from opec_tf.poses import predictions
from opec_tf.poses.predictions import PosePredictions
from opec_tf.poses.skeletons import COCO17

NUMBERS = st.floats(-1e4, 1e4, allow_subnormal=False)
GOOD = [
    {"image_id": i, "category_id": 1, "keypoints": [5.5, 6, 0.5] * 12, "score": 0.5, "bbox": [1, 2, 3, 4]}
    for i in (1, 2)
]


@st.composite
def poses(draw):
    people, joints = draw(st.integers(1, 4)), draw(st.integers(1, 17))

    def numbers(*shape):
        return draw(st_numpy.arrays(np.float64, shape, elements=NUMBERS))

    ids = draw(st.lists(st.integers(-(2**62), 2**62), min_size=people, max_size=people))
    return PosePredictions(ids, numbers(people, joints, 3), numbers(people), numbers(people, 4))


@settings(derandomize=True, max_examples=25, deadline=None)
@given(written=poses())
def test_what_is_written_is_read(written, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "poses.json"
    written.write(path)
    for name, value in vars(predictions.read(path)).items():
        np.testing.assert_array_equal(value, getattr(written, name), err_msg=name)


# As other systems write them: the content of a file, and how many people it has.
OTHERS = {
    "alphapose": [
        {"image_id": "1.jpg", "category_id": 1, "keypoints": [5.5, 6, 0.5] * 17, "score": 2, "box": [1, 2, 3, 4]}
    ],
    "detectron2": [
        {"image_id": 1, "category_id": 0, "keypoints": [5.5, 6, 0.5] * 17, "score": 1, "bbox": [1, 2, 3, 4]}
    ],
    "openpose": {
        "version": 1.3,
        "people": [{"person_id": [-1], "pose_keypoints_2d": [1, 2, 0.5] + [5.5, 6, 0.5] * 24}],
    },
    "mmpose": [
        {"keypoints": [[5.5, 6]] * 17, "keypoint_scores": [0.5] * 17, "bbox": [[1, 2, 4, 6]], "bbox_score": 0.9}
    ],
    "mmpose of a video": [
        {
            "frame_id": 1,
            "instances": [{"keypoints": [[5.5, 6]] * 17, "keypoint_scores": [0.5] * 17, "bbox": [[1, 2, 4, 6]]}],
        }
    ],
    "boxes": [
        {"file_name": "1.jpg", "bbox": [1, 2, 3, 4], "score": 0.5},
        {"file_name": "1.jpg", "bbox": [1, 2, 3, 4], "score": 1},
    ],
    "annotations": {
        "images": [{"id": 7, "file_name": "1.jpg", "width": 64, "height": 48}],
        "annotations": [
            {
                "id": 3,
                "image_id": 7,
                "category_id": 1,
                "bbox": [1, 2.5, 30, 40],
                "keypoints": [9, 8, 2] * 17,
                "area": 9,
            },
            {"id": 4, "image_id": 7, "category_id": 2, "bbox": [1, 2.5, 30, 40]},
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.joints)}, {"id": 2, "name": "ball"}],
    },
}


@pytest.mark.parametrize("system", OTHERS)
@settings(derandomize=True, max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_a_fault_of_other_systems_files_is_read_or_refused_in_one_line(system, data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "1.json"
    path.write_text(data.draw(texts(OTHERS[system])), encoding="utf-8", errors="surrogatepass")
    readers = [person_boxes.read] if system in ("boxes", "annotations") else [person_boxes.read, given_poses.read]
    for read in readers:
        try:
            found = read(str(path), [1], ["1.jpg"], COCO17, image_sizes=np.array([[48, 64]]))
            assert np.isfinite(found.boxes).all()
        except UserError as error:
            assert str(path) in str(error) and "\n" not in str(error)


@pytest.mark.parametrize("system", OTHERS)
def test_the_good_files_of_other_systems_are_good(system, tmp_path):
    (tmp_path / "1.json").write_text(json.dumps(OTHERS[system]))
    found = person_boxes.read(str(tmp_path / "1.json"), [1], ["1.jpg"], COCO17)
    assert len(found) == 1 + (system == "boxes") and found.boxes[0, 2] > 0


@pytest.mark.parametrize("to_refine", [False, True])
@settings(derandomize=True, max_examples=EXAMPLES, deadline=None)
@given(text=texts(GOOD))
def test_a_fault_is_read_or_refused_in_one_line(to_refine, text, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "faulty_poses.json"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        assert np.isfinite(predictions.read(path, to_refine=to_refine).keypoints).all()
    except UserError as error:
        assert str(path) in str(error) and "\n" not in str(error)


def test_the_good_file_is_good(tmp_path):
    (tmp_path / "good.json").write_text(json.dumps(GOOD))
    assert predictions.read(tmp_path / "good.json").num_people == 2
