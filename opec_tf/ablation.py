"""Rows of an ablation table: each trained over several seeds from one shared base, scored, and put side by side.

::

  OUTPUT_DIR/base/                       workdir of the shared base
  OUTPUT_DIR/ROW/seedN/                  workdir of one run; rows of equal settings share the first one's
  OUTPUT_DIR/.../evaluation_STAGE_SPLIT/ what ``reports.evaluate`` writes; SPLIT is test or heldout
  OUTPUT_DIR/ablation.csv, .md, .png     every number; the tables; the plot

Whatever is finished is left alone, so a broken-off command goes on where it stopped, and several processes can share a
folder as long as each trains runs of its own.
"""

import csv
import dataclasses
import gc
import io
import pathlib
import time

import numpy as np
import tensorflow as tf

from opec_tf import files, reports
from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig
from opec_tf.errors import UserError
from opec_tf.training import loop, workdir

BASE = "base"


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
      title: what it is called in the table.
      overrides: fields of ``ModelConfig`` and ``TrainConfig`` that differ from the settings in force.
      stage: the stage that is scored; "couple" is trained on top of the run's stage opec.
    """

    title: str
    overrides: dict = dataclasses.field(default_factory=dict)
    stage: str = "opec"


# The names begin as Table 6 letters its rows. Those from "gcn" on are what the paper leaves open.
ROWS = {
    "control": Row(
        "control: integral loss alone, no CFA, no GCN",
        {"refinement": False, "freeze_base": False, "heatmap_loss_weight": 0.0},
    ),
    "full": Row("the full OPEC-Net"),
    "a_no_image_guidance": Row("(a) without image guidance", {"image_guided": False}),
    "b_not_progressive": Row("(b) without progressive design", {"progressive": False}),
    "c_f3_only": Row("(c) F3 instead of multi-scale features", {"multi_scale": False}),
    "d_no_adaption": Row("(d) without CFA", {"adaption": "none"}),
    "e_no_fusion": Row("(e) without fusion blocks", {"adaption": "conv"}),
    "gcn": Row("graph convolution: GCN", {"graph_convolution": "gcn"}),
    "semantic": Row("graph convolution: semantic", {"graph_convolution": "semantic"}),
    "sample_latest": Row("features sampled at the latest pose", {"sample_at": "latest"}),
    "sample_initial": Row("features sampled at the initial pose", {"sample_at": "initial"}),
    "absolute": Row("absolute poses, no displacements", {"displacement": False}),
    "no_attention": Row("without self-attention", {"joint_attention": False}),
    "no_joint_identity": Row("without joint identity", {"joint_identity": False}),
    "normalization": Row("LayerNormalization in the graph", {"graph_normalization": True}),
    "no_normalization": Row("no normalization in the graph", {"graph_normalization": False}),
    "candidates": Row("two peaks a joint as node features", {"candidates": 2}),
    "gate": Row("gate between peak and refined pose", {"gate": True}),
    "heatmap_afresh": Row("heatmap of eq. 6 learnt afresh", {"heatmap_from_base": False}),
    "end_to_end": Row("base trained with the rest", {"freeze_base": False}),
    "frozen_base": Row("base frozen", {"freeze_base": True}),
    "couple": Row("CoupleGraph after the full OPEC-Net", stage="couple"),
}


@dataclasses.dataclass(frozen=True)
class Ablation:
    """An ablation's settings and folder.

    Attributes:
      output_dir: ``pathlib.Path``.
      model_config, data_config, train_config, inference_config: the settings that rows override.
      heldout_data: data sets as ``DataConfig.test_data``, of kinds never trained on; () for none.
      rows: names in ``ROWS``, in the order of the table.
      seeds: seeds of every row.
    """

    output_dir: pathlib.Path
    model_config: ModelConfig
    data_config: DataConfig
    train_config: TrainConfig
    inference_config: InferenceConfig
    heldout_data: tuple
    rows: tuple
    seeds: tuple

    def __post_init__(self):
        unknown = [name for name in self.rows if name not in ROWS]
        if unknown:
            raise UserError(f"--rows: {unknown[0]!r} is not known; choose from all, {', '.join(ROWS)}")

    def configs(self, row, seed=0):
        """(``ModelConfig``, ``TrainConfig``) of a row's run."""
        overrides = {**ROWS[row].overrides, "seed": seed}
        changed = []
        for config in (self.model_config, self.train_config):
            names = [field.name for field in dataclasses.fields(config) if field.name in overrides]
            changed.append(dataclasses.replace(config, **{name: overrides[name] for name in names}))
        return tuple(changed)

    def run_folder(self, row, seed):
        """Workdir of a row's run: that of the first row with the same settings."""
        settings = self.configs(row)
        owner = next(name for name in ROWS if self.configs(name) == settings)
        return self.output_dir / owner / f"seed{seed}"

    @property
    def splits(self):
        """Name -> data sets that every run is scored on."""
        return {"test": self.data_config.test_data, **({"heldout": self.heldout_data} if self.heldout_data else {})}


