"""Round trips of every conversion between frames, over boxes, turns and points of any size that pictures have."""

import numpy as np
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as st_numpy

from opec_tf.poses import geometry

SIZES = st.tuples(st.integers(1, 512), st.integers(1, 512))
COORDINATES = st.floats(-5000, 5000, width=32)
POINTS = st_numpy.arrays(np.float64, (5, 2), elements=COORDINATES)
BOXES = st_numpy.arrays(np.float64, 4, elements=st.floats(1, 4000, width=32))
quick = settings(derandomize=True, max_examples=25, deadline=None)


@st.composite
def affines(draw):
    """An affine of a crop, as augmentation makes them, and the crop's size."""
    size = draw(SIZES)
    affine = geometry.crop_affine(
        draw(BOXES),
        size,
        margin=draw(st.floats(0.5, 2.0)),
        scale=draw(st.floats(0.5, 2.0)),
        rotation=draw(st.floats(-np.pi, np.pi)),
        shift=draw(st_numpy.arrays(np.float64, 2, elements=st.floats(-0.5, 0.5))),
    )
    return affine.numpy(), size


@quick
@given(points=POINTS, size=SIZES)
def test_normalised_and_back(points, size):
    back = geometry.denormalize(geometry.normalize(points, size), size)
    np.testing.assert_allclose(back, points, atol=1e-8)


@quick
@given(frame=affines(), points=POINTS)
def test_into_the_crop_and_back(frame, points):
    affine, size = frame
    normalized = geometry.image_to_normalized(affine, points, size)
    np.testing.assert_allclose(geometry.normalized_to_image(affine, normalized, size), points, atol=1e-6)


@quick
@given(box=BOXES, size=SIZES)
def test_the_box_is_in_the_crop_and_touches_its_edges(box, size):
    affine = geometry.crop_affine(box, size)
    corners = box[:2] - 0.5 + np.array([[0, 0], [1, 1]]) * box[2:]
    low, high = np.asarray(geometry.image_to_normalized(affine, corners, size))
    np.testing.assert_allclose(low, -high, atol=1e-7)
    np.testing.assert_allclose(high.max(), 1.0, atol=1e-7)


@quick
@given(frame=affines(), points=POINTS)
def test_a_mirror_changes_the_sign_of_x_and_twice_nothing(frame, points):
    affine, size = frame
    mirrored = geometry.mirror_affine(affine, size)
    expected = geometry.image_to_normalized(affine, points, size) * [-1.0, 1.0]
    atol = 1e-9 * max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(geometry.image_to_normalized(mirrored, points, size), expected, atol=atol)
    np.testing.assert_allclose(geometry.mirror_affine(mirrored, size), affine, atol=1e-8)


@quick
@given(first=affines(), second=affines(), points=POINTS)
def test_a_change_of_frame_and_back(first, second, points):
    there = geometry.change_of_frame(first[0], second[0])
    back = geometry.change_of_frame(second[0], first[0])
    found = geometry.apply_affine(back, geometry.apply_affine(there, points))
    np.testing.assert_allclose(found, points, atol=1e-5)
