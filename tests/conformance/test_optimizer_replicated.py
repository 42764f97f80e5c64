"""Two replicas with gradients of their own take one step by the sum of both."""

import numpy as np
import pytest
import tensorflow as tf

from opec_tf.config import TrainConfig
from opec_tf.training import optimizer, strategy as strategies

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("clip_norm, expected", [(0.0, [6.0, 8.0]), (1.0, [0.6, 0.8])])
def test_gradients_are_added_and_then_clipped(clip_norm, expected):
    strategy = strategies.make("mirrored")
    with strategy.scope():
        variable = tf.Variable([0.0, 0.0])
        adam = optimizer.make(TrainConfig(gradient_clip_norm=clip_norm), total_steps=10)
        adam.build([variable])

    @tf.function
    def step():
        first = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
        adam.apply_gradients([(tf.where(first, [6.0, 0.0], [0.0, 8.0]), variable)])

    strategy.run(step)
    # Adam's first moment after one step is a tenth of the gradient.
    (moment,) = [v for v in adam.variables if v.name.startswith("m/") or "/m/" in v.name]
    for replica in strategy.experimental_local_results(moment):
        np.testing.assert_allclose(replica, 0.1 * np.array(expected), atol=1e-6)
