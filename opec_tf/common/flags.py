"""absl flags made from the config dataclasses: one flag a field, with the field's default, type and help.

``help_text`` lists them by what they are for.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from absl import flags

from opec_tf.common.settings import RESEARCH, Checked, split

FLAGS = flags.FLAGS
_Config = TypeVar("_Config", bound=Checked)
# The order of the groups in --help; those without a place come before the last.
_ORDER = ("data", "model", "training", "running and scoring", "detector", "tracking")
# absl takes it everywhere and lists it nowhere.
_FLAGFILE = "  --flagfile: a file of flags, such as those in configs/; of two flags the later wins"
# Name of a config's flag -> its group.
_groups: dict[str, str] = {}


def define(*config_classes: type[Checked]) -> None:
    """Defines a flag for every field of the dataclasses. Called by a command-line tool at import.

    Several tools can be imported into one process: a flag that is there already stays as it is, since a field belongs
    to one dataclass.
    """
    tool = _calling_tool()
    for config_class in config_classes:
        for field in _fields(config_class):
            if field.name not in FLAGS:
                _define_one(field)
            _groups[field.name] = field.metadata["group"] or config_class.GROUP
            # --help lists the flags that belong to the tool's own module, and these are defined in this one.
            FLAGS.register_key_flag_for_module(tool, FLAGS[field.name])


def define_texts(name: str, help_text: str) -> None:
    """Defines a flag of no config: texts separated by commas, such as a config's fields have them; none by default."""
    flags.DEFINE(_ListParser(str), name, [], help_text, serializer=flags.ListSerializer(","))
    FLAGS.register_key_flag_for_module(_calling_tool(), FLAGS[name])


def help_text(first: Iterable[str] = ()) -> str:
    """The running tool's flags: those that one needs, then the groups, each in the order of the alphabet.

    Args:
      first: names of the flags that one needs; by default the tool's own, which are of no config.
    """
    names = [flag.name for flag in FLAGS.get_key_flags_for_module(sys.argv[0])]
    first = list(first) or [name for name in names if name not in _groups]
    order = ["more of this command", *_ORDER, *sorted(set(_groups.values()) - {*_ORDER, RESEARCH}), RESEARCH]
    grouped: dict[str, list[str]] = {group: [] for group in order}
    for name in names:
        if name not in first:
            grouped[_groups.get(name, order[0])].append(name)
    sections = ["\n".join(map(_help_of, first))]
    sections += [
        f"{group}:\n" + "\n".join(map(_help_of, sorted(members))) for group, members in grouped.items() if members
    ]
    return "\n\n".join(section for section in sections if section)


def _help_of(name: str) -> str:
    """What absl says of one flag."""
    if name == "flagfile":
        return _FLAGFILE
    alone = flags.FlagValues()
    alone[name] = FLAGS[name]
    return alone.get_help("  ", include_special_flags=False)


def read(config_class: type[_Config]) -> _Config:
    """The dataclass with the values of the parsed flags.

    Raises:
      UserError: a value is out of its bounds.
    """
    values = {}
    for field in _fields(config_class):
        value = FLAGS[field.name].value
        values[field.name] = tuple(value) if isinstance(value, list) else value
    return config_class(**values)


def given(config_class: type[Checked]) -> list[str]:
    """Names of the config's fields that the command line or a flagfile set."""
    return [field.name for field in _fields(config_class) if FLAGS[field.name].present]


def if_given(name: str) -> Any:
    """The value of a flag that the command line or a flagfile set; None where neither did."""
    return FLAGS[name].value if FLAGS[name].present else None


def _calling_tool() -> str:
    """What absl calls the tool whose module calls a function of this one."""
    tool = sys._getframe(2).f_globals["__name__"]
    return sys.argv[0] if tool == "__main__" else tool  # absl's name for the main module


def _fields(config_class: type[Checked]) -> list[dataclasses.Field]:
    """The fields that are flags."""
    return [field for field in dataclasses.fields(config_class) if field.metadata["is_flag"]]


class _ListParser(flags.ListParser):
    """Comma-separated values of one type; a value of another type is wrong usage, as it is for a single number.

    A comma between double quotes is a text's own (``settings.split``).
    """

    def __init__(self, element: Callable[[str], object]) -> None:
        super().__init__()
        self._element = element

    def parse(self, argument: str | list[str]) -> list[Any]:
        items = [item.strip() for item in split(argument, ",")] if argument and isinstance(argument, str) else argument
        try:
            return [self._element(item) for item in items]
        except ValueError as error:
            raise ValueError(f"should be {self._element.__name__} values separated by commas") from error


def _define_one(field: dataclasses.Field[Any]) -> None:
    help_text, choices, default = field.metadata["help"], field.metadata["choices"], cast(Any, field.default)
    if isinstance(default, tuple):
        # A tuple's elements have the type of its default's: ints, floats, or else text.
        parser = _ListParser(type(default[0]) if default else str)
        flags.DEFINE(parser, field.name, list(default), help_text, serializer=flags.ListSerializer(","))
    elif choices:
        flags.DEFINE_enum(field.name, default, choices, help_text)
    elif isinstance(default, bool):
        flags.DEFINE_bool(field.name, default, help_text)
    elif isinstance(default, int):
        flags.DEFINE_integer(field.name, default, help_text)
    elif isinstance(default, float):
        flags.DEFINE_float(field.name, default, help_text)
    else:
        flags.DEFINE_string(field.name, default, help_text)
