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
nn = torch.nn


class Gate(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels), nn.Sigmoid())

    def forward(self, x):
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


class Block(nn.Module):
    def __init__(self, inputs, width, stride, bottleneck, gated, unshuffled):
        super().__init__()
        outputs = 4 * width if bottleneck else width
        sizes, strides = ((1, 3, 1), (1, stride, 1)) if bottleneck else ((3, 3), (stride, 1))
        channels = [inputs] + [width] * (len(sizes) - 1) + [outputs]
        self.depth = len(sizes)
        for i in range(self.depth):
            conv = nn.Conv2d(*channels[i : i + 2], sizes[i], strides[i], sizes[i] // 2, bias=False)
            if unshuffled and strides[i] > 1:
                conv = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * width, width, 3, 1, 1, bias=False))
            setattr(self, f"conv{i + 1}", conv)
            setattr(self, f"bn{i + 1}", nn.BatchNorm2d(channels[i + 1]))
        self.downsample = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.se = Gate(outputs) if gated and self.downsample else None

    def forward(self, x):
        y = x
        for i in range(1, self.depth + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = y.relu() if i < self.depth else y
        y = self.se(y) if self.se else y
        return (y + (self.downsample(x) if self.downsample else x)).relu()


class Trunk(nn.Module):
    def __init__(self, blocks, bottleneck, gated=False, unshuffled=False, width=8):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        self.channels = width
        for stage, repeats in enumerate(blocks):
            layers = []
            for index in range(repeats):
                stride = 2 if stage and not index else 1
                layers.append(Block(self.channels, width << stage, stride, bottleneck, gated, unshuffled))
                self.channels = (width << stage) * (4 if bottleneck else 1)
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))

    def forward(self, x):
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class Duc(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)

    def forward(self, x):
        return nn.functional.pixel_shuffle(self.bn(self.conv(x)).relu(), 2)


class FastPose(nn.Module):
    def __init__(self, blocks, bottleneck, joints):
        super().__init__()
        self.preact = Trunk(blocks, bottleneck, gated=True)
        channels = self.preact.channels // 4
        self.duc1, self.duc2 = Duc(channels, 2 * channels), Duc(channels // 2, channels)
        self.conv_out = nn.Conv2d(channels // 4, joints, 3, 1, 1)

    def forward(self, x):
        return self.conv_out(self.duc2(self.duc1(nn.functional.pixel_shuffle(self.preact(x), 2))))


class FastPoseDuc(nn.Module):
    def __init__(self, blocks, joints, **trunk):
        super().__init__()
        self.preact = Trunk(blocks, True, **trunk)
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


class PoseResnet(Trunk):
    def __init__(self, blocks, bottleneck, joints):
        super().__init__(blocks, bottleneck)
        layers, channels = [], self.channels
        for _ in range(3):
            layers += [nn.ConvTranspose2d(channels, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
            channels = 8
        self.deconv_layers, self.final_layer = nn.Sequential(*layers), nn.Conv2d(8, joints, 1)

    def forward(self, x):
        return self.final_layer(self.deconv_layers(super().forward(x)))


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
    """[B, H, W, 3] -> the module's output as [B, h, w, C]."""
    with torch.no_grad():
        output = module(torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, 1))))
    return np.moveaxis(output.numpy(), 1, -1)


@pytest.mark.parametrize(
    "make, scaling, bgr, outputs",
    [
        (lambda: Trunk((2, 2, 2, 2), False), IMAGENET, False, None),
        (lambda: Trunk((3, 4, 6, 3), True), IMAGENET, False, None),
        (lambda: FastPose((3, 4, 6, 3), True, 33), ALPHAPOSE, False, 17),
        (lambda: FastPose((2, 2, 2, 2), False, 17), ALPHAPOSE, False, 17),
        (lambda: FastPoseDuc((3, 4, 6, 3), 17, gated=True), ALPHAPOSE, False, 17),
        (lambda: FastPoseDuc((3, 4, 6, 3), 17, gated=True, unshuffled=True), ALPHAPOSE, False, 17),
        (lambda: PoseResnet((2, 2, 2, 2), False, 17), IMAGENET, True, 17),
        (lambda: PoseResnet((3, 4, 6, 3), True, 14), IMAGENET, True, 14),
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
