"""A trained network of a workdir, rebuilt."""

from __future__ import annotations

import os

import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.config import ModelConfig
from opec_tf.models import builders, workdir

BUILDERS = {"base": builders.build_base, "opec": builders.build_opec_net, "couple": builders.build_couple_net}


def load_network(root: os.PathLike[str] | str, stage: str, model_config: ModelConfig) -> tf.keras.Model:
    """Rebuilds the network of a stage, with its best weights.

    Raises:
      UserError: there is no such stage, or its weights are unusable.
    """
    path = workdir.stage_folder(root, stage).best_weights
    if not path.exists():
        raise UserError(f"{path}: does not exist; stage {stage} has not been trained in this --workdir")
    network = BUILDERS[stage](model_config)
    workdir.load_weights(network, path)
    return network


def rebuild(network: tf.keras.Model, stage: str, model_config: ModelConfig) -> tf.keras.Model:
    """A network of other settings with the weights of one whose layers have the same names and shapes."""
    variant = BUILDERS[stage](model_config)
    copy_weights(network, variant)
    return variant


def copy_weights(source: tf.keras.Model, target: tf.keras.Model) -> None:
    """Copies the weights of layers to the layers of the same names in another model, in nested models too.

    One of two models may lack layers that the other has, as a base without its body does.
    """
    targets = {layer.name: layer for layer in target.layers if layer.weights}
    sources = {layer.name: layer for layer in source.layers if layer.weights}
    if not (targets.keys() <= sources.keys() or sources.keys() <= targets.keys()):
        raise ValueError(f"models {source.name} and {target.name} each have layers that the other has not")
    # In the order of the layers, since all workers have to read a distributed model's in the same one.
    for name in [name for name in sources if name in targets]:
        if isinstance(sources[name], tf.keras.Model):
            copy_weights(sources[name], targets[name])
        else:
            targets[name].set_weights(sources[name].get_weights())
