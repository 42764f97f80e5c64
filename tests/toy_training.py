"""A toy in place of networks, crops and scoring, so that a test of how runs are kept trains a stage in a second.

The networks have a few hundred weights and the inputs and outputs of the real ones. The data is one batch again and
again, so that every order of it gives the same steps.
"""

import tensorflow as tf

from opec_tf.config import InferenceConfig, ModelConfig
from opec_tf.models import builders, loading, output_names
from opec_tf.models.networks import BaseNet, OpecNet
from opec_tf.poses import skeletons
from opec_tf.training import run_data, validation

MODEL = ModelConfig(skeleton="crowdpose14", crop_height=64, crop_width=64, predict_visibility=False)
INFERENCE = InferenceConfig(inference_batch_size=4)


def base_network(config):
    base, crops = _backbone(config), tf.keras.Input((*config.crop_size, 3), name="crops")
    heatmaps = tf.keras.layers.Activation("linear", name="base_heatmaps")(base(crops))
    return BaseNet(tf.keras.Model(crops, {"base_heatmaps": heatmaps}, name="base_net"), base)


def opec_network(config):
    base, crops = _backbone(config), tf.keras.Input((*config.crop_size, 3), name="crops")
    heatmaps = tf.keras.layers.Activation("linear", name="base_heatmaps")(base(crops))
    outputs = {"base_heatmaps": heatmaps}
    features = tf.keras.layers.GlobalAveragePooling2D(name="mean")(heatmaps)
    joints = heatmaps.shape[-1]
    for name in output_names.POSE_OUTPUTS:
        points = tf.keras.layers.Dense(2 * joints, name=f"{name}_points")(features)
        outputs[name] = tf.keras.layers.Reshape((joints, 2), name=name)(points)
    return OpecNet(tf.keras.Model(crops, outputs, name="opec_net"), base)


def training_dataset(
    annotations, *, crop_size, data_config, batch_size, seed, crop_offset, everybody, with_poses, shard
):
    generator = tf.random.Generator.from_seed(1)
    joints = annotations.skeleton.num_joints
    positions = generator.uniform([batch_size, joints, 2], -0.8, 0.8)
    labels = tf.concat([positions, tf.ones([batch_size, joints, 1])], axis=-1)
    return tf.data.Dataset.from_tensors((generator.uniform([batch_size, *crop_size, 3], 0, 255), labels)).repeat()


class Validator:
    """Scores that rise from epoch to epoch."""

    def __init__(self, model, *args, **kwargs):
        self.calls = 0

    def scores(self):
        self.calls += 1
        return {"val_peak_AP": 0.1 * self.calls, "val_pose_3_AP": 0.2 * self.calls}, None

    def drawings(self, estimates):
        return None


def install(patch=setattr):
    """Puts the toys in place, by ``setattr`` or pytest's ``monkeypatch.setattr``."""
    networks = {"base": base_network, "opec": opec_network}
    patch(builders, "NETWORKS", networks)
    patch(
        loading, "BUILDERS", {stage: lambda config, make=make: make(config).model for stage, make in networks.items()}
    )
    patch(run_data.pipeline, "training_dataset", training_dataset)
    patch(validation, "Validator", Validator)


def _backbone(config):
    crops = tf.keras.Input((*config.crop_size, 3))
    x = tf.keras.layers.Rescaling(1 / 255)(crops)
    x = tf.keras.layers.Conv2D(8, 4, 4, use_bias=False, name="stem")(x)
    x = tf.keras.layers.ReLU()(tf.keras.layers.BatchNormalization(momentum=0.9, name="stem_norm")(x))
    joints = skeletons.SKELETONS[config.skeleton].num_joints
    return tf.keras.Model(crops, tf.keras.layers.Conv2D(joints, 1, name="heatmap_head")(x), name="base")
