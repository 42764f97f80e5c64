"""The results of an ablation as CSV, a Markdown table with mean and spread, and a bar plot."""

import csv
import dataclasses
import io
import logging
import pathlib
import re
from typing import Optional

import numpy as np

from opec_tf import config
from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.config import InferenceConfig, ModelConfig, TrainConfig
from opec_tf.evaluation import plots
from opec_tf.models import builders
from opec_tf.study import rows

BASE = "base"
# Rows of the tables that no run is trained for: what all runs start from.
_STARTS = {BASE: "base: heatmap peak", builders.GIVEN_OUTPUT: "given: the poses that are refined"}
_COLUMNS = ("AP", "AP50", "AP75", "vis75", "inv75", "swap")
_GAINS = ("AP", "inv75")
_SPLIT_TITLES = {
    "test": "Test split",
    "heldout": "Held-out data: the same checkpoints on what they never trained on",
}


@dataclasses.dataclass(frozen=True)
class Result:
    """The scores of one run on one split.

    Attributes:
      row: key of ``rows.ROWS``, or "base".
      seed: int; None for the base.
      split: "test" or "heldout".
      poses: pose name -> dict of metrics; the last pose is the run's result.
      data: the data sets it was scored on.
    """

    row: str
    seed: Optional[int]
    split: str
    poses: dict
    data: tuple

    @property
    def final(self):
        """The metrics of the last pose."""
        return list(self.poses.values())[-1]


def collect(root):
    """All finished runs of a study's folder: a list of ``Result``, the base first, then by row and seed."""
    root = pathlib.Path(root)
    folders = {(BASE, None): root / BASE}
    folders.update({(name, seed): root / name / f"seed{seed}" for name in rows.ROWS for seed in seeds(root, name)})
    results, settings_of_split = [], {}
    for (row, seed), folder in folders.items():
        for split in _SPLIT_TITLES:
            path = folder / f"evaluation_{split}" / "metrics.json"
            if not path.exists():
                continue
            content = files.read_json(path)
            data, scoring = content["settings"]["data"], config.from_mapping(InferenceConfig, content["settings"])
            settings = data, content["settings"].get("data_root"), scoring
            if settings == settings_of_split.setdefault(split, settings):
                results.append(Result(row, seed, split, content["poses"], tuple(data)))
            else:
                logging.getLogger(__name__).warning(
                    "%s: scored with other settings than the base; left out until its row is asked for", path
                )
    return results


def seeds(root, row):
    """The seeds of which a row has runs in a study's folder, in order."""
    matches = [re.fullmatch(r"seed(\d+)", path.name) for path in (pathlib.Path(root) / row).glob("seed*")]
    return sorted(int(match[1]) for match in matches if match)


def write(root):
    """Writes ablation.csv, ablation.md and ablation.png of all that is finished.

    Args:
      root: folder of the study; the settings in its config.json say which rows are the same run.

    Returns:
      the Markdown text.

    Raises:
      UserError: nothing is finished, or a file cannot be written.
    """
    root, results = pathlib.Path(root), collect(root)
    if not results:
        raise UserError(f"{root}: no run is finished; leave out --report_only to train")
    settings = root / "config.json"
    shared = {}
    if settings.exists():
        mapping = files.read_json(settings)
        shared = shared_rows(*(config.from_mapping(kind, mapping) for kind in (ModelConfig, TrainConfig)))
    text = markdown(results, shared)
    files.write_text(root / "ablation.csv", _csv(results))
    files.write_text(root / "ablation.md", text)
    if any(result.row != BASE for result in results):
        plots.plot_ablation(_plotted(results), root / "ablation.png")
    return text


def shared_rows(model_config, train_config):
    """Rows that are the runs of another one, because what they set is the default in force: row -> that other."""
    owners = {}
    for name in rows.ROWS:
        try:
            owners.update(rows.runs([name], model_config, train_config))
        except UserError:  # a row that these configs refuse has no runs
            continue
    return {name: owner for name, owner in owners.items() if name != owner}


