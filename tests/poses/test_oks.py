"""OKS against hand-computed values and against pycocotools."""

import numpy as np
from pycocotools.cocoeval import COCOeval

from opec_tf.poses import oks
from opec_tf.poses.skeletons import COCO17


def test_joint_oks_by_hand():
    # Distance 2 sigma sqrt(area) is one standard deviation: exp(-1/2).
    labels, points = np.zeros((2, 2)), np.array([[3.0, 4.0], [0.0, 0.0]])
    similarities = oks.joint_oks(labels, points, areas=100.0, sigmas=np.array([0.25, 0.1]))
    np.testing.assert_allclose(similarities, [np.exp(-0.5), 1.0], rtol=1e-12)


def test_mean_is_over_labelled_joints_and_0_without_any():
    similarities = np.array([[1.0, 0.5, 0.1], [1.0, 1.0, 1.0]])
    labelled = np.array([[True, True, False], [False, False, False]])
    np.testing.assert_allclose(oks.mean_oks(similarities, labelled), [0.75, 0.0])


def test_pairwise_oks_equals_pycocotools():
    rng = np.random.default_rng(0)
    labels = np.concatenate([rng.uniform(0, 100, (5, 17, 2)), rng.integers(0, 3, (5, 17, 1))], axis=-1)
    points = labels[[0, 1, 2, 3, 4, 0, 1], :, :2] + rng.normal(0, 4, (7, 17, 2))
    areas = rng.uniform(1000, 9000, 5)
    evaluator = COCOeval(iouType="keypoints")
    evaluator._gts[1, 1] = [
        {"keypoints": person.ravel(), "bbox": [0, 0, 1, 1], "area": area} for person, area in zip(labels, areas)
    ]
    evaluator._dts[1, 1] = [
        {"keypoints": np.pad(pose, ((0, 0), (0, 1))).ravel(), "score": -i} for i, pose in enumerate(points)
    ]
    ours = oks.pairwise_oks(labels[..., :2], points, areas, COCO17.sigmas, labels[..., 2] > 0)
    np.testing.assert_allclose(ours.T, evaluator.computeOks(1, 1), rtol=1e-5)  # the skeleton's sigmas are float32
