"""Columns of a JSON list of objects, as arrays: checked as a whole; a fault names the file, record and field."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from opec_tf.common import names
from opec_tf.common.errors import UserError

_LONGEST = 100  # text of a file that messages repeat
# Where records say of what class they are, by number or name; the first that is there counts.
_CLASS_FIELDS = ("category_id", "category_name", "category", "class_name", "class_id", "class", "label")


class Records:
    """The objects of one list in a JSON file.

    The checks run on whole columns; only when one fails are the records gone through to name the one at fault.

    Args:
      path: the file, for messages.
      kind: what one record is, for messages: "image", "annotation", "prediction".
      items: the list, as it was parsed.
      id_field: field that names a record in messages, by its number or by the image it is in; without it records are
        counted from 1.
      positions: the records' places in the file's list, from 0, by which they are counted; None: they are all of it.

    Raises:
      UserError: ``items`` is not a list of JSON objects, or is empty.
    """

    def __init__(
        self,
        path: os.PathLike[str] | str,
        kind: str,
        items: Any,
        id_field: str | None = None,
        positions: Sequence[int] | None = None,
    ) -> None:
        self.path, self.kind, self.id_field = path, kind, id_field
        self.items: list[dict[str, Any]] = items
        if not isinstance(items, list):
            raise UserError(
                f"{path}: has {_describe(items)} where a list of {kind} objects belongs; check the file's format"
            )
        if not items:
            raise UserError(f"{path}: its list of {kind} objects is empty; check that it is the right file")
        self.positions = range(len(items)) if positions is None else positions
        if set(map(type, items)) != {dict}:
            index = next(i for i, item in enumerate(items) if not isinstance(item, dict))
            self.fail(index, f"is {_describe(items[index])}, expected an object")

    def __len__(self) -> int:
        return len(self.items)

    def name(self, index: int) -> str:
        """What a record is called in messages: ``KIND ID``."""
        item = self.items[index]
        name = item.get(self.id_field) if self.id_field and isinstance(item, dict) else None
        if name is None:
            return f"{self.kind} number {self.positions[index] + 1}"
        is_image = isinstance(name, str) and self.id_field != "id"
        return f"{self.kind} {'in ' * is_image}{_shortened(str(name))}"

    def fail(self, index: int, fault: str, remedy: str = "correct or remove it") -> NoReturn:
        """Raises the ``UserError`` of one record: ``FILE: KIND ID: FAULT; REMEDY``."""
        raise UserError(f"{self.path}: {self.name(index)}: {fault}; {remedy}")

    def with_items(self, items: list[dict[str, Any]]) -> Records:
        """The same records with other content."""
        return Records(self.path, self.kind, items, self.id_field, self.positions)

    def rows(self, rows: Sequence[int] | np.ndarray) -> Records:
        """Some of the records, at least one."""
        items, positions = [self.items[row] for row in rows], [self.positions[row] for row in rows]
        return Records(self.path, self.kind, items, self.id_field, positions)

    def people(self, category: int | None = None) -> Records:
        """The records of people, those that are of no class among them; a warning counts the others.

        A class is a ``category_id`` or, where that is null or absent, what another usual field says; a class's name is
        known for people's by any usual word.

        Args:
          category: the ``category_id`` of people; None: 1, as COCO has it, or 0 where all records are poses and have 0.

        Raises:
          UserError: there are none, or those of ``category_id`` 0 may be meant, as in files that count from 0.
        """
        classes = [_class_of(item) for item in self.items]
        other = np.array([isinstance(value, str) and not names.is_people(value) for value in classes])
        numbers = self.with_items([{"category_id": None if isinstance(value, str) else value} for value in classes])
        present, found = numbers.has("category_id"), numbers.integers("category_id", default=1)
        wanted, is_zero = 1 if category is None else category, present & (found == 0)
        if category is None and is_zero.all() and self.has("keypoints").all():
            wanted = 0
            logging.getLogger(__name__).warning(
                "%s: all %d poses have the 'category_id' 0, which is taken for a person", self.path, len(self)
            )
        mine = ~other & (~present | (found == wanted))
        counts = f"{np.sum(~mine)} of {len(self)} {self.kind}{'es' if self.kind.endswith('x') else 's'}"
        if category is None and wanted == 1 and is_zero.sum() >= max(mine.sum(), 1):
            raise UserError(
                f"{self.path}: 'category_id' is 0 in {is_zero.sum()} of {len(self)} {self.kind} records and 1 in "
                f"{mine.sum()}; is 0 a person, as where classes count from 0? then give --person_class=0 (predict, "
                "evaluate) or write 1 for it, else give --person_class=1"
            )
        if not mine.any():
            raise UserError(
                f"{self.path}: no {self.kind} has 'category_id' {wanted} (person), but {classes[0]}; check the file's "
                "format, or name the class of people by --person_class"
            )
        if not mine.all():
            logging.getLogger(__name__).warning(
                "%s: %s have a 'category_id' other than %d (person); they are left out", self.path, counts, wanted
            )
        return self.rows(np.flatnonzero(mine))

    def has(self, field: str) -> np.ndarray:
        """bool [N]: which records have the field, with a value other than null."""
        return np.array([item.get(field) is not None for item in self.items])

    def values(self, field: str) -> list[Any]:
        """The field's values as a list.

        Raises:
          UserError: a record lacks the field.
        """
        try:
            return [item[field] for item in self.items]
        except KeyError:
            index = next(i for i, item in enumerate(self.items) if field not in item)
            self.fail(index, f"has no {field!r}", "add it, or check the file's format")

    def texts(self, field: str) -> list[str]:
        """The field's values as a list of non-empty strings."""
        values = self.values(field)
        for index, value in enumerate(values):
            if not isinstance(value, str) or not value:
                self.fail(index, f"{field!r} is {_describe(value)}, expected a text")
        return values

    def numbers(
        self, field: str, shape: tuple[int, ...] = (), meaning: str = "", default: float | None = None
    ) -> np.ndarray:
        """The field's values as float64 [N, *shape].

        Args:
          field: name of the field.
          shape: lengths of each value's (nested) list, e.g. (4,); (): plain numbers.
          meaning: what the numbers of a list are, for messages, e.g. "x, y, width, height".
          default: stands in for a missing plain number (may be NaN); None: the field is required.

        Raises:
          UserError: a value is missing, no number, of another shape, NaN or infinite.
        """
        return self._column(field, shape, meaning, default).astype(np.float64)

    def integers(self, field: str, default: int | None = None) -> np.ndarray:
        """The field's values as int64 [N]; checks as ``numbers``, and that they are whole and of 64 bits."""
        array = self._column(field, (), "", default)
        faulty = (array != np.floor(array)) | (np.abs(array.astype(np.float64)) >= 2.0**63)
        if faulty.any():
            index = int(np.argmax(faulty))
            self.fail(index, f"{field!r} is {array[index]:g}, expected a whole number")
        return array.astype(np.int64)

    def flags(
        self, field: str, shape: tuple[int, ...] = (), meaning: str = "", default: int | None = None
    ) -> np.ndarray:
        """The field's values as bool [N, *shape]; as ``numbers`` has it, but true and false will do."""
        return self._column(field, shape, meaning, default, kinds="iufb").astype(bool)

    def unique_integers(self, field: str) -> np.ndarray:
        """As ``integers``; a value that occurs twice is an error too."""
        array = self.integers(field)
        order = np.argsort(array, kind="stable")
        repeated = np.flatnonzero(np.diff(array[order]) == 0)
        if repeated.size:
            first, second = order[repeated[0]], order[repeated[0] + 1]
            raise UserError(
                f"{self.path}: {self.kind} {field} {array[first]} occurs twice (numbers {self.positions[first] + 1} "
                f"and {self.positions[second] + 1} of the list); give every {self.kind} its own {field}"
            )
        return array

    def _column(
        self, field: str, shape: tuple[int, ...], meaning: str, default: float | None, kinds: str = "iuf"
    ) -> np.ndarray:
        """The field's values as a checked array of their own numeric type, of one of NumPy's ``kinds``."""
        present = np.ones(len(self), bool) if default is None else self.has(field)
        values = (
            self.values(field)
            if default is None
            else [item[field] if there else default for item, there in zip(self.items, present)]
        )
        array = _as_array(values, kinds)
        if array is None or array.shape[1:] != shape:
            self._fail_at_misshapen(field, values, shape, meaning, kinds)
        faulty = present & ~np.isfinite(array).reshape(len(self), -1).all(axis=1)
        if faulty.any():
            self.fail(int(np.argmax(faulty)), f"{field!r} holds NaN or infinity")
        return array

    def _fail_at_misshapen(
        self, field: str, values: list[Any], shape: tuple[int, ...], meaning: str, kinds: str
    ) -> NoReturn:
        """Raises the error of the first value that is no numeric array of ``shape``."""
        arrays = (_as_array([value], kinds) for value in values)
        index = next(i for i, array in enumerate(arrays) if array is None or array.shape[1:] != shape)
        expected = f"{' x '.join(map(str, shape))} numbers" if shape else "a number"
        expected += f" ({meaning})" if meaning else ""
        value = values[index]
        if isinstance(value, list) and shape and len(value) != shape[0]:
            self.fail(index, f"{field!r} has {len(value)} values, expected {expected}")
        odd = next((v for v in value if not _is_number(v)), value) if isinstance(value, list) else value
        self.fail(index, f"{field!r} holds {_describe(odd)}, expected {expected}")


def _class_of(item: dict[str, Any]) -> object:
    """A record's class, a number or a name; None where it has none."""
    if item.get("category_id") is not None:
        return names.number(item["category_id"])
    others = (item.get(field) for field in _CLASS_FIELDS)
    known = (value for value in others if isinstance(value, (int, str)) and not isinstance(value, bool))
    return names.number(next(known, None))


def _as_array(values: list[Any], kinds: str) -> np.ndarray | None:
    """An array of the values of one of NumPy's ``kinds``; None where they are not such, or of no regular shape."""
    try:
        array = np.array(values)
    except ValueError:  # lists of different lengths
        return None
    return array if array.dtype.kind in kinds else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _describe(value: object) -> str:
    """A JSON value in a few words."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "null" if value is None else _shortened(f"{value!r}")


def _shortened(text: str) -> str:
    """A text that fits in one line with others."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def split_by_group(group: np.ndarray, num_groups: int) -> list[np.ndarray]:
    """For each of the groups 0 .. num_groups - 1 its rows in ``group`` (int [N]), in order."""
    order = np.argsort(group, kind="stable")
    return np.split(order, np.searchsorted(group[order], np.arange(1, num_groups)))