def markdown(results, shared=None):
    """A table a split: mean, and sample standard deviation over the seeds, of the last pose, in percent.

    Args:
      results: list of ``Result``.
      shared: row -> the row whose runs are also its own.
    """
    lines = ["# Ablation", "", "Percent; mean ± sample standard deviation over the seeds, of each run's last pose.", ""]
    for split, title in _SPLIT_TITLES.items():
        chosen = [result for result in results if result.split == split]
        if chosen:
            lines += [f"## {title}", "", f"`{','.join(chosen[0].data)}`", "", *_table(chosen, shared or {}), ""]
    return "\n".join(lines)


def _table(results, shared):
    """Lines of the Markdown table of one split."""
    by_row = _by_row(results)
    base = by_row.get(BASE, [{}])[0]
    header = ["row", *_COLUMNS, *(f"{key} gain" for key in _GAINS), "seeds"]
    body = []
    for name, title in _titles(by_row, shared).items():
        runs = by_row[shared.get(name, name)]
        gains = ["" if name == BASE else _gain(runs, base, key) for key in _GAINS]
        count = "" if name in _STARTS else str(len(runs))
        body.append([title, *(_mean_and_spread(runs, key) for key in _COLUMNS), *gains, count])
    widths = [max(map(len, column)) for column in zip(header, *body)]
    cells = [header, ["-" * width for width in widths], *body]
    return ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in cells]


def _titles(by_row, shared):
    """Row -> its title in the table, in the order of ``ROWS``, what they start from first."""
    titles = {name: title for name, title in _STARTS.items() if name in by_row}
    for name, (title, _) in rows.ROWS.items():
        if name in by_row:
            titles[name] = title
        elif shared.get(name) in by_row:
            titles[name] = f"{title} (the run of {shared[name]})"
    return titles


def _by_row(results):
    """Row -> the final metrics of its seeds; given poses, which are the same in all runs, are a row of one."""
    by_row = {}
    for result in results:
        by_row.setdefault(result.row, []).append(result.final)
        if builders.GIVEN_OUTPUT in result.poses:
            by_row[builders.GIVEN_OUTPUT] = [result.poses[builders.GIVEN_OUTPUT]]
    return by_row


def _mean_and_spread(runs, key):
    values = [100 * run[key] for run in runs if run.get(key, -1) >= 0]
    if not values:
        return "-"
    spread = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{spread}"


def _gain(runs, base, key):
    """Difference of the mean to the base's value, signed."""
    values = [run[key] for run in runs if run.get(key, -1) >= 0]
    return f"{100 * (np.mean(values) - base[key]):+.2f}" if values and base.get(key, -1) >= 0 else "-"


def _csv(results):
    """A line a row, seed, split and pose, with all metrics; empty where there is nothing to measure."""
    metrics = dict.fromkeys(key for result in results for pose in result.poses.values() for key in pose)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "seed", "split", "pose", "final", *metrics])
    for result in results:
        seed = "" if result.seed is None else result.seed
        for name, pose in result.poses.items():
            is_final = int(name == list(result.poses)[-1])
            writer.writerow([result.row, seed, result.split, name, is_final, *(pose.get(key, "") for key in metrics)])
    return text.getvalue()


def _plotted(results):
    """What ``plots.plot_ablation`` takes."""
    splits = {}
    for split in dict.fromkeys(result.split for result in results):
        by_row = _by_row([result for result in results if result.split == split])
        base = by_row.get(BASE, [{}])[0]
        titles = {name: title for name, title in _titles(by_row, shared={}).items() if name != BASE}
        splits[split] = {
            key: (base.get(key), {title: _measured(by_row[name], key) for name, title in titles.items()})
            for key in _GAINS
        }
    return splits


def _measured(runs, key):
    return [run[key] for run in runs if run.get(key, -1) >= 0]
