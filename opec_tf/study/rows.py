"""The rows of the table: what each changes in the settings that all share."""

import dataclasses

from opec_tf.common.errors import UserError
from opec_tf.config import ModelConfig

# Name -> (title, fields of ModelConfig and TrainConfig that the row sets). (a) to (e) are those of the paper's Table 6.
# A row that changes nothing, because what it sets is the default in force, is the run of an earlier row.
ROWS: dict = {
    "control": (
        "control: the base fine-tuned with the integral loss alone",
        {"refinement": False, "freeze_base": False, "heatmap_loss_weight": 0.0},
    ),
    "full": ("OPEC-Net", {}),
    "a_no_image_guidance": ("(a) no image guidance", {"image_guided": False}),
    "b_not_progressive": ("(b) not progressive", {"progressive": False}),
    "c_f3_only": ("(c) F3 only", {"multi_scale": False}),
    "d_no_adaption": ("(d) no feature adaption", {"adaption": "none"}),
    "e_no_fusion": ("(e) no fusion blocks", {"adaption": "conv"}),
    "gcn": ("graph convolution: gcn", {"graph_convolution": "gcn"}),
    "semantic": ("graph convolution: semantic", {"graph_convolution": "semantic"}),
    "sample_initial": ("features at the initial pose", {"sample_at": "initial"}),
    "sample_latest": ("features at the latest pose", {"sample_at": "latest"}),
    "absolute": ("absolute poses, no displacements", {"displacement": False}),
    "no_attention": ("no self-attention over joints", {"joint_attention": False}),
    "no_joint_identity": ("no joint identity", {"joint_identity": False}),
    "normalization": ("LayerNormalization in the graph", {"graph_normalization": True}),
    "no_normalization": ("no normalization in the graph", {"graph_normalization": False}),
    "candidates": ("two peak candidates a joint", {"candidates": 2}),
    "gate": ("gate between peak and refined pose", {"gate": True}),
    "end_to_end": ("base trained along", {"freeze_base": False}),
    "heatmap_afresh": ("heatmap of eq. 6 from F^3 alone", {"heatmap_from_base": False}),
    "decoder_maps": ("the decoder's maps alone", {"trunk_maps": False}),
    "l1": ("L1 alone", {"oks_loss_share": 0.0}),
    "as_published": ("the decoder's maps and L1 alone", {"trunk_maps": False, "oks_loss_share": 0.0}),
    "no_body_context": ("no context of the body", {"body_context": False}),
    "couple": ("OPEC-Net, then CoupleGraph", {"stages": ("opec", "couple")}),
    "couple_no_choice": (
        "CoupleGraph without the choice among peaks",
        {"stages": ("opec", "couple"), "couple_candidates": 0},
    ),
    "couple_no_context": (
        "CoupleGraph without the context of both people",
        {"stages": ("opec", "couple"), "couple_context": False},
    ),
}

# Fields of ModelConfig that stage couple alone looks at.
COUPLE_FIELDS = ("couple_candidates", "couple_context")


def check(names):
    """Raises a ``UserError`` at the first name that is no row."""
    for name in names:
        if name not in ROWS:
            raise UserError(f"--rows={name} is not known; choose from all, {', '.join(ROWS)}")


def resolve(name, model_config, train_config):
    """The settings of a row: (``ModelConfig``, ``TrainConfig``), which trains from the shared base.

    Args:
      name: key of ``ROWS``.
      model_config, train_config: the settings that all rows share.

    Raises:
      UserError: the row asks for what a config refuses.
    """
    _, overrides = ROWS[name]
    of_model = {field.name for field in dataclasses.fields(ModelConfig)} & set(overrides)
    of_training = {"stages": ("opec",), **{key: overrides[key] for key in overrides if key not in of_model}}
    try:
        return (
            dataclasses.replace(model_config, **{key: overrides[key] for key in of_model}),
            dataclasses.replace(train_config, **of_training),
        )
    except UserError as error:
        raise UserError(f"--rows={name}: {error}") from error


def available(model_config, train_config):
    """The rows that the settings allow, which all rows share."""
    return [name for name in ROWS if _settings(name, model_config, train_config)]


def runs(names, model_config, train_config):
    """Which run each row is: its own, or that of the first row in ``ROWS`` with the same settings.

    Returns:
      row name -> name of the row whose runs are its own.

    Raises:
      UserError: a name is no row, or its settings are refused.
    """
    check(names)
    settings = {name: resolve(name, model_config, train_config) for name in names}
    return {
        name: next(other for other in ROWS if _settings(other, model_config, train_config) == settings[name])
        for name in names
    }


def _settings(name, model_config, train_config):
    """As ``resolve``; None where a config refuses the row."""
    try:
        return resolve(name, model_config, train_config)
    except UserError:
        return None


def with_shared_stages(name, model_config, train_config):
    """Stages that other rows have in common with a row, by the other row's name."""
    model, training = resolve(name, model_config, train_config)
    shared = {}
    for other in ROWS:
        settings = _settings(other, model_config, train_config)
        if other == name or not settings or dataclasses.replace(settings[1], stages=training.stages) != training:
            continue
        if settings[0] == model:
            shared[other] = settings[1].stages
        elif dataclasses.replace(settings[0], **{field: getattr(model, field) for field in COUPLE_FIELDS}) == model:
            shared[other] = tuple(stage for stage in settings[1].stages if stage != "couple")
    return shared
