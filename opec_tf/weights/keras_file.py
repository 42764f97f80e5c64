"""Weights that Keras wrote as HDF5, as the ``keras.applications`` come: a group a layer, a data set a weight."""

from __future__ import annotations

import os

import h5py
import numpy as np

from opec_tf.common.errors import UserError


def read(path: os.PathLike[str] | str) -> dict[str, np.ndarray]:
    """ "LAYER/WEIGHT" -> array, such as "conv1_conv/kernel"; see ``reading.read``."""
    tensors = {}

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            tensors["/".join(name.split("/")[-2:]).partition(":")[0]] = np.asarray(item)

    try:
        with h5py.File(path, "r") as file:
            # A whole model's file keeps its weights in a group, beside the optimizer's.
            file.get("model_weights", file).visititems(add)
    except (OSError, RuntimeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); check that the file is whole") from error
    return tensors
