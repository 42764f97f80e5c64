"""The optimizer and its learning rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import tensorflow as tf

from opec_tf.config import TrainConfig

GradientsAndVariables = Iterable[tuple[tf.Tensor, tf.Variable]]


def learning_rate_schedule(
    train_config: TrainConfig, total_steps: int
) -> tf.keras.optimizers.schedules.LearningRateSchedule:
    """Linear warm-up from 0, then a cosine that reaches 0 at ``total_steps`` (paper 5.1: cosine decay from 1e-3).

    Args:
      train_config: ``learning_rate`` is reached after ``warmup_steps``.
      total_steps: optimizer steps of the whole stage, more than ``warmup_steps``.

    Returns:
      A Keras schedule, step -> rate.
    """
    warmup = train_config.warmup_steps
    schedule = tf.keras.optimizers.schedules.CosineDecay
    if warmup == 0:
        return schedule(train_config.learning_rate, decay_steps=total_steps)
    return schedule(0.0, total_steps - warmup, warmup_target=train_config.learning_rate, warmup_steps=warmup)


def make(
    train_config: TrainConfig,
    total_steps: int,
    slow_variables: Sequence[tf.Variable] = (),
    slow_factor: float = 1.0,
    clipped_apart: Sequence[tf.Variable] = (),
) -> AdamWithFactors:
    """The optimizer of a stage. Call it in the strategy's scope.

    Args:
      total_steps: optimizer steps of the whole stage.
      slow_variables: model variables (the base's) that are trained at ``slow_factor`` times the learning rate.
      slow_factor: see above.
      clipped_apart: model variables whose gradients are clipped among themselves.
    """
    return AdamWithFactors(
        learning_rate=learning_rate_schedule(train_config, total_steps),
        decay=train_config.weight_decay,
        factors=[(variable, slow_factor) for variable in slow_variables if slow_factor != 1.0],
        clip_norm=train_config.gradient_clip_norm,
        clipped_apart=clipped_apart,
    )


class AdamWithFactors(tf.keras.optimizers.Adam):
    """Adam with decoupled weight decay of kernels (AdamW), a learning rate factor for chosen variables, and clipping.

    A variable's step is ``factor * rate * (adam_direction + decay * value)``. To scale its gradient instead would do
    nothing, since Adam divides by the gradient's own size. Keras' ``weight_decay`` knows no factors: it would wear
    down a slow variable at the full rate. tfa's MultiOptimizer belongs to Keras' legacy optimizers and tells variables
    apart by their names, which are not unique.

    Kernels are the variables of rank 2 and above; biases and BatchNorm's scales and offsets do not decay.

    Gradients are clipped to a global norm, those of ``clipped_apart`` to one of their own: Keras' ``global_clipnorm``
    knows no such groups.

    Attributes:
      decay: weight decay, a share of the learning rate; 0 for none.
      clip_norm: largest norm of all gradients of a group; 0 for no clipping.
    """

    def __init__(
        self,
        *,
        decay: float = 0.0,
        factors: Iterable[tuple[tf.Variable, float]] = (),
        clip_norm: float = 0.0,
        clipped_apart: Iterable[tf.Variable] = (),
        name: str = "Adam",
        **kwargs: object,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.decay, self.clip_norm = decay, clip_norm
        self._factors = {self._var_key(variable): factor for variable, factor in factors}
        self._apart = {self._var_key(variable) for variable in clipped_apart}

    def apply_gradients(
        self,
        grads_and_vars: GradientsAndVariables,
        name: str | None = None,
        skip_gradients_aggregation: bool = False,
        **kwargs: object,
    ) -> tf.Variable:
        if not skip_gradients_aggregation:
            grads_and_vars = self.aggregate_gradients(grads_and_vars)
        if self.clip_norm:
            grads_and_vars = self._clipped(list(grads_and_vars))
        return super().apply_gradients(grads_and_vars, name, skip_gradients_aggregation=True, **kwargs)

    def _clipped(self, grads_and_vars: list[tuple[tf.Tensor, tf.Variable]]) -> GradientsAndVariables:
        clipped: list[tuple[tf.Tensor, tf.Variable]] = []
        for apart in (False, True):
            group = [pair for pair in grads_and_vars if (self._var_key(pair[1]) in self._apart) == apart]
            gradients = tf.clip_by_global_norm([gradient for gradient, _ in group], self.clip_norm)[0] if group else []
            clipped += zip(gradients, [variable for _, variable in group])
        return clipped

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        factor = self._factors.get(self._var_key(variable), 1.0)
        decay = self.decay if variable.shape.rank >= 2 else 0.0
        if factor == 1.0 and decay == 0.0:
            super().update_step(gradient, variable)
            return
        before = tf.convert_to_tensor(variable)
        super().update_step(gradient, variable)
        rate = tf.cast(self.learning_rate, before.dtype)
        variable.assign(before + factor * (variable - before - rate * decay * before))
