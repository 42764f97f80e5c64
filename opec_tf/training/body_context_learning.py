"""How a ``BodyContext`` learns: alone, before the last epoch of its stage, from poses that its network then gives.

What one joint tells of another is learnt from millions of poses, not from the hundred thousand that a few epochs over
pictures bring, and needs no pictures: the poses of a few passes through the training data take some megabytes and are
gone through many times, turned and mirrored anew each time. In the epochs before, the context changes nothing; in the
last, when the learning rate nears 0 and the poses change little any more, it stays as it is and the rest of the network
adapts to it.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import time
from collections.abc import Iterable
from typing import Callable

import numpy as np
import tensorflow as tf

from opec_tf.common.progress import Progress
from opec_tf.config import TrainConfig
from opec_tf.models import workdir
from opec_tf.models.networks import Context
from opec_tf.training import optimizer, stages, strategy as strategies

# People in a batch, and the weight decay: of poses there are few for a perceptron of millions of weights.
_BATCH_SIZE = 512
_WEIGHT_DECAY = 0.02


class ContextLearning(tf.keras.callbacks.Callback):
    """Has the context learn before the last epoch, and keeps what it has learnt in case that epoch is broken off.

    Args:
      alone: the context as a model, see ``Context.cut_out``.
      epochs: of the stage.
      learn: does it, see ``learn``.
      path: where the context's weights are kept. Where the file exists they are taken from it.
      is_chief: whether this process writes it.
    """

    def __init__(
        self,
        alone: tf.keras.Model,
        epochs: int,
        learn: Callable[[], None],
        path: pathlib.Path,
        is_chief: bool,
    ) -> None:
        super().__init__()
        self.alone, self.epochs, self.learn, self.path, self.is_chief = alone, epochs, learn, path, is_chief

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        if epoch < self.epochs - 1:
            return
        if self.path.exists():
            workdir.load_weights(self.alone, self.path)
            print("context: learnt before the last epoch was broken off", flush=True)
            return
        self.learn()
        if self.is_chief:
            workdir.save_weights(self.alone, self.path)


def learn(
    net: tf.keras.Model,
    context: Context,
    make_batches: stages.MakeBatches,
    *,
    people: int,
    strategy: tf.distribute.Strategy,
    loss: tf.keras.losses.Loss,
    train_config: TrainConfig,
) -> None:
    """Trains the frozen context of a stage's network and nothing else.

    Args:
      net, context: the network, made in the strategy's scope, and its context.
      make_batches: joints are [B, K, 4] or [B, 1 + M, K, 4]; of a CoupleGraph rows 2 p and 2 p + 1 are a couple.
      people: number of people in a pass through the data.
      loss: of the told pose.
    """
    chief = strategies.is_chief(strategy)
    before, alone = context.cut_out(net)
    members = 2 if context.pair else 1
    batches = make_batches(batch_size=train_config.batch_size, seed=train_config.seed)
    kept = keep(before, batches, people * train_config.context_passes, members, enabled=chief)
    # A multiple of two people a replica.
    unit = 2 * strategy.num_replicas_in_sync
    batch_size = unit * max(1, min(_BATCH_SIZE, members * len(kept["joints"])) // unit)
    steps = -(-members * len(kept["joints"]) // batch_size)
    settings = dataclasses.replace(
        train_config, weight_decay=_WEIGHT_DECAY, warmup_steps=min(train_config.warmup_steps, steps - 1)
    )
    alone.trainable = True
    with strategy.scope():
        adam = optimizer.make(settings, train_config.context_epochs * steps)
        stages.compile_model(alone, adam, {"told": loss})
    batches = stages.dataset(
        strategy, functools.partial(dataset, kept), ["told"], batch_size, train_config.seed, start_epoch=0
    )
    lines = [_Lines()] if chief else []
    alone.fit(batches, epochs=train_config.context_epochs, steps_per_epoch=steps, verbose=0, callbacks=lines)
    alone.trainable = False


def keep(
    before: tf.keras.Model, batches: Iterable, count: int, members: int, enabled: bool = True
) -> dict[str, np.ndarray]:
    """What a context sees of ``count`` people or more, and their joints.

    Args:
      before: from the network's inputs to what the context sees.
      batches: endless, of (the network's inputs, joints).
      members: people who stay together.
      enabled: report to stderr.

    Returns:
      dict of float32 arrays [G, members, ...]: pose, known, for a CoupleGraph crop_to_image, and joints [G, members, K,
      4].
    """
    forward = tf.function(lambda inputs: before(inputs, training=False), autograph=False)
    kept: list[dict[str, np.ndarray]] = []
    done, endless = 0, iter(batches)
    with Progress("keeping poses", "people", count, enabled) as progress:
        while done < count:
            inputs, joints = next(endless)
            row = {name: value.numpy() for name, value in forward(inputs).items()}
            row["joints"] = (joints[:, 0] if joints.shape.rank == 4 else joints).numpy()
            if members > 1:
                row["crop_to_image"] = inputs["crop_to_image"].numpy()
            kept.append({name: value.reshape(-1, members, *value.shape[1:]) for name, value in row.items()})
            done += len(joints)
            progress.update(len(joints))
    return {name: np.concatenate([row[name] for row in kept]) for name in kept[0]}


def dataset(kept: dict[str, np.ndarray], *, batch_size: int, seed: int) -> tf.data.Dataset:
    """Endless shuffled batches of (what a context sees, joints [B, K, 4]) of what ``keep`` gave."""
    groups, members = kept["joints"].shape[:2]
    partner = tf.range(batch_size) + tf.tile([1, -1], [batch_size // 2])

    def arrange(rows: dict[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        rows = {name: tf.reshape(value, [batch_size, *value.shape[2:]]) for name, value in rows.items()}
        joints = rows.pop("joints")
        return {**rows, **({"partner": partner} if members > 1 else {})}, joints

    data = tf.data.Dataset.from_tensor_slices(kept).shuffle(groups, seed=seed).repeat()
    return data.batch(batch_size // members, drop_remainder=True).map(arrange).prefetch(2)


class _Lines(tf.keras.callbacks.Callback):
    """A line for each epoch."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        seconds = time.monotonic() - self._started
        number = f"{epoch + 1}/{self.params['epochs']}"
        print(f"context, epoch {number}, {seconds:.0f} s: loss {logs['loss']:.4f}", flush=True)
