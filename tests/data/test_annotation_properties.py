"""Readers of annotations: what is written is read again; a file with any fault is read or refused in one line."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as st_numpy
from mutated_json import EXAMPLES, texts

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.data.annotations import loading
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.skeletons import COCO17, SKELETONS

NUMBERS = st.floats(-1e4, 1e4, allow_subnormal=False)
SIZES = st.one_of(st.just((0, 0)), st.tuples(st.integers(1, 5000), st.integers(1, 5000)))


@st.composite
def annotations(draw):
    """``PoseAnnotations`` of a few people in a few pictures."""
    skeleton = SKELETONS[draw(st.sampled_from(sorted(SKELETONS)))]
    images, people = draw(st.integers(1, 3)), draw(st.integers(1, 4))

    def ids(count):
        return draw(st.lists(st.integers(-(2**40), 2**40), min_size=count, max_size=count, unique=True))

    def numbers(*shape, elements=NUMBERS):
        return draw(st_numpy.arrays(np.float64, shape, elements=elements))

    labels = numbers(people, skeleton.num_joints, 1, elements=st.sampled_from([0.0, 1.0, 2.0]))
    return PoseAnnotations(
        skeleton=skeleton,
        image_ids=ids(images),
        image_paths=[f"images/{name}.jpg" for name in range(images)],
        image_sizes=draw(st.lists(SIZES, min_size=images, max_size=images)),
        crowd_index=numbers(images, elements=st.one_of(st.just(np.nan), st.floats(0, 1))),
        annotation_ids=ids(people),
        image_index=draw(st.lists(st.integers(0, images - 1), min_size=people, max_size=people)),
        boxes=numbers(people, 4) + [2e4, 2e4, 0, 0],  # none is a share of its picture
        areas=numbers(people, elements=st.floats(0.5, 1e4)),  # of 0 it is the box's
        keypoints=np.concatenate([numbers(people, skeleton.num_joints, 2), labels], axis=-1),
        is_crowd=numbers(people, elements=st.sampled_from([0.0, 1.0])),
        visibility=numbers(people, skeleton.num_joints, elements=st.sampled_from([-1.0, 0.0, 1.0, 2.0])),
        hidden_by=numbers(people, skeleton.num_joints, elements=st.sampled_from([-1.0, 0.0, 1.0, 2.0, 3.0])),
    )


@settings(derandomize=True, max_examples=25, deadline=None)
@given(people=annotations())
def test_what_is_written_is_read(people, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "written.json"
    files.write_json(path, people.to_coco("images"))
    found = loading.read("coco", path, "images")
    assert found.skeleton == people.skeleton
    for name, value in vars(people).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)


def _joints(count, flag):
    return [number for k in range(count) for number in (10.0 + k, 20.5 + k, flag)]


def _coco(count):
    people = [
        {"id": i, "image_id": 7, "category_id": 1, "bbox": [1, 2.5, 30, 40], "keypoints": _joints(count, 2)}
        for i in (3, 4)
    ]
    people[0].update(area=100.5, iscrowd=0, num_keypoints=count, joint_visibility=["visible"] * count)
    people[1]["hidden_by"] = [0] * count
    images = [{"id": 7, "file_name": "7.jpg", "width": 64, "height": 48, "crowdIndex": 0.5}]
    return {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}


_OCHUMAN_PERSON = {"bbox": [1, 2, 30, 40], "keypoints": _joints(19, 1), "segms": {"outer": []}}
GOOD = {
    "coco": _coco(17),
    "crowdpose": _coco(14),
    "ochuman": {
        "keypoint_names": [*COCO17.joints, "head", "neck"],
        "images": [{"image_id": "1", "file_name": "1.jpg", "width": 9, "height": 9, "annotations": [_OCHUMAN_PERSON]}],
    },
    "ocpose": [
        {
            "img_name": "000012.jpg",
            "pair": [{"gt": [[1.5, 2, 1]] * 12, "yolo_bbox": [1, 2, 30, 40], "score": 0.9, "dt": []}] * 2,
        }
    ],
    "mpii": [
        {"image": f"{i}.jpg", "joints": [[9, 8.5]] * 16, "joints_vis": [1] * 16, "center": [9, 9], "scale": 0.5}
        for i in (1, 2)
    ],
}


@pytest.mark.parametrize("annotation_format", GOOD)
@settings(derandomize=True, max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_a_fault_is_read_or_refused_in_one_line(annotation_format, data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / f"faulty_{annotation_format}.json"
    path.write_text(data.draw(texts(GOOD[annotation_format])), encoding="utf-8", errors="surrogatepass")
    with refusing_in_one_line(path):
        assert loading.read(annotation_format, path, "images").num_people >= 1


@pytest.mark.parametrize("annotation_format", GOOD)
def test_the_good_files_are_good(annotation_format, tmp_path):
    files.write_json(tmp_path / "good.json", GOOD[annotation_format])
    assert loading.read(annotation_format, tmp_path / "good.json", "images").num_people in (1, 2)


@contextlib.contextmanager
def refusing_in_one_line(path):
    """The block passes, or raises a ``UserError`` of one line that names the file."""
    try:
        yield
    except UserError as error:
        assert str(path) in str(error) and "\n" not in str(error) and len(str(error)) < 7000
