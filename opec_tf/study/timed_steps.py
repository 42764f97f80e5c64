"""What is timed: a batch of the training input, an optimizer step, a network on crops."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from opec_tf.config import DataConfig, ModelConfig, TrainConfig
from opec_tf.data import pipeline
from opec_tf.models import builders
from opec_tf.poses import skeletons
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.training import stages


def training_input(
    people: PoseAnnotations,
    crop_size: tuple[int, int],
    data_config: DataConfig,
    batch_size: int,
    threads: int,
    also: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]] | None = None,
) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    """Batches of the training input, of which those made before it came to its pace are gone.

    Args:
      people: from ``speed.write_pictures``.
      also: function of (crops, joints) applied to every batch; the rest as for ``speed.measure_pipeline``.
    """
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    options.threading.max_intra_op_parallelism = 1
    batches = pipeline.training_dataset(
        people, crop_size=crop_size, data_config=data_config, batch_size=batch_size, seed=0
    )
    iterator = iter((batches if also is None else batches.map(also)).with_options(options))
    # What was made while the shuffle buffer filled must be gone before the clock starts.
    for _ in range(4):
        next(iterator)
    return iterator


def training_step(
    stage: str, model_config: ModelConfig, train_config: TrainConfig, jit_compile: bool
) -> Callable[[], float]:
    """A function that takes an optimizer step of a stage, as ``fit`` does, and gives the loss.

    Args:
      stage: "base" or "opec"; the rest as for ``speed.measure_training``.
    """
    with tempfile.TemporaryDirectory() as folder:
        model = stages.build(stage, pathlib.Path(folder), model_config, train_config, 10**6, jit_compile).model
    batch = train_config.batch_size
    crops = tf.random.stateless_uniform([batch, *model_config.crop_size, 3], [0, 0], 0.0, 255.0)
    joints = skeletons.SKELETONS[model_config.skeleton].num_joints
    places = tf.random.stateless_uniform([batch, joints, 2], [0, 1], -1.0)
    weights = tf.ones_like(places[..., :1])
    joints = tf.concat([places, weights, tf.zeros_like(weights)], axis=-1)
    inputs = crops
    if model_config.initial_pose == "given":
        inputs = {"crops": crops, "given_pose": places, "given_score": weights[..., 0]}
    batches = iter(tf.data.Dataset.from_tensors((inputs, dict.fromkeys(model.loss, joints))).repeat())
    step = model.make_train_function()
    return lambda: float(step(batches)["loss"])


def network_step(stage: str, model_config: ModelConfig, batch_size: int) -> Callable[[], dict[str, np.ndarray]]:
    """A function that runs a network over crops that lie ready in memory, as inference does.

    Args:
      stage: "base" or "opec".
      batch_size: crops.
    """
    network = builders.NETWORKS[stage](model_config).model
    shape = [batch_size, *model_config.crop_size, 3]
    forward = tf.function(
        lambda crops: network(crops, training=False),
        input_signature=[tf.TensorSpec(shape, tf.float32)],
        autograph=False,
    )
    crops = tf.random.stateless_uniform(shape, [0, 0], 0.0, 255.0)
    return lambda: {name: value.numpy() for name, value in forward(crops).items()}
