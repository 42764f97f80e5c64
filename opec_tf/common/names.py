"""Names and numbers as files write them: a person's class, whatever it is called; numbers that stand as text."""

from __future__ import annotations

# What a class of people is called, as ``plain`` has it.
PERSON = "person"
_PEOPLE = (PERSON, "persons", "people", "human", "humans", "pedestrian", "pedestrians")
_MOST_DIGITS = 18  # surely within 64 bits


def plain(name: str) -> str:
    """A name without case, hyphens, underscores and blanks, which files write as they like."""
    return "".join(character for character in name.casefold() if character not in "-_" and not character.isspace())


def is_person(name: object) -> bool:
    """Whether a class of this name is the one that COCO calls person."""
    return isinstance(name, str) and plain(name) == PERSON


def is_people(name: object) -> bool:
    """Whether a class of this name is one of people, by any usual word."""
    return isinstance(name, str) and plain(name) in _PEOPLE


def number(value: object) -> object:
    """The number that a text of digits stands for; anything else as it is."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _MOST_DIGITS:
        return int(value)
    return value
