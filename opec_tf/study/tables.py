"""The results of an ablation as CSV, a Markdown table with mean and spread, and a bar plot."""

from __future__ import annotations

import csv
import dataclasses
import io
import logging
import pathlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from opec_tf import config
from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.config import InferenceConfig
from opec_tf.evaluation import accuracy, plots
from opec_tf.models import output_names
from opec_tf.study import rows

BASE = "base"
# Rows of the tables that no run is trained for: what all runs start from.
_STARTS = {BASE: "base: heatmap peak", output_names.GIVEN_OUTPUT: "given: the poses that are refined"}
_COLUMNS = ("AP", "AR", "AP75", "vis75", "inv75", *accuracy.HIDDEN_BY, "swap")
_GAINS = ("AP", "inv75")
_SPLIT_TITLES = {
    "test": "Test split",
    "heldout": "Held-out data: the same checkpoints on what they never trained on",
}
_ONE_BASE = (
    "The spread covers seeds after one base only, the one that all rows share; it says nothing of how far they move "
    "with another base."
)
_BASES = "The spread covers whole trainings: every seed has a base of its own."
_MIXED = (
    "vis75 and inv75 of the base compare each pose with the person of its box; those of rows in the boxes of a file "
    "with the person whom it fits best."
)

# Line of the table -> the metrics of each seed.
_Runs = dict[str, list[dict[str, float]]]


@dataclasses.dataclass(frozen=True)
class Result:
    """The scores of one run on one split.

    Attributes:
      row: name of the row, or "base".
      seed: None for a base that all seeds share.
      split: "test" or "heldout".
      poses: pose name -> metrics; the last pose is the run's result.
      data: the data sets it was scored on.
      people_by: ``accuracy.BY_BOX`` or ``BY_ASSIGNMENT``.
      folder: of the files of the evaluation.
    """

    row: str
    seed: int | None
    split: str
    poses: dict[str, dict[str, float]]
    data: tuple[str, ...]
    people_by: str
    folder: pathlib.Path

    @property
    def last_pose(self) -> str:
        """Name of the pose that is the run's result."""
        return list(self.poses)[-1]

    @property
    def shown(self) -> dict[str, str]:
        """Line of the tables -> the pose that it shows: the last one, before it what its row shows also."""
        also = rows.ROWS[self.row].also if self.row in rows.ROWS else ()
        return {**{f"{self.row}:{pose}": pose for pose in also if pose in self.poses}, self.row: self.last_pose}


def collect(root: pathlib.Path) -> list[Result]:
    """All finished runs of a study's folder, the bases first, then by row and seed.

    Left out with a warning are scores that do not belong beside the base's: of other data or settings, or in annotated
    boxes where only one of the two compares each pose with the person of its box.
    """
    folders: dict[tuple[str, int | None], pathlib.Path] = {(BASE, None): root / BASE}
    names = [BASE, *_rows(root)]
    folders.update({(name, seed): run_folder(root, name, seed) for name in names for seed in seeds(root, name)})
    results = []
    measured_with: dict[tuple[str, str], object] = {}
    for (row, seed), folder in folders.items():
        for split in _SPLIT_TITLES:
            path = folder / f"evaluation_{split}" / "metrics.json"
            if not path.exists():
                continue
            content = files.read_json(path)
            settings = content["settings"]
            people_by = settings.get("people_by", accuracy.BY_ASSIGNMENT)
            setting = settings["data"], settings.get("data_root"), config.from_mapping(InferenceConfig, settings)
            same = setting == measured_with.setdefault((split, "setting"), setting)
            if settings.get("boxes", "gt") == "gt":
                same &= people_by == measured_with.setdefault((split, "people_by"), people_by)
            if same:
                results.append(
                    Result(row, seed, split, content["poses"], tuple(settings["data"]), people_by, path.parent)
                )
            else:
                logging.getLogger(__name__).warning(
                    "%s: scored with other settings than the base; left out until its row is asked for", path
                )
    return results


def _rows(root: pathlib.Path) -> list[str]:
    """The rows that may have runs in a folder: those of today, then those that it has besides, of an older version."""
    found = {path.parent.name for path in root.glob("*/seed*")}
    return [*rows.ROWS, *sorted(found - {BASE, *rows.ROWS})]


def run_folder(root: pathlib.Path, name: str, seed: int) -> pathlib.Path:
    """The workdir of a row and seed."""
    return root / name / f"seed{seed}"


def seeds(root: pathlib.Path, row: str) -> list[int]:
    """The seeds of which a row has runs in a study's folder, in order."""
    matches = [re.fullmatch(r"seed(\d+)", path.name) for path in (root / row).glob("seed*")]
    return sorted(int(match[1]) for match in matches if match)


def write(root: pathlib.Path, shown: Collection[str] | None = None) -> str:
    """Writes ablation.csv, ablation.md and ablation.png of all that is finished into a study's folder.

    Args:
      root: the folder.
      shown: the rows of the text that is returned, beside what they start from; None: all.

    Returns:
      The Markdown text.

    Raises:
      UserError: nothing is finished, nothing of a row that is to be shown, or a file cannot be written.
    """
    results = collect(root)
    if not results:
        raise UserError(f"{root}: no run is finished; leave out --report_only to train")
    finished = list(dict.fromkeys(result.row for result in results if result.row != BASE))
    for row in shown or ():
        if row not in finished:
            raise UserError(f"{root}: no run of --rows={row} is finished; there are: {', '.join(finished) or 'none'}")
    text = markdown(results)
    files.write_text(root / "ablation.csv", _csv(results))
    files.write_text(root / "ablation.md", text)
    if any(result.row != BASE for result in results):
        plots.plot_ablation(_plotted(results), root / "ablation.png")
    if shown is None:
        return text
    return markdown([result for result in results if result.row in (BASE, *shown)])


