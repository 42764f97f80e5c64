"""Everything that can be set, as frozen dataclasses: typed, documented, with units.

``flags.py`` makes each field a flag of the same name, so no two dataclasses share one. Values are checked when the
dataclass is made; ``to_json`` and ``from_mapping`` write and read them.
"""

from __future__ import annotations

import dataclasses

from opec_tf.common import settings
from opec_tf.common.errors import UserError
from opec_tf.common.settings import Checked, as_flag, check_length, setting, switch
from opec_tf.poses import skeletons

STAGES = ("base", "opec", "couple")
MOVENETS = ("movenet_thunder", "movenet_lightning")
to_json, from_mapping = settings.to_json, settings.from_mapping


@dataclasses.dataclass(frozen=True)
class BaseConfig(Checked, group="model"):
    """The base module and the crops that it is given. The defaults are AlphaPose+ (paper 5.1)."""

    skeleton: str = setting("body12", "joint set the model predicts", tuple(skeletons.SKELETONS))
    crop_height: int = setting(320, "height of the person crop, pixels; a multiple of 32", above=0)
    crop_width: int = setting(256, "width of the person crop, pixels; a multiple of 32", above=0)
    trunk: str = setting(
        "resnet101",
        "backbone; resnet10 is for first tries; MoveNet brings its own decoder and input scaling",
        ("resnet10", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", *MOVENETS),
    )
    trunk_width: int = setting(64, "channels of the trunk's stem; 64 as published, less is slimmer", above=0)
    stride_in_1x1: bool = setting(False, "bottlenecks halve in their first 1x1 convolution (Caffe, keras.applications)")
    unshuffle: bool = setting(False, "bottlenecks halve by pixel unshuffle (AlphaPose's fast_421_res50-shuffle)")
    normalization: str = setting(
        "imagenet",
        "scaling of the trunk's input: imagenet (torchvision), imagenet_bgr (SimpleBaseline's release), alphapose or "
        "caffe (keras.applications); weights that were trained with one need it",
        ("imagenet", "imagenet_bgr", "alphapose", "caffe"),
    )
    crop_offset: float = setting(
        0.0, "crops are moved by so many pixels, n / 2, for a base whose heatmap cell i is crop pixel 4 i (1.5)"
    )
    squeeze_excite: bool = setting(True, "squeeze-and-excitation in the trunk's residual blocks (AlphaPose+)")
    decoder: str = setting(
        "duc",
        "duc: pixel shuffle and two DUCs (AlphaPose+); duc421: three pixel shuffles and after them 4, 2 and 1 "
        "convolutions (AlphaPose's FastPose_DUC); deconv: three deconvolutions (SimplePose)",
        ("duc", "duc421", "deconv"),
    )
    deconv_channels: int = setting(256, "channels of each deconvolution of the deconv decoder", above=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("crop_height", "crop_width"):
            if getattr(self, name) % 32:
                raise UserError(f"--{name}={getattr(self, name)} must be a multiple of 32")
        if self.stride_in_1x1 and self.unshuffle:
            raise UserError("--stride_in_1x1 and --unshuffle both say where bottlenecks halve; leave one out")
        if 2 * self.crop_offset % 1:
            raise UserError(f"--crop_offset={self.crop_offset} must be a multiple of 0.5")

    @property
    def crop_size(self) -> tuple[int, int]:
        """(height, width) of a crop, pixels."""
        return self.crop_height, self.crop_width

    @property
    def regresses_pose(self) -> bool:
        """Whether the base tells its person from others by a regressed pose; its body can then be kept, too."""
        return self.trunk in MOVENETS


@dataclasses.dataclass(frozen=True)
class GraphConfig(Checked, group="model"):
    """What the graphs of OPEC-Net and of the CoupleGraph have in common (supplement 2 and 3)."""

    graph_channels: int = setting(128, "channels of the first two graph convolutions", above=0)
    block_channels: int = setting(256, "channels of the ResGCN attention blocks", above=0)
    graph_convolution: str = switch(
        "semantic",
        "semantic: learned edge weights, as the release; gcn: Spektral's GCNConv; none: no graph behind the integral",
        ("gcn", "semantic", "none"),
    )
    joint_attention: bool = switch(True, "self-attention over the joints at the end of each ResGCN block")
    joint_identity: bool = switch(True, "each graph node is told which joint it is")


@dataclasses.dataclass(frozen=True)
class ModelConfig(GraphConfig, BaseConfig):
    """The networks (paper section 3; supplement 2 to 4). The defaults are the paper's CrowdPose model."""

    # Settings that are gone, and the value of each that the networks now always have.
    RETIRED = {
        "body_context": False,
        "candidates": 0,
        "couple_context": False,
        "displacement": True,
        "gate": False,
        "graph_normalization": False,
        "heatmap_from_base": True,
        "initial_pose_noise": 0,
        "sample_at": "latest",
    }

    adaption_channels: tuple[int, ...] = setting(
        (256, 128, 128), "channels of the adapted maps F^1, F^2, F^3 (coarse to fine)", above=0
    )
    image_guided: bool = switch(True, "image features as node features; off is row (a) of the paper's Table 6")
    progressive: bool = switch(True, "coarse to fine, one map a block; off (row b): every block samples all maps")
    multi_scale: bool = switch(True, "blocks sample F^1, F^2, F^3; off (row c): every block samples F^3")
    adaption: str = switch(
        "fusion",
        "cascaded feature adaption; conv (row e): no fusion blocks; none (row d): F1, F2, F3 as they are",
        ("fusion", "conv", "none"),
    )
    trunk_maps: bool = switch(
        False, "the adaption gets the trunk's C4, C3, C2, too, which have not passed C5 (not in the paper)"
    )
    refinement: bool = switch(
        True, "off: neither feature adaption nor graph, the integral of the base's own heatmaps is the last pose"
    )
    integral_radius: int = switch(
        0, "heatmap cells about the highest that are integrated over; the heatmap has a loss then; 0: all", at_least=0
    )
    initial_pose: str = setting(
        "integral",
        "pose that the graph refines: integral: by integral regression; given: another system's (--train_boxes), or "
        "with --train_boxes=gt the annotated one with such errors as other systems make",
        ("integral", "given"),
    )
    couple_candidates: int = switch(
        4, "peaks that two people choose among, beside the graph's joint; 0: none", at_least=0, at_most=5, before=0
    )
    couple_smoothing: float = setting(
        2.0, "the --peak_smoothing that a run began with: how these peaks are found", at_least=0, is_flag=False
    )
    second_look: bool = setting(
        False,
        "stage couple begins with a second look: OPEC-Net again, told where it found the partner (not in the paper)",
    )
    predict_visibility: bool = switch(
        True, "with refinement: says of each joint whether it is visible, occluded or outside", before=False
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.initial_pose == "given" and not self.has_graph:
            raise UserError("--initial_pose=given is refined by OPEC-Net's graph, which these settings leave out")
        check_length("adaption_channels", self.adaption_channels, 3)

    @property
    def has_graph(self) -> bool:
        """Whether a graph refines the initial pose, which else is the last."""
        return self.refinement and self.graph_convolution != "none"


@dataclasses.dataclass(frozen=True)
class DataConfig(Checked, group="data"):
    """Where the data lies and how people are cut out of it.

    A data set is written FORMAT:ANNOTATIONS:IMAGES, for example
    ``crowdpose:crowdpose/json/crowdpose_train.json:crowdpose/images``; formats are coco, crowdpose, ochuman, ocpose
    and mpii. Several are separated by commas; their joints are mapped to the model's skeleton by name.
    """

    data_root: str = setting("data", "folder that relative paths of data sets start from")
    train_data: tuple[str, ...] = setting((), "data sets to train on: FORMAT:ANNOTATIONS:IMAGES,... (docs/data.md)")
    val_data: tuple[str, ...] = setting((), "data sets that choose the best checkpoint: FORMAT:ANNOTATIONS:IMAGES,...")
    test_data: tuple[str, ...] = setting((), "data sets that are only reported: FORMAT:ANNOTATIONS:IMAGES,...")
    train_boxes: str = setting(
        "gt",
        "gt: ground-truth boxes, jittered; or a COCO results JSON of poses whose boxes are the training proposals, as "
        "they are; a relative path starts from --data_root",
    )
    val_boxes: str = setting(
        "gt",
        "gt: ground-truth boxes; or a COCO results JSON over --val_data, under --data_root, whose people, their boxes "
        "and with --initial_pose=given their poses, choose the best checkpoint",
    )
    box_margin: float = setting(1.25, "side of a crop over that of its person's box, padded to its aspect", above=0)
    min_visible_joints: int = setting(6, "a training proposal needs so many visible joints (5.1: above 5)", at_least=0)
    min_proposal_oks: float = setting(0.3, "a training proposal needs a larger OKS (5.1)", at_least=0, at_most=1)
    min_labelled_joints: int = setting(1, "people with fewer labelled joints are not trained on", at_least=0)
    flip_probability: float = setting(0.5, "probability of mirroring a training crop (5.1)", at_least=0, at_most=1)
    box_jitter: float = setting(
        0.05, "standard deviation of a ground-truth box's shift, in its sides, and of the log of its size", at_least=0
    )
    cut_boxes: float = setting(0.0, "share of ground-truth boxes that lose a part at one side", at_least=0, at_most=1)
    scale_jitter: float = setting(0.0, "training crops are scaled by exp(uniform(-s, s))", at_least=0)
    rotation_degrees: float = setting(0.0, "training crops are turned by uniform(-r, r) degrees", at_least=0)
    color_jitter: float = setting(
        0.0, "strength of brightness, contrast, saturation and hue changes of training crops", at_least=0, at_most=1
    )
    strict: bool = setting(False, "stop at the first unreadable image instead of skipping it with a counted warning")


@dataclasses.dataclass(frozen=True)
class TrainConfig(Checked, group="training"):
    """The training recipe. The defaults are the paper's (section 5.1)."""

    stages: tuple[str, ...] = setting(
        STAGES[:2], "stages to run, in order; finished ones are skipped; couple needs people who overlap", STAGES
    )
    batch_size: int = setting(10, "crops in a global batch; stage couple: two a pair", above=0)
    base_epochs: int = setting(30, "epochs of stage base", above=0)
    opec_epochs: int = setting(30, "epochs of stage opec", above=0)
    couple_epochs: int = setting(30, "epochs of stage couple", above=0)
    kept_passes: int = setting(
        0,
        "MoveNet's body stays as it is, and all stages learn from what it makes of so many passes through the data, "
        "each of other crops, which is kept under WORKDIR/kept; 0: they learn from pictures",
        at_least=0,
    )
    steps_per_epoch: int = setting(0, "steps in an epoch; 0: once through the data", at_least=0)
    learning_rate: float = setting(1e-3, "Adam's rate at the start; it follows a cosine to 0 over the stage", above=0)
    warmup_steps: int = setting(0, "steps over which the rate rises linearly from 0 before the cosine", at_least=0)
    gradient_clip_norm: float = setting(0.0, "gradients are clipped to this global norm; 0: not clipped", at_least=0)
    weight_decay: float = setting(0.0, "decoupled weight decay (AdamW) of kernels; 0: plain Adam", at_least=0)
    freeze_base: bool = setting(False, "the stages after base leave its weights and BatchNorm statistics as they are")
    freeze_opec: bool = setting(True, "stage couple leaves OPEC-Net, base included, as it is")
    base_rate_factor: float = setting(1.0, "the later stages train the base at this multiple of the rate", at_least=0)
    pose_loss_weights: tuple[float, ...] = switch((0.3, 0.5, 1.0), "lambda_1, lambda_2, lambda_3 of eq. 3", at_least=0)
    oks_loss_share: float = switch(
        0.0, "share a of 1 - OKS in the pose losses (1 - a) L1 + a (1 - OKS); 0: eq. 3 as it is", at_least=0, at_most=1
    )
    heatmap_loss_weight: float = switch(1.0, "weight of the base's heatmap loss beside eq. 3, stage opec", at_least=0)
    heatmap_sigma: float = setting(2.0, "standard deviation of the Gaussian target, heatmap cells", above=0)
    interference_weight: float = switch(
        0.0,
        "mu of the joint-candidate loss: the base's heatmap target is T + mu C, C others' joints (AlphaPose+: 0.5)",
        at_least=0,
    )
    precision: str = setting(
        "float32",
        "Keras mixed precision policy; auto: the fastest that the GPU or processor has units for",
        ("float32", "mixed_float16", "mixed_bfloat16", "auto"),
    )
    jit_compile: str = setting("auto", "XLA for the training step; auto: on a single GPU", ("auto", "on", "off"))
    strategy: str = setting("one", "tf.distribute's; multi_worker reads TF_CONFIG", ("one", "mirrored", "multi_worker"))
    seed: int = setting(0, "seed of initial weights, data order and augmentation", at_least=0)
    base_weights: str = setting("", "weights file (.weights.h5) that stage base, or opec without it, starts from")
    start_from: str = setting("", "trained run whose network all stages start from; package: the package's own model")
    validation_people: int = setting(0, "people of the validation split scored after each epoch; 0: all", at_least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        in_order = tuple(stage for stage in STAGES if stage in self.stages)
        if self.stages != in_order or not in_order:
            given, known = as_flag(self.stages), as_flag(STAGES)
            raise UserError(f"--stages={given} must be one or more of {known}, in that order")
        if "couple" in self.stages and self.batch_size % 2:
            raise UserError(f"--batch_size={self.batch_size} must be even, since stage couple trains on pairs")
        check_length("pose_loss_weights", self.pose_loss_weights, 3)


@dataclasses.dataclass(frozen=True)
class InferenceConfig(Checked, group="running and scoring"):
    """How a trained model is run and scored."""

    protocol: str = setting("crowdpose12", "scoring rules", ("coco", "crowdpose", "crowdpose12", "ochuman", "ocpose"))
    flip_test: bool = setting(False, "average the heatmaps and poses with those of the mirrored crop")
    peak_refinement: str = setting("dark", "sub-pixel rule for the base's heatmap peaks", ("none", "quarter", "dark"))
    peak_smoothing: float = setting(
        2.0, "standard deviation of the Gaussian that smooths heatmaps for --peak_refinement=dark, cells", at_least=0
    )
    inference_batch_size: int = setting(32, "crops in a batch", above=0)
    pose_nms: str = setting(
        "oks",
        "which detected people of an image are one: oks: by --nms_oks; parametric: by RMPE's pose distance, and their "
        "poses are merged; detected boxes only",
        ("oks", "parametric"),
    )
    nms_oks: float = setting(
        0.9, "of two detected people of an image whose OKS exceeds this the weaker is dropped", above=0, at_most=1
    )
    association: bool = switch(
        False, "also assign the base's joint candidates to all people of an image at once (AlphaPose+)"
    )


@dataclasses.dataclass(frozen=True)
class DetectorConfig(Checked, group="detector"):
    """How people are found in pictures for which nobody gives boxes."""

    detector_score: float = setting(
        0.3, "a detector's boxes of a lower score are left out; Darknet's give none below 0.2", at_least=0, at_most=1
    )
    detector_nms_iou: float = setting(0.6, "of two boxes of a larger IoU the weaker is left out", at_least=0, at_most=1)
    person_class: int = setting(0, "which of the classes of a detector's network is a person; COCO's: 0", at_least=0)


@dataclasses.dataclass(frozen=True)
class TrackingConfig(Checked, group="tracking"):
    """Who is who from frame to frame."""

    track: str = setting("auto", "people keep an id from frame to frame; auto: in a video", ("auto", "on", "off"))
    smooth: str = setting("none", "filter over time of tracked people's joints", ("none", "one_euro"))
