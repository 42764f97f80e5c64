"""Small networks of the public checkpoints' names and layout: random tensors, and their forward pass spelled out.

The forward pass follows PyTorch's documentation, in NumPy and plain TensorFlow operations: explicit padding, transposed
convolution as a sum over the kernel, pixel shuffle and unshuffle by a transpose. Nothing of it comes from the package.
"""

import numpy as np
import tensorflow as tf


def trunk(random, blocks, bottleneck, width=8, gates=False, unshuffle=False):
    """Tensors of a ResNet in torchvision's names; ``blocks``: of each of the four stages.

    ``unshuffle``: AlphaPose's ShuffleResnet, where conv2.0 of a bottleneck that halves is a pixel unshuffle.
    """
    tensors = {**_conv(random, "conv1", width, 3, 7), **_norm(random, "bn1", width)}
    channels = width
    for stage, repeats in enumerate(blocks):
        inner, outer = width << stage, (width << stage) * (4 if bottleneck else 1)
        for index in range(repeats):
            name = f"layer{stage + 1}.{index}"
            shapes = [(inner, channels, 1), (inner, inner, 3), (outer, inner, 1)]
            shapes = shapes if bottleneck else [(inner, channels, 3), (outer, inner, 3)]
            for i, shape in enumerate(shapes):
                if unshuffle and stage > 0 and index == 0 and i == 1:
                    tensors.update(_conv(random, f"{name}.conv2.1", inner, 4 * inner, 3))
                else:
                    tensors.update(_conv(random, f"{name}.conv{i + 1}", *shape))
                tensors.update(_norm(random, f"{name}.bn{i + 1}", shape[0]))
            if channels != outer or (stage > 0 and index == 0):
                tensors.update(_conv(random, f"{name}.downsample.0", outer, channels, 1))
                tensors.update(_norm(random, f"{name}.downsample.1", outer))
                for i in (0, 2) if gates else ():
                    tensors[f"{name}.se.fc.{i}.weight"] = _normal(random, [outer, outer], 2 * outer**-0.5)
                    tensors[f"{name}.se.fc.{i}.bias"] = _normal(random, [outer], 0.5)
            channels = outer
    return tensors


def fastpose(random, blocks, bottleneck, joints, width=8):
    """AlphaPose's FastPose: a ResNet with gates, shuffle, two DUCs and a 3x3 head."""
    tensors = {f"preact.{name}": value for name, value in trunk(random, blocks, bottleneck, width, True).items()}
    channels = 8 * width * (4 if bottleneck else 1) // 4
    for name in ("duc1", "duc2"):
        tensors.update(_conv(random, f"{name}.conv", 2 * channels, channels, 3))
        tensors.update(_norm(random, f"{name}.bn", 2 * channels))
        channels //= 2
    tensors.update(_conv(random, "conv_out", joints, channels, 3))
    tensors["conv_out.bias"] = _normal(random, [joints], 0.1)
    return tensors


def fastpose_duc(random, blocks, bottleneck, joints, gates=True, unshuffle=False, width=8):
    """AlphaPose's FastPose_DUC (fast_421): a ResNet, shuffles before 4, 2 and 1 convolutions, and a 3x3 head."""
    own = trunk(random, blocks, bottleneck, width, gates, unshuffle)
    tensors = {f"preact.{name}": value for name, value in own.items()}
    channels = 8 * width * (4 if bottleneck else 1) // 4
    for name, count in (("duc1", 4), ("duc2", 2), ("duc3", 1)):
        for i in range(count):
            out = 2 * channels if i == count - 1 else channels
            tensors.update(_conv(random, f"{name}.{3 * i + 1}", out, channels, 3))
            tensors.update(_norm(random, f"{name}.{3 * i + 2}", out))
        channels //= 2
    tensors.update(_conv(random, "conv_out", joints, 4 * channels, 3))
    tensors["conv_out.bias"] = _normal(random, [joints], 0.1)
    return tensors


def pose_resnet(random, blocks, bottleneck, joints, width=8, deconvs=8):
    """SimpleBaseline's pose_resnet: a ResNet, three 4x4 transposed convolutions and a 1x1 head."""
    tensors = trunk(random, blocks, bottleneck, width)
    channels = 8 * width * (4 if bottleneck else 1)
    for i in (0, 3, 6):
        tensors[f"deconv_layers.{i}.weight"] = _normal(random, [channels, deconvs, 4, 4], (4 * channels) ** -0.5)
        tensors.update(_norm(random, f"deconv_layers.{i + 1}", deconvs))
        channels = deconvs
    tensors.update(_conv(random, "final_layer", joints, channels, 1))
    tensors["final_layer.bias"] = _normal(random, [joints], 0.1)
    return tensors


def as_mmpose(tensors, head):
    """The names of MMPose: ``head`` is "keypoint_head" (0.x) or "head" (1.x)."""
    parts = ("deconv_layers", "final_layer")
    return {f"{head if name.startswith(parts) else 'backbone'}.{name}": value for name, value in tensors.items()}


def c5(tensors, images):
    """[B, H, W, 3], normalised -> [B, H / 32, W / 32, C] of a trunk."""
    x = tf.nn.relu(_run_norm(tensors, "bn1", _run_conv(images, tensors["conv1.weight"], 2)))
    x = tf.nn.max_pool2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=-np.inf), 3, 2, "VALID")
    for stage in range(1, 5):
        index = 0
        while f"layer{stage}.{index}.conv1.weight" in tensors:
            x = _run_block(tensors, f"layer{stage}.{index}", x, 2 if stage > 1 and index == 0 else 1)
            index += 1
    return x