def markdown(results: Sequence[Result]) -> str:
    """A table a split: mean, and sample standard deviation over the seeds, of the last pose, in percent."""
    lines = ["# Ablation", "", "Percent; mean ± sample standard deviation over the seeds, of each run's last pose.", ""]
    for split, title in _SPLIT_TITLES.items():
        chosen = [result for result in results if result.split == split]
        if chosen:
            shared = any(result.row == BASE and result.seed is None for result in chosen)
            spread = _ONE_BASE if shared else _BASES
            lines += [f"## {title}", "", f"`{','.join(chosen[0].data)}`", "", *_table(chosen), "", spread, ""]
        if len({result.people_by for result in chosen}) > 1:
            lines += [_MIXED, ""]
    return "\n".join(lines)


def _table(results: Iterable[Result]) -> list[str]:
    """Lines of the Markdown table of one split."""
    by_row = _by_row(results)
    bases = by_row.get(BASE, [])
    columns = [key for key in _COLUMNS if any(_measured(runs, key).size for runs in by_row.values())]
    header = ["row", *columns, *(f"{key} gain" for key in _GAINS), "seeds"]
    body = []
    for name, title in titles(by_row).items():
        runs = by_row[name]
        gains = ["" if name == BASE else _gain(runs, bases, key) for key in _GAINS]
        count = "" if name in _STARTS and len(runs) == 1 else str(len(runs))
        body.append([title, *(_mean_and_spread(runs, key) for key in columns), *gains, count])
    widths = [max(map(len, column)) for column in zip(header, *body)]
    cells = [header, ["-" * width for width in widths], *body]
    return ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in cells]


def titles(by_row: Iterable[str]) -> dict[str, str]:
    """Line -> its title, what they start from first, then in the order of ``ROWS``, then those of an older version."""
    known = dict(_STARTS)
    for name, row in rows.ROWS.items():
        known.update({**{f"{name}:{pose}": title for pose, title in row.also.items()}, name: row.title})
    titles = {name: title for name, title in known.items() if name in by_row}
    return {**titles, **{name: f"{name} (a row of an older version)" for name in by_row if name not in known}}


def _by_row(results: Iterable[Result]) -> _Runs:
    """The runs by line; given poses, which are the same in all runs, are a row of one."""
    by_row: _Runs = {}
    for result in results:
        for line, pose in result.shown.items():
            by_row.setdefault(line, []).append(result.poses[pose])
        if output_names.GIVEN_OUTPUT in result.poses:
            by_row[output_names.GIVEN_OUTPUT] = [result.poses[output_names.GIVEN_OUTPUT]]
    return by_row


def _mean_and_spread(runs: Iterable[Mapping[str, float]], key: str) -> str:
    values = 100 * _measured(runs, key)
    if not values.size:
        return "-"
    spread = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{spread}"


def _gain(runs: Iterable[Mapping[str, float]], bases: Iterable[Mapping[str, float]], key: str) -> str:
    """Difference of the mean to the bases' mean, signed."""
    values, before = _measured(runs, key), _measured(bases, key)
    return f"{100 * (np.mean(values) - np.mean(before)):+.2f}" if values.size and before.size else "-"


def _measured(runs: Iterable[Mapping[str, float]], key: str) -> np.ndarray:
    """A metric of the runs that have it."""
    return np.array([run[key] for run in runs if run.get(key, -1) >= 0])


def _mean(runs: Iterable[Mapping[str, float]], key: str) -> float | None:
    """Mean of a metric over the runs that have it; None where none has."""
    values = _measured(runs, key)
    return float(np.mean(values)) if values.size else None


def _csv(results: Sequence[Result]) -> str:
    """A line a row, seed, split and pose, with all metrics; empty where there is nothing to measure."""
    metrics = dict.fromkeys(key for result in results for pose in result.poses.values() for key in pose)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "seed", "split", "pose", "final", *metrics])
    for result in results:
        seed = "" if result.seed is None else result.seed
        for name, pose in result.poses.items():
            is_final = int(name == result.last_pose)
            writer.writerow([result.row, seed, result.split, name, is_final, *(pose.get(key, "") for key in metrics)])
    return text.getvalue()


def _plotted(results: Sequence[Result]) -> dict[str, dict[str, plots.AblationPanel]]:
    """What ``plots.plot_ablation`` takes."""
    splits = {}
    for split in dict.fromkeys(result.split for result in results):
        by_row = _by_row(result for result in results if result.split == split)
        bases = by_row.get(BASE, [])
        shown = {name: title for name, title in titles(by_row).items() if name != BASE}
        splits[split] = {
            key: plots.AblationPanel(_mean(bases, key), {t: _measured(by_row[name], key) for name, t in shown.items()})
            for key in _GAINS
        }
    return splits
