"""Models side by side on the same people, with intervals of how they differ: the paired bootstrap over images.

Reference: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 13 and 16.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.config import InferenceConfig
from opec_tf.evaluation import protocols
from opec_tf.evaluation.accuracy import HIDDEN_BY
from opec_tf.inference.pose_model import PoseModel
from opec_tf.study import measures, report
from opec_tf.study.split import Split

COLUMNS = ("AP", "AR", "vis75", "inv75", "swap", *HIDDEN_BY)
# Ends of an interval, percentiles.
_INTERVAL = (2.5, 97.5)

# One of a model's poses: (workdir, name of the pose).
PoseOf = tuple[str, str]
# Column -> [1 + D], the value on all images and on those of each draw.
Values = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
      title: what it is called.
      runs: of each of its runs, such as of each seed, the pose that counts.
    """

    title: str
    runs: tuple[PoseOf, ...]

    @classmethod
    def parse(cls, text: str) -> Row:
        """Reads TITLE=WORKDIR:POSE,WORKDIR:POSE.

        Raises:
          UserError: it is something else.
        """
        title, _, runs = text.partition("=")
        poses = tuple((root, name) for root, _, name in (run.rpartition(":") for run in runs.split(",")))
        if not title or not all(root and name for root, name in poses):
            raise UserError(f"--row={text}: must be TITLE=WORKDIR:POSE, further runs of it after commas")
        return cls(title, poses)


def compare(
    rows: Sequence[Row],
    models: Mapping[str, PoseModel],
    split_of: Mapping[str, Split],
    path: pathlib.Path,
    *,
    inference_config: InferenceConfig,
    draws: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Measures rows on the annotated people of a data set, unless the file has that already, and writes the file.

    Args:
      rows: the others are compared with the first.
      models: workdir -> the model.
      split_of: workdir -> the data set, for that model's joints.
      path: JSON, written whole.
      inference_config: how all models are run, each with its own margin about the boxes.
      draws, seed: how often images are drawn with replacement for the intervals.

    Returns:
      of each row ``title``; ``runs``, the columns of each run; ``interval`` and ``difference``, each column's interval
      of the runs' mean, and that of how far it is above the mean of the first row's, [low, high].

    Raises:
      UserError: a model has no such pose, or nobody is there to score.
    """
    any_split = split_of[rows[0].runs[0][0]]
    made_with = {
        **dataclasses.asdict(inference_config),
        "data": [any_split.data_config.data_root, *any_split.sources],
        "draws": draws,
        "seed": seed,
        "columns": list(COLUMNS),
        "models": {root: [model.digest, model.box_margin] for root, model in models.items()},
        "rows": [[row.title, *map(list, row.runs)] for row in rows],
    }
    if path.exists():
        before = files.read_json(path)
        if before["made_with"] == made_with:
            return before["rows"]
    values: dict[PoseOf, Values] = {}
    drawn = drawn_images(any_split.annotations.num_images, draws, seed)
    for root, model in models.items():
        names = sorted({name for row in rows for of, name in row.runs if of == root})
        found = _values(model, split_of[root], names, inference_config, drawn)
        values.update({(root, name): of_pose for name, of_pose in found.items()})
    compared = results(rows, values)
    files.write_json(path, {"made_with": made_with, "rows": compared}, indent=2)
    return compared


def results(rows: Sequence[Row], values: Mapping[PoseOf, Values]) -> list[dict[str, Any]]:
    """The rows as ``compare`` returns them.

    Args:
      values: of every run of the rows the columns, each [1 + D]: on all images, and on those of each draw.
    """
    first = _mean(rows[0], values)
    return [_result(row, values, first) for row in rows]


def table(sets: Mapping[str, list[dict[str, Any]]]) -> str:
    """Markdown: for each data set a table of the rows; percent, the mean of several runs with their deviation, and
    below each number how far it is above the first row's. Who hides a joint is left out where no data set knows it."""
    known = {column for rows in sets.values() for row in rows for column in row["interval"]}
    columns = [column for column in COLUMNS if column in known or column not in HIDDEN_BY]
    lines = []
    for name, rows in sets.items():
        lines += ["", f"**{name}**", "", f"| row | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
        for position, row in enumerate(rows):
            cells = [_cell(row, column, compared=position > 0) for column in columns]
            lines.append(f"| {row['title']} | {' | '.join(cells)} |")
    return "\n".join(lines[1:]) + "\n"


def drawn_images(images: int, draws: int, seed: int) -> np.ndarray:
    """The images that all rows are scored on, int [1 + D, M]: first each once, then D draws with replacement."""
    drawn = np.random.default_rng(seed).integers(images, size=(draws, images))
    return np.concatenate([np.arange(images)[None], drawn])


def _values(
    model: PoseModel, split: Split, names: Sequence[str], inference_config: InferenceConfig, drawn: np.ndarray
) -> dict[str, Values]:
    """The columns of some of a model's poses."""
    people = split.annotated()
    estimates = report.estimate(model, split, people, inference_config)
    if missing := [name for name in names if name not in estimates.predictions]:
        raise UserError(f"{model.name}: has no pose {missing[0]!r}; its poses are {', '.join(estimates.predictions)}")
    poses, whose = estimates.predictions, measures.whose_poses(estimates, people)
    return {
        name: protocols.evaluate_draws(split.annotations, poses[name], whose[name], split.protocol, drawn)
        for name in names
    }


def _result(row: Row, values: Mapping[PoseOf, Values], first: Values) -> dict[str, Any]:
    own = _mean(row, values)
    return {
        "title": row.title,
        "runs": [{column: float(of[0]) for column, of in values[run].items()} for run in row.runs],
        "interval": {column: _interval(of) for column, of in own.items()},
        "difference": {column: _interval(of - first[column]) for column, of in own.items()},
    }


def _mean(row: Row, values: Mapping[PoseOf, Values]) -> Values:
    """Mean of a row's runs, draw by draw, of the columns that all have."""
    names = [name for name in values[row.runs[0]] if all(name in values[run] for run in row.runs)]
    return {name: np.mean([values[run][name] for run in row.runs], axis=0) for name in names}


def _interval(values: np.ndarray) -> list[float]:
    return [float(end) for end in np.percentile(values[1:], _INTERVAL)]


def _cell(row: Mapping[str, Any], column: str, compared: bool) -> str:
    if column not in row["interval"]:
        return "-"
    runs = 100 * np.array([run[column] for run in row["runs"]])
    text = f"{runs.mean():.1f}" + (f" ± {runs.std(ddof=1):.1f}" if len(runs) > 1 else "")
    low, high = (100 * end for end in row["difference"][column])
    return f"{text}<br>({low:+.1f} to {high:+.1f})" if compared else text
