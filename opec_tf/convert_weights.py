"""Converts public weights to a workdir to train, evaluate and predict from; neither PyTorch nor a network is needed.

python -m opec_tf.convert_weights --checkpoint=duc_se.pth --output=runs/duc_se

Reads PyTorch checkpoints (zip and older), .safetensors, Keras .h5 and TensorFlow.js graph models (the .json, its shards
beside it), and tells by names and shapes what they are:

* torchvision's resnet18 to resnet152: the trunk; the rest is random;
* AlphaPose's duc_se.pth, FastPose (fast_res50, fast_res152) and FastPose_DUC (fast_421_res152,
  fast_421_res50-shuffle), not those with deformable convolutions: base with heatmap head, joints by name;
* pose_resnet_50 to 152 of SimpleBaseline and MMPose, COCO, CrowdPose or MPII: the same;
* keras.applications' ResNet50 to 152: the trunk, exactly, with --stride_in_1x1 placing its strides as they have them;
* MoveNet Thunder and Lightning: the whole base, for people chosen by their boxes; --new_joints for head and neck.

A --checkpoint that is a workdir becomes a small one: its last stage in half precision, and its graph, with which
prediction begins sooner.

OUTPUT/base/best.weights.h5 is for --base_weights of train, evaluate and predict; OUTPUT/model.flags has the settings
that belong to it. No shape shows colours, strides and the half-pixel offset, so they are taken as published;
--normalization, --stride_in_1x1 (the "caffe" variants) and --crop_offset (1.5 as published, 0 for a network trained
with half-pixel centres) say otherwise.
"""

from __future__ import annotations

import os

from absl import flags as absl_flags

from opec_tf.common import cli, flags, lazy
from opec_tf.config import ModelConfig

# What starts TensorFlow waits until main() uses it: --help and wrong usage are answered at once.
with lazy.imports():
    from opec_tf.inference import pose_model, traced
    from opec_tf.models import workdir
    from opec_tf.weights import conversion

flags.define(ModelConfig)
absl_flags.DEFINE_string("checkpoint", None, "the file to convert, or a workdir", required=True)
absl_flags.DEFINE_string("output", None, "the workdir to write; must not exist", required=True)
absl_flags.DEFINE_bool("trunk_only", False, "take the ResNet and leave the checkpoint's decoder and head")
absl_flags.DEFINE_bool(
    "new_joints", False, "joints of --skeleton that the checkpoint has not keep random rows of the head; else an error"
)

# What --help shows first.
_FIRST = (
    "checkpoint",
    "output",
    "trunk_only",
    "new_joints",
    "skeleton",
    "normalization",
    "stride_in_1x1",
    "crop_offset",
    "crop_height",
    "crop_width",
)


def main() -> None:
    options = flags.FLAGS
    if os.path.isdir(options.checkpoint):
        conversion.shrink(options.checkpoint, options.output)
        model = pose_model.load(options.output)
        folder = workdir.stage_folder(options.output, model.stage)
        traced.write(model.network, model.model_config, folder)
        print(f"written: {options.output}, half precision")
        return
    report, source, model_config = conversion.convert(
        options.checkpoint,
        options.output,
        flags.read(ModelConfig),
        flags.given(ModelConfig),
        trunk_only=options.trunk_only,
        new_joints=options.new_joints,
    )
    print(conversion.table(report, source))
    print(
        f"taken as published: --normalization={model_config.normalization} --crop_offset={model_config.crop_offset} "
        f"--stride_in_1x1={model_config.stride_in_1x1}"
    )
    print(
        f"written: {options.output}; train with the recipe's flagfile, then --flagfile={options.output}/"
        f"{conversion.FLAGS_FILE} --base_weights={options.output}/base/best.weights.h5"
    )
    if source.joints:
        print(f"as it is, evaluate and predict take it by --workdir={options.output}")


if __name__ == "__main__":
    cli.run(main, __doc__, first=_FIRST)
