"""JointIdentity: nodes that look alike become different."""

import numpy as np

from opec_tf.layers.graph import JointIdentity


def test_every_body_gets_the_same_identities():
    features = np.arange(2 * 4 * 3, dtype=np.float32).reshape(2, 4, 3)
    output = JointIdentity(2)(features).numpy()
    np.testing.assert_array_equal(output[..., :3], features)
    # Two bodies of two joints.
    np.testing.assert_array_equal(output[0, :, 3:], [[1, 0], [0, 1], [1, 0], [0, 1]])
    np.testing.assert_array_equal(output[1, :, 3:], output[0, :, 3:])
