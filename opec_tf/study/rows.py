"""The rows of the table: what each changes in the settings that all share."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from opec_tf.common.errors import UserError
from opec_tf.config import ModelConfig, TrainConfig


@dataclasses.dataclass(frozen=True)
class Row:
    """A row.

    Attributes:
      title: what it is called in the table.
      model: the fields of ``ModelConfig`` that it sets.
      training: the fields of ``TrainConfig`` that it sets; without ``stages`` it trains stage opec.
      also: pose -> title, of poses that its runs show beside the last one.
    """

    title: str
    # Any: what a field may be its config checks.
    model: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    also: Mapping[str, str] = dataclasses.field(default_factory=dict)


_COUPLE = {"stages": ("opec", "couple")}

# (a) to (e) are those of the paper's Table 6.
ROWS = {
    "control": Row(
        "control: the base trained on, its own integral pose",
        model={"refinement": False},
        training={"freeze_base": False},
        also={"peak": "control: the base trained on, its peak"},
    ),
    "no_graph": Row("feature adaption and integral, no graph", model={"graph_convolution": "none"}),
    "full": Row("OPEC-Net", also={"initial": "OPEC-Net, the pose that its graph begins with"}),
    "a_no_image_guidance": Row("(a) no image guidance", model={"image_guided": False}),
    "b_not_progressive": Row("(b) not progressive", model={"progressive": False}),
    "c_f3_only": Row("(c) F3 only", model={"multi_scale": False}),
    "d_no_adaption": Row("(d) no feature adaption", model={"adaption": "none"}),
    "e_no_fusion": Row("(e) no fusion blocks", model={"adaption": "conv"}),
    "gcn": Row("graph convolution: gcn", model={"graph_convolution": "gcn"}),
    "no_attention": Row("no self-attention over joints", model={"joint_attention": False}),
    "no_joint_identity": Row("no joint identity", model={"joint_identity": False}),
    "end_to_end": Row("base trained along", training={"freeze_base": False}),
    "decoder_maps": Row("the decoder's maps alone", model={"trunk_maps": False}),
    "l1": Row("L1 alone", training={"oks_loss_share": 0.0}),
    "as_published": Row(
        "the decoder's maps and L1 alone", model={"trunk_maps": False}, training={"oks_loss_share": 0.0}
    ),
    "couple": Row("OPEC-Net, then CoupleGraph", training=_COUPLE),
    "second_look": Row("OPEC-Net, a second look, then CoupleGraph", model={"second_look": True}, training=_COUPLE),
    "couple_no_choice": Row(
        "CoupleGraph without the choice among peaks", model={"couple_candidates": 0}, training=_COUPLE
    ),
}

# What --rows takes for several rows: those that say what each part of the method is worth.
GROUPS: dict[str, tuple[str, ...]] = {"claim": ("control", "no_graph", "full", "couple", "second_look")}

# Fields of ModelConfig that stage couple alone looks at.
COUPLE_FIELDS = ("couple_candidates", "second_look")


def check(names: Iterable[str], model_config: ModelConfig, train_config: TrainConfig) -> None:
    """Finds a row that cannot be asked for.

    Raises:
      UserError: a name is no row, its settings are refused, or it is another row by these settings.
    """
    for name in names:
        if name not in ROWS:
            raise UserError(f"--rows={name} is not known; choose from all, {', '.join([*GROUPS, *ROWS])}")
        settings = resolve(name, model_config, train_config)
        first = next(other for other in ROWS if _settings(other, model_config, train_config) == settings)
        if first != name:
            raise UserError(f"--rows={name} changes nothing: by these settings it is row {first}; ask for that one")


def available(model_config: ModelConfig, train_config: TrainConfig) -> list[str]:
    """The rows that ``check`` lets pass: those that the settings allow and that differ."""
    seen: list[tuple[ModelConfig, TrainConfig] | None] = [None]
    names = []
    for name in ROWS:
        settings = _settings(name, model_config, train_config)
        if settings not in seen:
            seen.append(settings)
            names.append(name)
    return names


def named(texts: Iterable[str], model_config: ModelConfig, train_config: TrainConfig) -> list[str]:
    """The rows that --rows asks for: "all" are those of ``available``, a key of ``GROUPS`` those of the group."""
    names: list[str] = []
    for text in texts:
        names += available(model_config, train_config) if text == "all" else GROUPS.get(text, (text,))
    return list(dict.fromkeys(names))


def resolve(name: str, model_config: ModelConfig, train_config: TrainConfig) -> tuple[ModelConfig, TrainConfig]:
    """The settings of a row, which trains from a base.

    Args:
      name: key of ``ROWS``.
      model_config, train_config: the settings that all rows share.

    Raises:
      UserError: the row asks for what a config refuses.
    """
    row = ROWS[name]
    try:
        return (
            dataclasses.replace(model_config, **row.model),
            dataclasses.replace(train_config, **{"stages": ("opec",), **row.training}),
        )
    except UserError as error:
        raise UserError(f"--rows={name}: {error}") from error


def with_same_opec(name: str) -> list[str]:
    """The other rows whose stage opec is this row's: they differ in what stage couple alone looks at."""
    return [other for other in ROWS if other != name and _of_opec(ROWS[other]) == _of_opec(ROWS[name])]


def _of_opec(row: Row) -> dict[str, Any]:
    """What a row sets for stage opec."""
    left_out = (*COUPLE_FIELDS, "stages")
    return {field: value for field, value in {**row.model, **row.training}.items() if field not in left_out}


def _settings(
    name: str, model_config: ModelConfig, train_config: TrainConfig
) -> tuple[ModelConfig, TrainConfig] | None:
    """As ``resolve``; None where a config refuses the row."""
    try:
        return resolve(name, model_config, train_config)
    except UserError:
        return None
