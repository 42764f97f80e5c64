"""Measures input pipeline, training step and inference on this machine; needs no data set.

python -m opec_tf.benchmark --flagfile=configs/crowdpose.flags --output=bench.json

Prints a table and writes JSON. "pipeline / step" above 1 means that input is made faster than training takes it. Model,
crop size, augmentation and batch size follow the flags; a small model takes a minute or two:
--trunk=resnet18 --trunk_width=16 --crop_height=128 --crop_width=96 --sections=pipeline,training --repeats=5

With --against=torch (pip install opec_tf[torch]) it measures side by side with PyTorch, in turn and as ratios: the same
networks, a plain OpenCV data set with worker processes, and pycocotools. Beside --output it writes a table and a plot:

python -m opec_tf.benchmark --against=torch --output=against_torch.json

--sections=startup tells how long predict takes from a cold start to a drawing, beside importing TensorFlow.
--sections=growth tells how time and memory grow with people in a picture, a picture's pixels, and annotated images; it
writes a plot beside --output.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import importlib.metadata
import importlib.util
import multiprocessing
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence

from absl import flags as absl_flags

from opec_tf.common import cli, files, flags, lazy
from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig
from opec_tf.inference.lite.names import PRECISIONS

# What starts TensorFlow waits until main() uses it: --help and wrong usage are answered at once.
with lazy.imports():
    from opec_tf.study import growth, speed, speed_plots, startup
    from opec_tf.study.peers import contest, networks, report

_SECTIONS = ("pipeline", "training", "inference", "tflite", "startup", "growth")
_USUAL_SECTIONS = _SECTIONS[:3]
_PIPELINE_THREADS = (1, 2)
_INFERENCE_BATCHES = (1, 8, 32)
_START_SECONDS = 30.0  # of a measurement, about: a process, TensorFlow, and the first steps, which trace and compile
_PRECISIONS = ("float32", "mixed_bfloat16")

# What a measurement gives, see speed.py.
_Result = dict[str, float]

flags.define(ModelConfig, DataConfig, TrainConfig, InferenceConfig)
absl_flags.DEFINE_string("output", "benchmark.json", "JSON file for the results")
absl_flags.DEFINE_list(
    "sections",
    [],
    f"what is measured, of {', '.join(_SECTIONS)} and, with --against, scoring; by default the first three",
)
absl_flags.DEFINE_integer("repeats", 30, "timed batches, steps or calls of each measurement", lower_bound=1)
absl_flags.DEFINE_float("seconds", 60.0, "a measurement stops repeating after this time", lower_bound=0.0)

absl_flags.DEFINE_enum("against", "", ("", "torch"), "measure side by side with this peer")
absl_flags.DEFINE_list(
    "networks",
    ["resnet101", "resnet18", "movenet"],
    "with --against: which networks; flags: the base that the flags describe",
)
absl_flags.DEFINE_integer("pairs", 7, "with --against: turns that each side takes", lower_bound=1)
absl_flags.DEFINE_float("turn_seconds", 2.0, "with --against: length of a turn, at least one step", lower_bound=0.0)
absl_flags.DEFINE_integer("threads", 0, "with --against: threads of each side; 0: one a processor", lower_bound=0)

# What --help shows first.
_FIRST = (
    "flagfile",
    "sections",
    "output",
    "repeats",
    "seconds",
    "against",
    "networks",
    "trunk",
    "crop_height",
    "crop_width",
    "batch_size",
    "precision",
)


def main() -> None:
    options = flags.FLAGS
    if options.against:
        _measure_against(options.against)
    else:
        _measure_alone()


def _measure_alone() -> None:
    options = flags.FLAGS
    sections = _chosen("sections", _SECTIONS) if options.sections else _USUAL_SECTIONS
    machine = speed.machine()
    measured: dict[str, dict[str, _Result]] = {}
    print(", ".join(f"{key}: {value}" for key, value in machine.items()))
    chosen = [measurement for measurement in _measurements() if measurement[0] in sections]
    minutes = len(chosen) * (_START_SECONDS + options.seconds) / 60
    _say(
        f"{len(chosen)} measurements, each of {options.repeats} repeats or as many as {options.seconds:g} seconds "
        f"allow: up to {minutes:.0f} minutes, more where one step takes longer than a third of these"
    )
    print(f"{'':34}{'per second':>12}{'median ms':>12}{'p90 ms':>12}{'first s':>10}{'peak MB':>10}", flush=True)
    for number, (section, name, function, arguments) in enumerate(chosen, start=1):
        label = f"{section}, {name}"
        _say(f"[{number}/{len(chosen)}] {label}")
        result = _in_own_process(label, function, *arguments, options.repeats, options.seconds)
        measured.setdefault(section, {})[name] = result
        print(_row(label, result), flush=True)
        # Whole after every measurement: a long run that is broken off has not been for nothing.
        results = {"machine": machine, "flags": _settings(), **measured, "ratios": _ratios(measured)}
        files.write_json(options.output, results, indent=2)
    for name, ratio in _ratios(measured).items():
        print(f"{name:34}{ratio:12.1f}")
    written = [options.output]
    if "growth" in measured:
        written.append(str(pathlib.Path(options.output).with_suffix(".png")))
        speed_plots.plot_growth(growth.AMOUNTS, list(measured["growth"].values()), written[-1])
    print(f"written: {', '.join(written)}")


def _measure_against(peer: str) -> None:
    options = flags.FLAGS
    sections, names = _chosen("sections", contest.SECTIONS), _chosen("networks", (*networks.NETWORKS, "flags"))
    if importlib.util.find_spec(peer) is None:
        raise UserError(f"--against={peer}: PyTorch is not installed; pip install opec_tf[torch]")
    threads = options.threads or len(contest.usable_cores())
    about = {
        "machine": {**speed.machine(), peer: importlib.metadata.version(peer)},
        "settings": {"threads": threads, "pairs": options.pairs, "turn_seconds": options.turn_seconds},
    }
    print(", ".join(f"{key}: {value}" for part in about.values() for key, value in part.items()))
    measured: dict[str, dict[str, dict]] = {}
    output = pathlib.Path(options.output)
    with tempfile.TemporaryDirectory() as folder:
        compared = [networks.NETWORKS.get(name) or _network_of_flags() for name in names]
        cases = contest.cases(compared, sections, flags.read(DataConfig), threads, pathlib.Path(folder))
        minutes = len(cases) * (_START_SECONDS + 2 * options.pairs * options.turn_seconds) / 60
        _say(f"{len(cases)} comparisons: about {minutes:.0f} minutes, more where one step takes longer than a turn")
        for number, case in enumerate(cases, start=1):
            _say(f"[{number}/{len(cases)}] {case.section}: {case.name}")
            result = contest.run(case, options.pairs, options.turn_seconds)
            measured.setdefault(case.section, {})[case.name] = result
            print(report.row(f"{case.section}: {case.name}", result), flush=True)
            files.write_json(output, {**about, **measured}, indent=2)
    files.write_text(output.with_suffix(".md"), report.table(measured, peer))
    report.plot(measured, peer, output.with_suffix(".png"))
    print(f"written: {output}, {output.with_suffix('.md')}, {output.with_suffix('.png')}")


def _network_of_flags() -> networks.Compared:
    model = flags.read(ModelConfig)
    title = f"{model.trunk} of width {model.trunk_width}, {model.crop_height} x {model.crop_width}"
    return networks.Compared(title, "base", model, flags.read(TrainConfig).batch_size)


def _chosen(flag: str, known: Sequence[str]) -> Sequence[str]:
    """What a flag lists, or all that is known where it lists nothing."""
    values: Sequence[str] = flags.FLAGS[flag].value or []
    unknown = [value for value in values if value not in known]
    if unknown:
        raise UserError(f"--{flag}={','.join(unknown)} is not known; choose from {', '.join(known)}")
    return values or known


def _measurements() -> Iterator[tuple[str, str, Callable[..., _Result], tuple]]:
    """(section, name, function, its arguments but for repeats and seconds) of everything that can be measured."""
    model, data, train, infer = map(flags.read, (ModelConfig, DataConfig, TrainConfig, InferenceConfig))
    for threads in _PIPELINE_THREADS:
        name = f"{threads} threads" if threads > 1 else "1 thread"
        yield "pipeline", name, speed.measure_pipeline, (model.crop_size, data, train.batch_size, threads)
    for precision in _PRECISIONS:
        for jit_compile in (False, True):
            name = f"{precision} {'XLA' if jit_compile else 'no XLA'}"
            config = dataclasses.replace(train, precision=precision)
            yield "training", name, speed.measure_training, (model, config, jit_compile)
    for batch in _INFERENCE_BATCHES:
        config = dataclasses.replace(infer, inference_batch_size=batch)
        yield "inference", f"batch {batch}", speed.measure_inference, (model, config, data.box_margin)
    for precision in PRECISIONS:
        yield "tflite", precision, speed.measure_lite, (model, infer, data.box_margin, precision)
    for name, function, arguments in startup.measurements():
        yield "startup", name, function, arguments
    for name, function, arguments in growth.measurements(model, data, infer):
        yield "growth", name, function, arguments


def _say(text: str) -> None:
    """How far it is, beside the table."""
    print(text, file=sys.stderr, flush=True)


def _settings() -> dict[str, object]:
    """The flags that the numbers depend on."""
    configs = [flags.read(config) for config in (ModelConfig, DataConfig, TrainConfig, InferenceConfig)]
    names = [name for config in configs for name in flags.given(type(config))]
    values = {key: value for config in configs for key, value in dataclasses.asdict(config).items()}
    always = ("crop_height", "crop_width", "trunk", "trunk_width", "decoder", "batch_size")
    return {name: values[name] for name in dict.fromkeys((*always, *names))}


def _in_own_process(name: str, function: Callable[..., _Result], *arguments: object) -> _Result:
    """Runs a measurement in a fresh process, so that neither its peak memory nor its threads meet another's."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except concurrent.futures.process.BrokenProcessPool as error:
            raise UserError(
                f"{name}: its process was killed, most likely for lack of memory; lower --batch_size or leave the "
                "section out of --sections"
            ) from error


