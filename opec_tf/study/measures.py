"""What can be measured where it is known whose pose each is: in annotated boxes."""

from __future__ import annotations

from typing import Any

import numpy as np

from opec_tf.evaluation import protocols, visibility
from opec_tf.evaluation.accuracy import Levels
from opec_tf.inference.estimates import Estimates
from opec_tf.inference.people import AnnotatedPeople
from opec_tf.poses.skeletons import UNKNOWN
from opec_tf.study.split import Split


def whose_poses(estimates: Estimates, people: AnnotatedPeople) -> dict[str, np.ndarray]:
    """Whose each pose of annotated people is: pose name -> rows of the annotations, int [P]."""
    return {name: people.annotation_rows[boxes] for name, boxes in estimates.rows.items()}


def score_by_occlusion(estimates: Estimates, split: Split, people: AnnotatedPeople) -> dict[str, Levels]:
    """Scores the poses of annotated people by occlusion: pose name -> dict of ``protocols.evaluate_by_occlusion``."""
    whose = whose_poses(estimates, people)
    return {
        name: protocols.evaluate_by_occlusion(split.annotations, poses, whose[name], split.protocol)
        for name, poses in estimates.predictions.items()
    }


def score_visibility(
    estimates: Estimates, split: Split, people: AnnotatedPeople, hidden_score: float
) -> tuple[dict[str, float], dict[str, Any]]:
    """Scores the visibility predicted of annotated people, of all joints of which it is known; ({}, {}) where the model
    predicts none or it is known of none.

    Returns:
      (flat dict: "visibility_" and the keys of ``visibility.accuracy``, and ``visibility_ece``; of the rule that joints
      with a heatmap peak below ``hidden_score`` are occluded "visibility_by_peak_" and the keys of ``accuracy``, and
      ``visibility_best_hidden_score``, the threshold that would have been best here; the bins of ``calibration``)
    """
    annotations = split.annotations.select(people.annotation_rows).with_skeleton(split.skeleton)
    rows = estimates.rows[estimates.final]
    classes = annotations.visibility[rows]
    if estimates.visibility is None or (classes == UNKNOWN).all():
        return {}, {}
    probabilities = estimates.visibility[rows]
    peaks = estimates.predictions[estimates.final].keypoints[..., 2]
    error, bins = visibility.calibration(classes, probabilities)
    own = visibility.accuracy(classes, probabilities.argmax(axis=-1))
    rule = visibility.accuracy(classes, visibility.by_score(peaks, hidden_score))
    scores = {f"visibility_{name}": value for name, value in own.items()}
    scores["visibility_ece"] = error
    scores.update({f"visibility_by_peak_{name}": value for name, value in rule.items()})
    scores["visibility_best_hidden_score"] = visibility.best_threshold(classes, peaks)
    return scores, bins