def run(ablation):
    """Trains and scores whatever is not finished, then writes the tables.

    Returns:
      The test split's table as Markdown.

    Raises:
      UserError: unusable settings, data, weights or folder.
    """
    base = _shared_base(ablation)
    _score(ablation, base, BASE)
    runs = [(row, seed) for seed in ablation.seeds for row in ablation.rows]
    started = time.monotonic()
    for number, (row, seed) in enumerate(runs, start=1):
        minutes = (time.monotonic() - started) / 60
        left = f", about {minutes / (number - 1) * (len(runs) - number + 1):.0f} left" if number > 1 else ""
        print(f"run {number}/{len(runs)}: {row}, seed {seed} ({minutes:.0f} minutes so far{left})", flush=True)
        model_config, train_config = ablation.configs(row, seed)
        stages = ("opec", "couple") if ROWS[row].stage == "couple" else ("opec",)
        train_config = dataclasses.replace(
            train_config, stages=stages, base_weights=str(workdir.stage_folder(base, BASE).best_weights)
        )
        folder = ablation.run_folder(row, seed)
        loop.train(folder, model_config, ablation.data_config, train_config, ablation.inference_config)
        _score(ablation, folder, ROWS[row].stage)
        # A process that trains one network after another would keep them all.
        tf.keras.backend.clear_session()
        gc.collect()
    return report(ablation)


def report(ablation):
    """Writes ablation.csv, ablation.md and ablation.png of the runs that are finished.

    Returns:
      The test split's table as Markdown.
    """
    results = {split: _results(ablation, split) for split in ablation.splits}
    if not results["test"]:
        raise UserError(f"{ablation.output_dir}: no run is finished yet; run without --report_only")
    files.write_text(ablation.output_dir / "ablation.csv", _csv(results))
    tables = {split: table(rows) for split, rows in results.items() if rows}
    text = "\n".join(f"## {split}\n\n{markdown}" for split, markdown in tables.items())
    files.write_text(ablation.output_dir / "ablation.md", text)
    return tables["test"]


def table(results):
    """A Markdown table of row title -> seed -> metrics: percent, mean +- sample standard deviation over the seeds."""
    keys = ("AP", "AP50", "AP75", "vis75", "inv75", "swap")
    base = final_scores(next(iter(next(iter(results.values())).values())))
    lines = [
        "| row | seeds | " + " | ".join(keys) + " | AP over the base | inv75 over the base |",
        "|---" * (len(keys) + 4) + "|",
    ]
    for title, runs in results.items():
        scores = [final_scores(run) for run in runs.values()]
        cells = [_mean_and_spread([score.get(key) for score in scores]) for key in keys]
        gains = [_gain([score.get(key) for score in scores], base.get(key)) for key in ("AP", "inv75")]
        lines.append(f"| {title} | {len(runs)} | " + " | ".join(cells + gains) + " |")
    return "\n".join(lines) + "\n"


def final_scores(metrics):
    """The scores of a run's last pose, from the content of its metrics.json."""
    return list(metrics["poses"].values())[-1]


def _shared_base(ablation):
    """Workdir of the base that every run starts from: adopted from --base_weights, or trained now."""
    root = ablation.output_dir / BASE
    folder = workdir.stage_folder(root, BASE)
    train_config = dataclasses.replace(ablation.train_config, stages=(BASE,))
    if not folder.finished and train_config.base_weights:
        workdir.adopt_base(
            root, ablation.model_config, ablation.data_config, train_config, ablation.inference_config
        )
    loop.train(root, ablation.model_config, ablation.data_config, train_config, ablation.inference_config)
    return root


def _score(ablation, root, stage):
    """Scores a stage of a workdir on every split it has not been scored on since it was trained."""
    trained = workdir.stage_folder(root, stage).best_weights.stat().st_mtime
    for split, sources in ablation.splits.items():
        output_dir = root / f"evaluation_{stage}_{split}"
        metrics = output_dir / "metrics.json"
        if metrics.exists() and metrics.stat().st_mtime >= trained:
            continue
        data_config = dataclasses.replace(ablation.data_config, test_data=sources)
        reports.evaluate(
            root, output_dir, split="test", data_config=data_config,
            inference_config=ablation.inference_config, stage=stage,
        )  # fmt: skip


def _results(ablation, split):
    """Row title -> seed -> content of metrics.json, of what is finished; the base's own peak comes first."""
    rows = {"base: decoded peak": {None: (ablation.output_dir / BASE, BASE)}}
    for row in ablation.rows:
        rows[ROWS[row].title] = {seed: (ablation.run_folder(row, seed), ROWS[row].stage) for seed in ablation.seeds}
    results = {}
    for title, runs in rows.items():
        paths = {seed: root / f"evaluation_{stage}_{split}" / "metrics.json" for seed, (root, stage) in runs.items()}
        finished = {seed: files.read_json(path) for seed, path in paths.items() if path.exists()}
        if finished:
            results[title] = finished
    return results


def _csv(results):
    """One line a split, row, seed and pose."""
    lines = [
        {"split": split, "row": title, "seed": "" if seed is None else seed, "pose": pose, **scores}
        for split, rows in results.items()
        for title, runs in rows.items()
        for seed, metrics in runs.items()
        for pose, scores in metrics["poses"].items()
    ]
    text = io.StringIO()
    columns = list(dict.fromkeys(name for line in lines for name in line))
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _mean_and_spread(values):
    """Fractions -> "mean +- standard deviation" in percent; the mean alone of one value, "-" where any is missing."""
    if any(value is None for value in values):
        return "-"
    mean = f"{100 * np.mean(values):.1f}"
    return f"{mean} ± {100 * np.std(values, ddof=1):.1f}" if len(values) > 1 else mean


def _gain(values, base):
    if base is None or any(value is None for value in values):
        return "-"
    return f"{100 * (np.mean(values) - base):+.1f}"
