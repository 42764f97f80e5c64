"""Whose annotations a COCO-format file has: who is a person, and the joint set of people."""

from __future__ import annotations

import logging
from typing import Any

from opec_tf.common import names as class_names
from opec_tf.common.errors import UserError
from opec_tf.common.records import Records
from opec_tf.poses import skeletons
from opec_tf.poses.skeletons import Skeleton


def people_of(categories: object, annotations: Records) -> tuple[Records, list[str] | None]:
    """The annotations of people, and the joint names that their category lists; None where it lists none.

    People are of the category that is named person or, where no name says so, of the only one with joints; of several
    with joints the one that another usual word for people names. Annotations without a category are people's too, and
    so are all where the file has no categories, or its annotations are of one that it does not list. Others are left
    out with a counted warning.

    Args:
      categories: what the file has under that name.
      annotations: all of the file's.

    Raises:
      UserError: several categories have joints and none is named person, or nobody is of the one that is.
    """
    listed = [item for item in categories if isinstance(item, dict)] if isinstance(categories, list) else []
    chosen = _chosen(listed, annotations)
    lists = [category["keypoints"] for category in chosen if isinstance(category.get("keypoints"), list)]
    names = next((names for names in lists if names and all(isinstance(name, str) for name in names)), None)
    found, known, wanted = _ids(annotations.items, "category_id"), _ids(listed), _ids(chosen)
    if not chosen or not any(category in known for category in found):
        if len(listed) > 1 and any(category != found[0] for category in found):
            raise UserError(
                f"{annotations.path}: the annotations' 'category_id' ({_listed(found)}) are none of 'categories' "
                f"({_listed(known)}); correct the ids"
            )
        return annotations, names
    rows = [row for row, category in enumerate(found) if category is None or category in wanted]
    if not rows:
        raise UserError(
            f"{annotations.path}: no annotation has the 'category_id' {_listed(wanted)} of {_names(chosen)}; check "
            "'categories'"
        )
    if len(rows) < len(found):
        others = [item for item, number in zip(listed, known) if item not in chosen and number in found]
        logging.getLogger(__name__).warning(
            "%s: left out %d of %d annotations whose category is not %s%s",
            annotations.path,
            len(found) - len(rows),
            len(found),
            _names(chosen),
            f" ({_names(others)})" if others else "",
        )
    return annotations.rows(rows), names


def skeleton_of(names: list[str] | None, people: Records, expected: Skeleton | None) -> Skeleton:
    """The joint set that the names say, or else the only one with as many joints as the first person who has any.

    Args:
      names: the category's joint names; None: it has none.
      people: the annotations of people.
      expected: what the format has; None: any known one.

    Raises:
      UserError: it is unknown, or has what is expected in another order.
    """
    if names is not None:
        joints = tuple(map(skeletons.joint_name, names))
        if expected and (joints == expected.joints or sorted(joints) != sorted(expected.joints)):
            return expected  # what else the names are, some published files of the format call them otherwise
        known = [skeleton for skeleton in skeletons.SKELETONS.values() if skeleton.joints == joints]
        if known:
            return known[0]
        like = expected or skeletons.with_num_joints(len(names))
        sets = [like] if like else list(skeletons.SKELETONS.values())
        raise UserError(
            f"{people.path}: the category's joints ({', '.join(names)}) are none of the known joint sets "
            f"{', '.join(skeletons.SKELETONS)}; name and reorder them to one of these: "
            + "; ".join(f"{skeleton.name}: {', '.join(skeleton.joints)}" for skeleton in sets)
        )
    if expected:
        return expected
    first = next((row for row, joints in enumerate(people.values("keypoints")) if joints != []), 0)
    joints = people.items[first]["keypoints"]
    values = len(joints) if isinstance(joints, list) else 0
    skeleton = None if values % 3 else skeletons.with_num_joints(values // 3)
    if skeleton is None:
        fault = f"'keypoints' has {values or 'no list of'} values, expected x, y, v for 12, 14, 16 or 17 joints"
        people.fail(first, fault)
    return skeleton


def _chosen(listed: list[dict[str, Any]], annotations: Records) -> list[dict[str, Any]]:
    """The categories of people; none where the file does not tell categories apart."""
    named = [category for category in listed if class_names.is_person(category.get("name"))]
    if named or len(listed) < 2:
        return named or listed
    candidates = [category for category in listed if category.get("keypoints")] or listed
    if len(candidates) > 1:
        with_joints = _ids([item for item in annotations.items if item.get("keypoints")], "category_id")
        candidates = [item for item, number in zip(candidates, _ids(candidates)) if number in with_joints]
    if len(candidates) > 1:
        candidates = [category for category in candidates if class_names.is_people(category.get("name"))] or candidates
    if len(candidates) > 1:
        raise UserError(
            f"{annotations.path}: {len(candidates)} categories have joints ({_names(candidates)}) and none is named "
            f"{class_names.PERSON}; name the one of people so"
        )
    return candidates


def _ids(items: list[dict[str, Any]], field: str = "id") -> list[Any]:
    """The ids of categories, which some tools write as text."""
    return [class_names.number(item.get(field)) for item in items]


def _names(categories: list[dict[str, Any]]) -> str:
    return _listed([category.get("name", category.get("id")) for category in categories])


def _listed(values: list[Any]) -> str:
    """Some values, each once, in one line."""
    return ", ".join(dict.fromkeys(map(str, values)))
