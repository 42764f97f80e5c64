import numpy as np
import pytest

from opec_tf.data.synthetic import body, body_shape, camera, clothing, couple, figure, raycasting, solids
from opec_tf.poses import skeletons

FRONT = np.array([0.0, 0.0, 1.0])
UP = np.array([0.0, 1.0, 0.0])


def _camera(size=(120, 160), focal=150.0):
    """At z = 5, looking along -z: the picture's x runs with the world's x, its y against the world's y."""
    center = (size[1] - 1) / 2.0, (size[0] - 1) / 2.0
    return camera.Camera(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 5.0]), focal, center, size)


def _depth(scene, view):
    local = scene.arrays().in_camera(view)
    return raycasting.rasterize(local, view, scene.polygons), local


def test_depths_of_a_sphere_a_cone_and_a_polygon():
    view, scene = _camera((121, 161)), solids.Solids()
    paint = scene.material(solids.Material((1.0, 0.0, 0.0)))
    scene.ellipsoid(np.array([-1.0, 0, 0]), UP, FRONT, (0.3, 0.3, 0.3), paint)
    scene.cone(np.array([0.0, -0.8, 0]), np.array([0.0, 0.8, 0]), (0.2, 0.2), FRONT, paint)
    scene.polygon([[0.8, -0.5, 1.0], [1.6, -0.5, 1.0], [1.6, 0.5, 1.0], [0.8, 0.5, 1.0]], paint)
    buffers, _ = _depth(scene, view)
    row, middle = 60, 80
    assert buffers.depth[row, middle] == pytest.approx(4.8, abs=1e-4)  # the cylinder's near side
    assert buffers.depth[row, middle + 43] == pytest.approx(4.0, abs=1e-4)  # x = 43 / 150 * 4 = 1.15: on the polygon
    # The ray through (-30, 0): the nearer root for a sphere of radius 0.3 around (-1, 0, 5) in camera coordinates.
    ray = np.array([-30 / 150.0, 0.0, 1.0])
    a, b, c = ray @ ray, ray @ [-1.0, 0, 5.0], 26.0 - 0.09
    assert buffers.depth[row, middle - 30] == pytest.approx((b - np.sqrt(b * b - a * c)) / a, abs=1e-4)
    assert np.isinf(buffers.depth[0, 0])


def test_tapered_cone_equals_the_union_of_its_spheres():
    view, cone, spheres = _camera(), solids.Solids(), solids.Solids()
    start, end = np.array([-0.5, -0.3, 0.4]), np.array([0.6, 0.5, -0.5])
    cone.cone(start, end, (0.35, 0.12), FRONT, 0)
    for t in np.linspace(0, 1, 400):
        spheres.ellipsoid(start + t * (end - start), UP, FRONT, (0.35 - 0.23 * t,) * 3, 0)
    first, second = _depth(cone, view)[0].depth, _depth(spheres, view)[0].depth
    both = np.isfinite(first) & np.isfinite(second)
    assert both.sum() > 800 and (np.isfinite(first) != np.isfinite(second)).mean() < 2e-3
    difference = np.abs(first[both] - second[both])
    assert difference.max() < 0.02 and np.median(difference) < 1e-4


def test_silhouette_bounds_are_those_of_the_picture():
    view, scene = _camera((480, 640), 600.0), solids.Solids()
    scene.cone(np.array([-0.5, -0.3, 0.4]), np.array([0.6, 0.5, -0.5]), (0.35, 0.12), FRONT, 0, owner=0, wide=1.4)
    scene.ellipsoid(np.array([0.9, 0.2, 0.6]), np.array([0.6, 0.8, 0.0]), FRONT, (0.1, 0.4, 0.2), 0, owner=1)
    buffers, _ = _depth(scene, view)
    owner = np.where(buffers.surface >= 0, np.array([0, 1])[buffers.solid[buffers.surface]], -1)
    for person, box in enumerate(couple.person_boxes(scene.arrays(), view)):
        only = solids.Solids()
        only._rows = [scene._rows[person]]
        rows, columns = np.nonzero(np.isfinite(_depth(only, view)[0].depth))
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(np.concatenate([box[:2], box[:2] + box[2:]]), seen, atol=1.2)
    assert set(np.unique(owner)) == {-1, 0, 1}


def test_an_open_cone_has_no_caps():
    view, scene = _camera(), solids.Solids()
    scene.cone(np.array([0.0, 0.5, 0]), np.array([0.0, -0.5, 0]), (0.3, 0.3), FRONT, 0, caps=(False, False))
    rows, _ = np.nonzero(np.isfinite(_depth(scene, view)[0].depth))
    # The near rim, at z = 5 - 0.3, is the outermost row drawn; a cap would reach 0.8 m.
    assert rows.max() == pytest.approx(59.5 + 150 * 0.5 / 4.7, abs=1.0)


