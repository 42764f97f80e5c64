"""Two logical CPU devices, so that a strategy has two replicas on any machine."""

import tensorflow as tf


def pytest_configure():
    # Only possible before TensorFlow runs its first op, hence at collection and not in a fixture.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
