"""What every export of a model shares: a faster network, a last look at its poses, and what they mean."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.config import InferenceConfig
from opec_tf.inference import forward
from opec_tf.inference.pose_model import PoseModel
from opec_tf.models import folding, workdir
from opec_tf.poses import skeletons


def folded(model: PoseModel) -> PoseModel:
    """The model without BatchNorm, which runs faster."""
    return model.with_network(folding.fold_batch_norm(model.network))


def refuse_diverged(answer: Callable[[], forward.Tensors]) -> None:
    """Asks a model about any crop; poses that are no numbers are an error.

    Raises:
      UserError: they are none.
    """
    try:
        finite = all(np.isfinite(values).all() for values in answer().values())
    except tf.errors.InvalidArgumentError:  # features were to be sampled at a pose that is no number
        finite = False
    if not finite:
        raise UserError("the model's poses are not finite numbers: its training has diverged; export other weights")


def describe(model: PoseModel, inference_config: InferenceConfig) -> dict[str, Any]:
    """What the numbers of a model mean and where it comes from, for JSON."""
    skeleton, model_config = model.skeleton, model.model_config
    described = {
        "stage": model.stage,
        "skeleton": skeleton.name,
        "joints": list(skeleton.joints),
        "edges": skeleton.edges.tolist(),
        "input_size": {"height": model_config.crop_height, "width": model_config.crop_width},
        "box_margin": model.box_margin,
        "flip_test": inference_config.flip_test,
        "peak_refinement": inference_config.peak_refinement,
        "peak_smoothing": inference_config.peak_smoothing,
        "trained_at_git_revision": model.git_revision,
        "git_revision": workdir.git_revision(),
        "opec_tf": importlib.metadata.version("opec_tf"),
        "tensorflow": tf.__version__,
        "model": dataclasses.asdict(model_config),
        "metrics": model.metrics,
    }
    if forward.gives_visibility(model.network):
        described["visibility"] = list(skeletons.VISIBILITY_CLASSES)
    return described
