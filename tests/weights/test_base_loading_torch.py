"""As test_base_loading.py, against PyTorch itself (``pip install -e .[torch]``) and through files of ``torch.save``."""

import checkpoint_files
import numpy as np
import pytest
import tensorflow as tf
from converted import ALPHAPOSE, CROPS, IMAGENET, close, convert, inputs

from opec_tf.weights import reading

pytestmark = pytest.mark.slow

torch = pytest.importorskip(
    "torch", reason="needs PyTorch: pip install -e .[torch]; python -m pytest tests/weights/test_base_loading_torch.py"
)
from opec_tf.study.peers import torch_resnet  # noqa: E402 - it needs PyTorch

nn = torch.nn
Block, Trunk = torch_resnet.Block, torch_resnet.Trunk
WIDTH = 8


def fastpose(blocks, bottleneck, joints):
    return torch_resnet.FastPose(blocks, bottleneck, joints, width=WIDTH)


def pose_resnet(blocks, bottleneck, joints):
    return torch_resnet.PoseResnet(blocks, bottleneck, joints, deconvs=8, width=WIDTH)


class FastPoseDuc(nn.Module):
    def __init__(self, blocks, joints, gated, unshuffled=False):
        super().__init__()
        self.preact = Trunk(blocks, True, gated, WIDTH)
        for block in self.preact.modules() if unshuffled else ():
            if isinstance(block, Block) and block.conv2.stride == (2, 2):
                width = block.conv2.out_channels
                block.conv2 = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * width, width, 3, 1, 1, bias=False))
        channels = self.preact.channels // 4
        for i, count in enumerate((4, 2, 1), start=1):
            layers = [nn.PixelShuffle(2)]
            for out in [channels] * (count - 1) + [2 * channels]:
                layers += [nn.Conv2d(channels, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
            setattr(self, f"duc{i}", nn.Sequential(*layers))
            channels //= 2
        self.conv_out = nn.Conv2d(4 * channels, joints, 3, 1, 1)

    def forward(self, x):
        return self.conv_out(self.duc3(self.duc2(self.duc1(self.preact(x)))))


def randomized(module):
    """The module for inference, with statistics and scales that a mistake would show in."""
    torch.manual_seed(0)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for values, low, high in (
                (layer.weight, 0.5, 1.5),
                (layer.bias, -0.3, 0.3),
                (layer.running_mean, -0.3, 0.3),
                (layer.running_var, 0.5, 1.5),
            ):
                nn.init.uniform_(values, low, high)
    return module.eval()


def run(module, images):
    """[B, H, W, 3] -> the module's output, a base's heatmaps, as [B, h, w, C]."""
    with torch.no_grad():
        output = module(torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, 1))))
    output = output["base_heatmaps"] if isinstance(output, dict) else output
    return np.moveaxis(output.numpy(), 1, -1)


@pytest.mark.parametrize(
    "make, scaling, bgr, outputs",
    [
        (lambda: Trunk((2, 2, 2, 2), False, width=WIDTH), IMAGENET, False, None),
        (lambda: Trunk((3, 4, 6, 3), True, width=WIDTH), IMAGENET, False, None),
        (lambda: fastpose((3, 4, 6, 3), True, 33), ALPHAPOSE, False, 17),
        (lambda: fastpose((2, 2, 2, 2), False, 17), ALPHAPOSE, False, 17),
        (lambda: FastPoseDuc((3, 4, 6, 3), 17, gated=True), ALPHAPOSE, False, 17),
        (lambda: FastPoseDuc((3, 4, 6, 3), 17, gated=True, unshuffled=True), ALPHAPOSE, False, 17),
        (lambda: pose_resnet((2, 2, 2, 2), False, 17), IMAGENET, True, 17),
        (lambda: pose_resnet((3, 4, 6, 3), True, 14), IMAGENET, True, 14),
    ],
    ids=[
        "resnet18",
        "resnet50",
        "fastpose50",
        "fastpose18",
        "fast_421",
        "fast_421-shuffle",
        "pose_resnet18",
        "pose_resnet50",
    ],
)
def test_the_forward_pass_is_pytorchs(tmp_path, make, scaling, bgr, outputs):
    module = randomized(make())
    torch.save({"state_dict": module.state_dict(), "epoch": 1}, tmp_path / "a.pth")
    torch.save(module.state_dict(), tmp_path / "b.pth", _use_new_zipfile_serialization=False)
    tensors = reading.read(tmp_path / "a.pth")
    for name, value in reading.read(tmp_path / "b.pth").items():
        np.testing.assert_array_equal(value, tensors[name])
    model, _, _ = convert(tensors, **({} if outputs else {"squeeze_excite": False}))
    expected = run(module, inputs(scaling, bgr))
    if outputs:
        found, expected = model(CROPS, training=False)["base_heatmaps"], expected[..., :outputs]
    else:
        base = model.get_layer("base")
        last = [layer.name for layer in base.layers if layer.name.startswith("stage4")][-1]
        found = tf.keras.Model(base.input, base.get_layer(last).output)(CROPS, training=False)
    close(found, expected)


def test_the_tests_own_files_are_pytorchs(tmp_path):
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(3), "h": np.ones(2, np.float16)}
    for write in (checkpoint_files.write_zip, checkpoint_files.write_stream):
        write(tmp_path / "a.pth", tensors)
        loaded = torch.load(tmp_path / "a.pth", weights_only=True)
        assert list(loaded) == list(tensors)
        for name, value in tensors.items():
            np.testing.assert_array_equal(loaded[name].numpy(), value)


def test_bfloat16_and_views(tmp_path):
    values = torch.arange(12.0).reshape(3, 4)
    torch.save({"b": values.bfloat16(), "t": values.t()[1:], "p": nn.Parameter(values)}, tmp_path / "a.pth")
    found = reading.read(tmp_path / "a.pth")
    np.testing.assert_array_equal(found["b"], values)
    np.testing.assert_array_equal(found["t"], values.t()[1:])
    np.testing.assert_array_equal(found["p"], values)
