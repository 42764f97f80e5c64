"""A stage's answers as a graph beside its weights: prediction begins within seconds, without building the network.

``write`` puts one into a small workdir, such as that of the model which comes with the package. The numbers are those
of ``PoseEstimator``.
"""

from __future__ import annotations

import importlib.metadata
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from opec_tf.config import InferenceConfig, ModelConfig
from opec_tf.inference.pose_estimator import Estimator, PoseEstimator
from opec_tf.models import workdir
from opec_tf.models.traced_graph import TracedGraph, write as write_graph
from opec_tf.models.workdir import StageFolder

# Settings that become part of a graph.
_FIXED = ("flip_test", "peak_refinement", "peak_smoothing", "association")


def write(network: tf.keras.Model, model_config: ModelConfig, folder: StageFolder) -> None:
    """Writes what a network's estimator does beside the weights of its stage.

    Args:
      network: with these weights.
      model_config: the settings it was built from.
      folder: of the stage.
    """
    estimator = PoseEstimator(network, model_config=model_config, box_margin=1.0, inference_config=InferenceConfig())
    about = {
        "opec_tf": importlib.metadata.version("opec_tf"),
        "settings": _settings(estimator.inference_config),
        "poses": estimator.estimated_poses,
        "gives_visibility": estimator.gives_visibility,
        "in_pairs": estimator.in_pairs,
    }
    weights = workdir.read_weights(folder.best_weights)
    write_graph(estimator.function(batch_size=None), weights, _path(folder), about)


def find(folder: StageFolder) -> TracedGraph | None:
    """The graph of a stage that has one of this version."""
    if not _path(folder).exists():
        return None
    found = TracedGraph(_path(folder))
    return found if found.about["opec_tf"] == importlib.metadata.version("opec_tf") else None


def serves(graph: TracedGraph, inference_config: InferenceConfig) -> bool:
    """Whether a graph was traced with these settings."""
    return graph.about["settings"] == _settings(inference_config)


class TracedEstimator(Estimator):
    """A stage's graph as what estimates poses in batches of crops.

    Args:
      function: of the graph from ``find``, with the stage's weights.
      about: what is written with the graph.
      model_config, box_margin, inference_config: as of ``Estimator``.
    """

    def __init__(
        self,
        function: Callable[..., Sequence[tf.Tensor]],
        about: Mapping[str, Any],
        *,
        model_config: ModelConfig,
        box_margin: float,
        inference_config: InferenceConfig,
    ) -> None:
        super().__init__(
            model_config,
            box_margin,
            inference_config,
            poses=tuple(about["poses"]),
            gives_visibility=about["gives_visibility"],
            in_pairs=about["in_pairs"],
        )
        self._function = function

    def _estimate(
        self, crops: tf.Tensor, crop_to_image: tf.Tensor, partner: np.ndarray, given: np.ndarray
    ) -> Sequence[tf.Tensor]:
        return self._function(crops, crop_to_image, partner, given)


def _settings(inference_config: InferenceConfig) -> dict[str, Any]:
    return {name: getattr(inference_config, name) for name in _FIXED}


def _path(folder: StageFolder) -> pathlib.Path:
    return folder.path / "graph.zip"
