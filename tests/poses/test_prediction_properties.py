"""Files of results: what is written is read again; a file with any fault is read or refused in one line."""

import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as st_numpy
from mutated_json import texts

from opec_tf.common.errors import UserError
from opec_tf.poses import predictions
from opec_tf.poses.predictions import PosePredictions

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


@pytest.mark.parametrize("to_refine", [False, True])
@settings(derandomize=True, max_examples=60, deadline=None)
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
