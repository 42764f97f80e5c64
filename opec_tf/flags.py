"""absl flags made from the config dataclasses: one flag a field, with the field's default, type and help."""

import dataclasses

from absl import flags


FLAGS = flags.FLAGS


def define(*config_classes):
    """Defines a flag for every field of the dataclasses. Called by a command-line tool at import."""
    for config_class in config_classes:
        for field in dataclasses.fields(config_class):
            help_text, choices, default = field.metadata["help"], field.metadata["choices"], field.default
            if choices:
                flags.DEFINE_enum(field.name, default, choices, help_text)
            elif isinstance(default, bool):
                flags.DEFINE_bool(field.name, default, help_text)
            elif isinstance(default, int):
                flags.DEFINE_integer(field.name, default, help_text)
            elif isinstance(default, float):
                flags.DEFINE_float(field.name, default, help_text)
            elif isinstance(default, tuple):
                flags.DEFINE_list(field.name, list(map(str, default)), help_text)
            else:
                flags.DEFINE_string(field.name, default, help_text)


def read(config_class):
    """The dataclass with the values of the parsed flags."""
    values = {}
    for field in dataclasses.fields(config_class):
        value = FLAGS[field.name].value
        if isinstance(field.default, tuple):
            # A tuple's elements have the type of its default's: ints, floats, or else text.
            element = type(field.default[0]) if field.default else str
            value = tuple(element(item) for item in value)
        values[field.name] = value
    return config_class(**values)


def given(config_class):
    """Names of the config's fields that the command line or a flagfile set."""
    return [field.name for field in dataclasses.fields(config_class) if FLAGS[field.name].present]