def heatmaps(tensors, images):
    """[B, H, W, 3], normalised and in the colour order of training -> [B, H / 4, W / 4, joints]."""
    short = {name.removeprefix("preact."): value for name, value in tensors.items()}
    x = c5(short, images)
    if "duc3.1.weight" in short:
        for name, count in (("duc1", 4), ("duc2", 2), ("duc3", 1)):
            x = pixel_shuffle(x)
            for i in range(count):
                x = _run_conv(x, short[f"{name}.{3 * i + 1}.weight"])
                x = tf.nn.relu(_run_norm(short, f"{name}.{3 * i + 2}", x))
        return _run_conv(x, short["conv_out.weight"]) + short["conv_out.bias"]
    if "duc1.conv.weight" in short:
        x = pixel_shuffle(x)
        for name in ("duc1", "duc2"):
            x = pixel_shuffle(tf.nn.relu(_run_norm(short, f"{name}.bn", _run_conv(x, short[f"{name}.conv.weight"]))))
        return _run_conv(x, short["conv_out.weight"]) + short["conv_out.bias"]
    for i in (0, 3, 6):
        x = transposed(x, short[f"deconv_layers.{i}.weight"])
        x = tf.nn.relu(_run_norm(short, f"deconv_layers.{i + 1}", x))
    return _run_conv(x, short["final_layer.weight"]) + short["final_layer.bias"]


def pixel_shuffle(x):
    """Channel 4 c + 2 dy + dx of cell (y, x) becomes channel c of cell (2 y + dy, 2 x + dx)."""
    batch, height, width, channels = x.shape
    x = tf.reshape(x, [batch, height, width, channels // 4, 2, 2])
    return tf.reshape(tf.transpose(x, [0, 1, 4, 2, 5, 3]), [batch, 2 * height, 2 * width, channels // 4])


def pixel_unshuffle(x):
    """Channel c of cell (2 y + dy, 2 x + dx) becomes channel 4 c + 2 dy + dx of cell (y, x)."""
    batch, height, width, channels = x.shape
    x = tf.reshape(x, [batch, height // 2, 2, width // 2, 2, channels])
    return tf.reshape(tf.transpose(x, [0, 1, 3, 5, 2, 4]), [batch, height // 2, width // 2, 4 * channels])


def transposed(x, kernel):
    """ConvTranspose2d(kernel_size=4, stride=2, padding=1): input cell i adds to outputs 2 i - 1 + k.

    The kernel is [in, out, 4, 4].
    """
    batch, height, width, _ = x.shape
    out = np.zeros([batch, 2 * height + 2, 2 * width + 2, kernel.shape[1]], np.float32)
    for i in range(4):
        for j in range(4):
            out[:, i : i + 2 * height : 2, j : j + 2 * width : 2] += np.asarray(x) @ kernel[:, :, i, j]
    return out[:, 1:-1, 1:-1]


def _run_block(tensors, name, x, stride):
    count = 3 if f"{name}.conv3.weight" in tensors else 2
    y = x
    for i in range(1, count + 1):
        if f"{name}.conv{i}.1.weight" in tensors:
            y = _run_conv(pixel_unshuffle(y), tensors[f"{name}.conv{i}.1.weight"])
        else:
            # v1.5: the stride lies in a bottleneck's 3x3, in a basic block's first.
            y = _run_conv(y, tensors[f"{name}.conv{i}.weight"], stride if i == count - 1 else 1)
        y = _run_norm(tensors, f"{name}.bn{i}", y)
        y = tf.nn.relu(y) if i < count else y
    if f"{name}.se.fc.0.weight" in tensors:
        gates = tf.reduce_mean(y, axis=[1, 2])
        gates = tf.nn.relu(gates @ tensors[f"{name}.se.fc.0.weight"].T + tensors[f"{name}.se.fc.0.bias"])
        gates = tf.sigmoid(gates @ tensors[f"{name}.se.fc.2.weight"].T + tensors[f"{name}.se.fc.2.bias"])
        y *= gates[:, None, None]
    if f"{name}.downsample.0.weight" in tensors:
        x = _run_norm(tensors, f"{name}.downsample.1", _run_conv(x, tensors[f"{name}.downsample.0.weight"], stride))
    return tf.nn.relu(x + y)


def _run_conv(x, kernel, stride=1):
    pad = kernel.shape[2] // 2
    x = tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
    return tf.nn.conv2d(x, np.transpose(kernel, (2, 3, 1, 0)), stride, "VALID")


def _run_norm(tensors, name, x):
    scale = tensors[f"{name}.weight"] / np.sqrt(tensors[f"{name}.running_var"] + 1e-5)
    return (x - tensors[f"{name}.running_mean"]) * scale + tensors[f"{name}.bias"]


def _conv(random, name, out, channels, size):
    return {f"{name}.weight": _normal(random, [out, channels, size, size], (2.0 / (channels * size**2)) ** 0.5)}


def _norm(random, name, channels):
    return {
        f"{name}.weight": random.uniform(0.5, 1.5, channels).astype(np.float32),
        f"{name}.bias": _normal(random, [channels], 0.1),
        f"{name}.running_mean": _normal(random, [channels], 0.1),
        f"{name}.running_var": random.uniform(0.5, 1.5, channels).astype(np.float32),
        f"{name}.num_batches_tracked": np.array(9, np.int64),
    }


def _normal(random, shape, deviation):
    return random.normal(0.0, deviation, shape).astype(np.float32)
