"""How well it is predicted whether a joint is visible, occluded or outside the picture; and how far to trust it."""

from __future__ import annotations

import numpy as np

from opec_tf.poses.skeletons import UNKNOWN, VISIBILITY_CLASSES

# Bins of confidence, of equal width, for the calibration error and the reliability diagram.
NUM_BINS = 15
_VISIBLE, _OCCLUDED, _ = range(len(VISIBILITY_CLASSES))


def accuracy(classes: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Agreement of predicted classes with the true ones.

    Args:
      classes: int [...], index into ``VISIBILITY_CLASSES`` or UNKNOWN: left out.
      predicted: int [...], the same without UNKNOWN.

    Returns:
      ``accuracy``, ``recall_visible``, ``recall_occluded`` and ``recall_outside``, and their mean
      ``balanced_accuracy``; without those of which there is no such joint.
    """
    known = classes != UNKNOWN
    classes, right = classes[known], (classes == predicted)[known]
    recalls = {
        f"recall_{name}": float(np.mean(right[classes == index]))
        for index, name in enumerate(VISIBILITY_CLASSES)
        if (classes == index).any()
    }
    if not recalls:
        return {}
    balanced = float(np.mean(list(recalls.values())))
    return {"accuracy": float(np.mean(right)), "balanced_accuracy": balanced, **recalls}


def calibration(classes: np.ndarray, probabilities: np.ndarray) -> tuple[float, dict[str, list[dict[str, float]]]]:
    """Confidence against accuracy, in ``NUM_BINS`` bins of equal width (Guo et al., ICML 2017).

    Args:
      classes: int [...], index into ``VISIBILITY_CLASSES`` or UNKNOWN: left out.
      probabilities: [..., 3].

    Returns:
      (expected calibration error of the likeliest class, 0..1; what the bins hold: "likeliest" and each class's name ->
      its bins: ``from``, ``to``, ``joints`` and, where there are any, ``predicted`` (the mean probability) and
      ``observed`` (how often it came true)). For a class by itself its own probability is binned, likeliest or not.
    """
    known = classes != UNKNOWN
    classes, probabilities = classes[known], probabilities[known]
    likeliest = probabilities.argmax(axis=-1)
    bins = {"likeliest": _bins(probabilities.max(axis=-1), likeliest == classes)}
    for index, name in enumerate(VISIBILITY_CLASSES):
        bins[name] = _bins(probabilities[:, index], classes == index)
    gaps = [part["joints"] * abs(part["predicted"] - part["observed"]) for part in bins["likeliest"] if part["joints"]]
    return float(sum(gaps) / max(len(classes), 1)), bins


def by_score(scores: np.ndarray, threshold: float) -> np.ndarray:
    """The rule for want of a prediction: a joint whose heatmap peak is below the threshold is occluded; int [...]."""
    return np.where(scores < threshold, _OCCLUDED, _VISIBLE)


def best_threshold(classes: np.ndarray, scores: np.ndarray) -> float:
    """The threshold, in steps of 0.01, at which ``by_score`` has the best accuracy."""
    thresholds = np.arange(101) / 100.0
    shares = [accuracy(classes, by_score(scores, threshold)).get("accuracy", 0.0) for threshold in thresholds]
    return float(thresholds[np.argmax(shares)])


def _bins(confidences: np.ndarray, came_true: np.ndarray) -> list[dict[str, float]]:
    """The bins of ``calibration``; each from one edge to below the next, the last one including its end."""
    edges = np.arange(NUM_BINS + 1) / NUM_BINS
    index = np.minimum((confidences * NUM_BINS).astype(int), NUM_BINS - 1)
    parts = []
    for i, (low, high) in enumerate(zip(edges[:-1], edges[1:])):
        inside = index == i
        part: dict[str, float] = {"from": round(low, 4), "to": round(high, 4), "joints": int(inside.sum())}
        if inside.any():
            part.update(predicted=float(np.mean(confidences[inside])), observed=float(np.mean(came_true[inside])))
        parts.append(part)
    return parts
