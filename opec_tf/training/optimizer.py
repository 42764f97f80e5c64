"""The optimizer and its learning rate."""

import tensorflow as tf

from opec_tf.errors import UserError


def learning_rate_schedule(train_config, total_steps):
    """Linear warm-up from 0, then a cosine that reaches 0 at ``total_steps`` (paper 5.1: cosine decay from 1e-3).

    Args:
      train_config: ``TrainConfig``; ``learning_rate`` is reached after ``warmup_steps``.
      total_steps: optimizer steps of the whole stage.

    Returns:
      A Keras schedule, step -> rate.

    Raises:
      UserError: the warm-up takes up the whole stage.
    """
    warmup = train_config.warmup_steps
    if not 0 <= warmup < total_steps:
        raise UserError(f"--warmup_steps={warmup} must be from 0 to below the stage's {total_steps} steps")
    schedule = tf.keras.optimizers.schedules.CosineDecay
    if warmup == 0:
        return schedule(train_config.learning_rate, decay_steps=total_steps)
    return schedule(0.0, total_steps - warmup, warmup_target=train_config.learning_rate, warmup_steps=warmup)


def make(train_config, total_steps, slow_variables=(), slow_factor=1.0):
    """The optimizer of a stage. Call it in the strategy's scope.

    Args:
      train_config: ``TrainConfig``.
      total_steps: optimizer steps of the whole stage.
      slow_variables: model variables (the base's) that are trained at ``slow_factor`` times the learning rate.
      slow_factor: see above.

    Returns:
      ``AdamWithFactors``.
    """
    return AdamWithFactors(
        learning_rate=learning_rate_schedule(train_config, total_steps),
        decay=train_config.weight_decay,
        factors=[(variable, slow_factor) for variable in slow_variables if slow_factor != 1.0],
        global_clipnorm=train_config.gradient_clip_norm or None,
    )


class AdamWithFactors(tf.keras.optimizers.Adam):
    """Adam with decoupled weight decay of kernels (AdamW) and a learning rate factor for chosen variables.

    A variable's step is ``factor * rate * (adam_direction + decay * value)``. To scale its gradient instead would do
    nothing, since Adam divides by the gradient's own size. Keras' ``weight_decay`` knows no factors: it would wear
    down a slow variable at the full rate. tfa's MultiOptimizer belongs to Keras' legacy optimizers and tells variables
    apart by their names, which are not unique.

    Kernels are the variables of rank 2 and above; biases and BatchNorm's scales and offsets do not decay.

    Attributes:
      decay: weight decay, a share of the learning rate; 0 for none.
    """

    def __init__(self, *, decay=0.0, factors=(), name="Adam", **kwargs):
        super().__init__(name=name, **kwargs)
        self.decay = decay
        self._factors = {self._var_key(variable): factor for variable, factor in factors}

    def update_step(self, gradient, variable):
        factor = self._factors.get(self._var_key(variable), 1.0)
        decay = self.decay if variable.shape.rank >= 2 else 0.0
        if factor == 1.0 and decay == 0.0:
            super().update_step(gradient, variable)
            return
        before = tf.convert_to_tensor(variable)
        super().update_step(gradient, variable)
        rate = tf.cast(self.learning_rate, before.dtype)
        variable.assign(before + factor * (variable - before - rate * decay * before))
