"""What every config is made of: fields with their help and bounds, checked when the dataclass is made."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from opec_tf.common.errors import UserError

Config = TypeVar("Config", bound="Checked")
# The group of what only studies change.
RESEARCH = "research switches"


def setting(
    default: Any,
    help_text: str,
    choices: Sequence[str] | None = None,
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    before: object = None,
    is_flag: bool = True,
    group: str | None = None,
) -> Any:
    """A field with its help, and what its value, or each element of a tuple, may be.

    ``before`` is the value that files written before the field existed stand for, where that is not the default. A
    field without ``is_flag`` follows from other settings and is kept in files only. ``group`` is that of --help, where
    it is not the config's.
    """
    metadata = {
        "help": help_text,
        "choices": choices,
        "above": above,
        "at_least": at_least,
        "at_most": at_most,
        "before": default if before is None else before,
        "is_flag": is_flag,
        "group": group,
    }
    return dataclasses.field(default=default, metadata=metadata)


def switch(default: Any, help_text: str, choices: Sequence[str] | None = None, **allowed: Any) -> Any:
    """A ``setting`` that only studies change, which --help lists last."""
    return setting(default, help_text, choices, group=RESEARCH, **allowed)


@dataclasses.dataclass(frozen=True)
class Checked:
    """Checks every field against the choices and bounds of its ``setting``.

    Attributes:
      RETIRED: fields that files written before may have -> the only value that still means something.
      GROUP: heading of its flags in --help, which a subclass gives as ``group``.
    """

    RETIRED: ClassVar[dict] = {}
    GROUP: ClassVar[str] = "settings"

    def __init_subclass__(cls, group: str | None = None) -> None:
        super().__init_subclass__()
        if group is not None:
            cls.GROUP = group

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            for item in value if isinstance(value, tuple) else (value,):
                fault = _fault(item, field.metadata)
                if fault:
                    raise UserError(f"--{field.name}={as_flag(value)} {fault}")


def _fault(value: Any, allowed: Mapping[str, Any]) -> str | None:
    """What is wrong with one value, as the end of a sentence; None where nothing is."""
    if allowed["choices"] is not None and value not in allowed["choices"]:
        return f"is not known; choose from {', '.join(allowed['choices'])}"
    if isinstance(value, float) and not math.isfinite(value):
        return "is not a finite number"
    if allowed["above"] is not None and value <= allowed["above"]:
        return f"must be above {allowed['above']}"
    if allowed["at_least"] is not None and value < allowed["at_least"]:
        return f"must be {allowed['at_least']} or more"
    if allowed["at_most"] is not None and value > allowed["at_most"]:
        return f"must be {allowed['at_most']} or less"
    return None


def check_length(name: str, values: Sequence[float], length: int) -> None:
    """Raises a ``UserError`` unless the values of a field have a length."""
    if len(values) != length:
        raise UserError(f"--{name}={as_flag(values)} must be {length} numbers separated by commas")


def as_flag(value: object) -> str:
    """The value as it is written on the command line."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def split(text: str, separator: str) -> list[str]:
    """The parts of a text between separators; between double quotes, which stay, a separator is none."""
    if text.count('"') % 2:
        return text.split(separator)
    parts = [""]
    for number, piece in enumerate(text.split('"')):
        if number % 2:
            parts[-1] += f'"{piece}"'
        else:
            first, *others = piece.split(separator)
            parts[-1] += first
            parts += others
    return parts


def to_json(*configs: Checked) -> str:
    """The configs as one flat JSON object (field name -> value), two-space indented."""
    merged = {}
    for config in configs:
        merged.update(dataclasses.asdict(config))
    return json.dumps(merged, indent=2) + "\n"


def from_mapping(config_class: type[Config], mapping: Mapping[str, object]) -> Config:
    """Makes a config from the fields of a flat mapping, as ``to_json`` wrote it once, that belong to it.

    Lists become tuples; a missing field gets the value that it had, unnamed, before it existed.

    Raises:
      UserError: a value is out of its bounds, or a setting that is gone was on.
    """
    for name, value in config_class.RETIRED.items():
        if mapping.get(name, value) != value:
            raise UserError(
                f"{name}={mapping[name]}: this setting is gone, only {name}={value} remains; use the version of "
                "opec_tf that wrote it, or train anew"
            )
    fields = dataclasses.fields(config_class)
    values = {field.name: mapping.get(field.name, field.metadata["before"]) for field in fields}
    return config_class(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})
