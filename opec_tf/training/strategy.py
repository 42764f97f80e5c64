"""tf.distribute strategies, and what differs between one worker and several."""

from __future__ import annotations

import functools
import os

import tensorflow as tf

from opec_tf.common.errors import UserError


@functools.lru_cache
def make(name: str) -> tf.distribute.Strategy:
    """The strategy called ``name``. Call it before any other TensorFlow operation: multi_worker insists on it.

    Always the same one: two in a process would give their collective operations the same keys, and TensorFlow would
    take the second's for the first's.

    Args:
      name: "one" (one device), "mirrored" (all GPUs of this machine, or all logical CPUs where there is no GPU) or
        "multi_worker" (one process a machine; the cluster is described by the environment variable TF_CONFIG).

    Raises:
      UserError: multi_worker without TF_CONFIG, or an unusable one.
    """
    if name == "one":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if "TF_CONFIG" not in os.environ:
        raise UserError("--strategy=multi_worker needs the environment variable TF_CONFIG: the cluster and this task")
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"TF_CONFIG={os.environ['TF_CONFIG']} is not a usable cluster description ({error})") from error


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the workdir's files: the only one, or worker 0."""
    return strategy.extended.should_checkpoint


def barrier(strategy: tf.distribute.Strategy) -> None:
    """Waits until every worker has come here."""
    strategy.reduce("SUM", strategy.run(lambda: tf.ones(())), axis=None)


def per_replica_batch_size(strategy: tf.distribute.Strategy, batch_size: int) -> int:
    """The share of one replica in a global batch.

    Raises:
      UserError: the batch does not divide.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise UserError(f"--batch_size={batch_size} must be a multiple of the {replicas} replicas of the strategy")
    return batch_size // replicas
