"""Weights that Keras wrote as HDF5, as the ``keras.applications`` come: a group a layer, a data set a weight."""

import h5py
import numpy as np

from opec_tf.common.errors import UserError


def read(path):
    """ "LAYER/WEIGHT" -> NumPy array, such as "conv1_conv/kernel"; see ``checkpoints.read``."""
    tensors = {}

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            tensors["/".join(name.split("/")[-2:]).partition(":")[0]] = np.asarray(item)

    try:
        with h5py.File(path, "r") as file:
            # A whole model's file keeps its weights in a group, beside the optimizer's.
            file.get("model_weights", file).visititems(add)
    except (OSError, RuntimeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); check that the file is whole") from error
    return tensors