def _standing(facing=0.0):
    """A person at rest who faces the camera of ``_camera`` where ``facing`` is 0."""
    posing = body.Posing(body_shape.BodyShape(1.75)).stand((0.0, 0.0), facing)
    posing.wrists = np.array([posing.at_chest(0.27, -0.48, 0.1), posing.at_chest(-0.27, -0.48, 0.1)])
    return posing.solve()


def _annotated(pose, *things, owner=-1):
    """Keypoints of a person, owner 0, and who hides each, with balls (center, radius) of another owner in the scene."""
    view = camera.Camera(_camera().rotation, np.array([0.0, 0.9, 5.0]), 250.0, (79.5, 59.5), (120, 160))
    scene, faces = solids.Solids(), []
    outfit = clothing.sample_outfit(np.random.default_rng(0), 0.0)
    figure.add_person(scene, faces, pose, outfit, 0)
    for center, radius in things:
        scene.ellipsoid(np.asarray(center, float), UP, FRONT, (radius,) * 3, 0, owner=owner)
    fine = view.scaled(2.0)
    buffers, local = _depth(scene, fine)
    return couple.annotate(pose, 0, view, fine, buffers, local)


def test_visibility_is_what_lies_in_front():
    index = skeletons.CROWDPOSE14.joints.index
    pose = _standing()
    free, hidden_by = _annotated(pose)
    assert (free[:, 2] == skeletons.VISIBLE).all() and (hidden_by == 0).all()
    # Facing the camera, the person's left is on the right of the picture.
    assert free[index("left_shoulder"), 0] > free[index("right_shoulder"), 0] + 10
    knee = pose.joint("left_knee")
    hidden, hidden_by = _annotated(pose, (knee + [0, 0, 0.5], 0.05))
    assert [i for i in range(14) if hidden[i, 2] == skeletons.OCCLUDED] == [index("left_knee")]
    np.testing.assert_allclose(hidden[:, :2], free[:, :2])
    assert skeletons.HIDERS[hidden_by[index("left_knee")]] == "thing" and np.count_nonzero(hidden_by) == 1
    _, hidden_by = _annotated(pose, (knee + [0, 0, 0.5], 0.05), owner=1)
    assert skeletons.HIDERS[hidden_by[index("left_knee")]] == "partner" and np.count_nonzero(hidden_by) == 1
    assert (_annotated(pose, (knee - [0, 0, 0.5], 0.05))[0][:, 2] == skeletons.VISIBLE).all()
    # Facing +x, the picture's right, the person shows the right side; the own body hides the far shoulder and hip.
    side, hidden_by = _annotated(_standing(90.0))
    assert side[index("right_shoulder"), 2] == side[index("right_hip"), 2] == skeletons.VISIBLE
    assert side[index("left_shoulder"), 2] == side[index("left_hip"), 2] == skeletons.OCCLUDED
    assert skeletons.HIDERS[hidden_by[index("left_hip")]] == "self" and set(hidden_by) == {0, 1}


def test_one_limb_before_another():
    index = skeletons.CROWDPOSE14.joints.index
    posing = body.Posing(body_shape.BodyShape(1.75)).stand((0.0, 0.0), 0.0)
    posing.wrists = np.array([posing.at_chest(0.27, -0.48, 0.1), posing.at_chest(-0.27, -0.48, 0.1)])
    # The right forearm across the body, its wrist before the left elbow.
    elbow = posing.solve().joint("left_elbow")
    posing.wrists[1] = elbow + [0.0, 0.0, 0.16]
    keypoints, _ = _annotated(posing.solve())
    assert keypoints[index("left_elbow"), 2] == skeletons.OCCLUDED
    assert keypoints[index("right_wrist"), 2] == skeletons.VISIBLE


def test_joints_outside_the_picture_are_unlabelled():
    pose = _standing()
    view = camera.Camera(_camera().rotation, np.array([0.0, 1.5, 2.5]), 300.0, (79.5, 59.5), (120, 160))
    scene = solids.Solids()
    figure.add_person(scene, [], pose, clothing.sample_outfit(np.random.default_rng(0), 0.0), 0)
    buffers, local = _depth(scene, view)
    keypoints, hidden_by = couple.annotate(pose, 0, view, view, buffers, local)
    feet = [skeletons.CROWDPOSE14.joints.index(f"{side}_ankle") for side in ("left", "right")]
    assert (keypoints[feet] == 0).all() and (hidden_by[feet] == 0).all() and keypoints[12, 2] > 0