def _ratios(measured: Mapping[str, Mapping[str, _Result]]) -> dict[str, float]:
    """Crops a second of each input pipeline over those of the fastest training step; time to predict over that to
    import TensorFlow."""
    steps = [result["crops_per_second"] for result in measured.get("training", {}).values()]
    inputs = measured.get("pipeline", {}) if steps else {}
    ratios = {f"pipeline {name} / step": result["crops_per_second"] / max(steps) for name, result in inputs.items()}
    times = {name: result["median_s"] for name, result in measured.get("startup", {}).items()}
    if startup.PREDICT in times:  # the last one
        ratios["startup predict / tensorflow"] = times[startup.PREDICT] / times[startup.IMPORT]
    return ratios


def _row(label: str, result: _Result) -> str:
    rate = next(value for name, value in result.items() if name.endswith("_per_second"))
    times = f"{1e3 * result['median_s']:12.1f}{1e3 * result['p90_s']:12.1f}{result['first_s']:10.1f}"
    # Linux counts to a process's peak what the one that started it had.
    memory = f"{result['peak_memory_mb']:10.0f}" if "peak_memory_mb" in result else ""
    return f"{label:34}{rate:12.1f}{times}{memory}"


if __name__ == "__main__":
    cli.run(main, __doc__, first=_FIRST)
