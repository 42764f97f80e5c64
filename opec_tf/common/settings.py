"""What every config is made of: fields with their help and bounds, checked when the dataclass is made."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from opec_tf.common.errors import UserError


def setting(
    default: Any,
    help_text: str,
    choices: Sequence[str] | None = None,
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    before: object = None,
) -> Any:
    """A field with its help, and what its value, or each element of a tuple, may be.

    ``before`` is the value that files written before the field existed stand for, where that is not the default.
    """
    metadata = {
        "help": help_text,
        "choices": choices,
        "above": above,
        "at_least": at_least,
        "at_most": at_most,
        "before": default if before is None else before,
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Checked:
    """Checks every field against the choices and bounds of its ``setting``."""

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
