"""Networks that are refused by their name, whoever wrote their file."""

import checkpoint_files
import numpy as np
import pytest

from opec_tf.common.errors import UserError
from opec_tf.config import ModelConfig
from opec_tf.weights import conversion

READ = (
    "which is not read here; ResNets, AlphaPose's FastPose, SimpleBaseline's and MMPose's pose_resnet and MoveNet are "
    "(see --help)"
)
# Some of the parameters, as each writer names them.
NOT_READ = {
    "HRNet of its authors": ("an HRNet", ["conv1", "layer1.0.conv1", "stage2.0.branches.0.0.conv1", "final_layer"]),
    "HRNet of DataParallel": ("an HRNet", ["module.conv1", "module.stage3.3.fuse_layers.1.0.0.0"]),
    "HRNet of MMPose": ("an HRNet", ["backbone.conv1", "backbone.stage4.0.branches.3.0.conv2", "head.final_layer"]),
    "ViTPose of its authors": (
        "a ViTPose model (vision transformer)",
        ["backbone.patch_embed.proj", "backbone.blocks.0.attn.qkv", "keypoint_head.deconv_layers.0"],
    ),
    "ViTPose of MMPose": (
        "a ViTPose model (vision transformer)",
        ["backbone.patch_embed.projection", "backbone.layers.11.attn.qkv", "head.final_layer"],
    ),
    "ViTPose of Hugging Face": (
        "a ViTPose model (vision transformer)",
        ["backbone.encoder.layer.0.attention.attention.query", "head.conv"],
    ),
}


@pytest.mark.parametrize("trunk_only", [False, True])
@pytest.mark.parametrize("writer", NOT_READ)
def test_other_networks_are_refused_by_their_name(tmp_path, writer, trunk_only):
    network, parameters = NOT_READ[writer]
    tensors = {f"{name}.weight": np.zeros([1, 1, 1, 1], np.float32) for name in parameters}
    checkpoint_files.write_zip(tmp_path / "a.pth", tensors, "state_dict")
    with pytest.raises(UserError) as error:
        conversion.convert(tmp_path / "a.pth", tmp_path / "run", ModelConfig(), [], trunk_only=trunk_only)
    assert str(error.value) == f"{tmp_path / 'a.pth'}: holds {network}, {READ}"
    assert not (tmp_path / "run").exists()
