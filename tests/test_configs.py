"""Every shipped flagfile is understood, says where its data lies, and builds its model."""

import functools
import pathlib

import pytest
from absl import flags as absl_flags
from absl.testing import flagsaver

from opec_tf.common import flags
from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig
from opec_tf.data.annotations.loading import DatasetSource
from opec_tf.evaluation import protocols
from opec_tf.models import builders
from opec_tf.poses import skeletons
from opec_tf.training import stages

pytestmark = pytest.mark.slow

CONFIGS = sorted((pathlib.Path(__file__).parents[1] / "configs").glob("*.flags"))
CLASSES = (ModelConfig, DataConfig, TrainConfig, InferenceConfig)
# Parameters of the whole network, millions.
PARAMETERS = {
    "coco_simplepose": 73.5,
    "crowdpose": 64.6,
    "crowdpose12": 64.6,
    "movenet_real": 7.485,
    "ochuman": 64.6,
    "ocpose": 64.6,
    "smoke": 0.1511,
    "synthetic": 5.237,
    "synthetic_as_published": 4.646,
    "train_demo": 5.237,
}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_flagfile_builds_its_model(path, zeros):
    flags.define(*CLASSES)
    with flagsaver.flagsaver():
        absl_flags.FLAGS.unparse_flags()
        absl_flags.FLAGS(["train", f"--flagfile={path}"])
        model_config, data_config, train_config, inference_config = map(flags.read, CLASSES)
        absl_flags.FLAGS.unparse_flags()

    skeleton = skeletons.SKELETONS[model_config.skeleton]
    # The model knows every joint that its protocol scores.
    assert set(protocols.PROTOCOLS[inference_config.protocol].skeleton.joints) <= set(skeleton.joints)
    for source in (*data_config.train_data, *data_config.val_data, *data_config.test_data):
        DatasetSource.parse(source)
    assert data_config.train_data and data_config.test_data
    # The test split chooses nothing.
    assert not set(data_config.val_data) & set(data_config.test_data)
    assert stages.epochs("base", train_config) >= 1

    input_shape, heatmap_shape, parameters = _build(model_config)
    height, width = model_config.crop_size
    assert input_shape == (None, height, width, 3)
    assert heatmap_shape == (None, height // 4, width // 4, skeleton.num_joints)
    assert parameters / 1e6 == pytest.approx(PARAMETERS[path.stem], rel=0.01)


@functools.lru_cache
def _build(model_config):
    """Shapes and size of a network; two flagfiles that differ in their data share one."""
    model = builders.build_opec_net(model_config)
    return model.input_shape, model.output["base_heatmaps"].shape, model.count_params()


def test_every_documented_flagfile_is_there():
    assert [path.stem for path in CONFIGS] == sorted(PARAMETERS)
