"""Prediction on any number of pictures as an Apache Beam pipeline, on any runner and file system that Beam has.

::

  match ─► sort, name, number, group ─► spread over the workers ─► read ─► predict ─► people
                                                                              └─────► unreadable

The names of all pictures, and nothing else, pass through one worker, which numbers them as ``frames`` does. A group's
files are read where it is predicted. Each worker process loads the model once.
"""

from __future__ import annotations

import concurrent.futures
import glob
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam import coders, metrics
from apache_beam.io import filebasedsink, fileio
from apache_beam.io.filesystem import CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems
from apache_beam.ml.inference import base
from apache_beam.options.pipeline_options import PipelineOptions

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.inference import frames, picture_groups
from opec_tf.inference.picture_groups import GroupPredictor, GroupResults, PictureGroup
from opec_tf.poses.picture_names import IMAGE_SUFFIXES

PREDICTIONS, UNREADABLE = "predictions", "unreadable"
_READING_THREADS = 8
_NAMESPACE, _PEOPLE, _SKIPPED = "opec_tf", "people", "skipped"
# Beam's own names of how many pictures were predicted, and how long it took to load each model.
_IMAGES, _LOADING = "num_inferences", "load_model_latency_milli_secs"
# How a worker's error stands in the runner's: its class before it, the step behind it.
_USER_ERROR = re.compile(rf"{UserError.__module__}\.{UserError.__name__}: (.*)")
_STEP = " [while running "


def run(
    images: str, output: str, load: Callable[[], GroupPredictor], *, num_shards: int, options: Sequence[str]
) -> dict[str, int]:
    """Predicts all pictures that match, and waits until it is done.

    Args:
      images: a picture, a folder (with its subfolders) or a pattern, on any of Beam's file systems.
      output: folder for predictions-NNNNN-of-NNNNN.json and unreadable.json, likewise.
      load: makes what predicts, once in each worker process; it is pickled.
      num_shards: files of predictions; 0: as many as suit the runner.
      options: Beam's, as on a command line.

    Returns:
      The numbers of "people", "images" (those that were skipped among them), "skipped" and "workers" that had a model;
      0 where the runner does not tell.

    Raises:
      UserError: nothing matches, the output has results or cannot be written, Beam refuses the options, or a worker met
        a ``UserError``.
    """
    pattern, root = _pattern(images)
    output = _checked_output(output)
    try:
        pipeline = beam.Pipeline(options=PipelineOptions(list(options)))
    except (ValueError, ImportError) as error:  # ImportError: the runner is of an extra of Beam's
        raise UserError(f"--runner or --beam_options: {' '.join(str(error).split())}") from error
    _build(pipeline, pattern, root, output, load, num_shards)
    try:
        done = pipeline.run()
        done.wait_until_finish()
    except (UserError, RuntimeError) as error:
        found = [str(error)] if isinstance(error, UserError) else _USER_ERROR.findall(str(error))
        if not found:
            raise
        raise UserError(found[-1].partition(_STEP)[0]) from error
    return _counts(done)


def _build(
    pipeline: beam.Pipeline, pattern: str, root: str, output: str, load: Callable[[], GroupPredictor], num_shards: int
) -> None:
    found = (
        pipeline
        | "match" >> fileio.MatchFiles(pattern, fileio.EmptyMatchTreatment.ALLOW)
        | "path" >> beam.Map(_path)
        | "all paths" >> beam.GroupByKey()
        | "group" >> beam.FlatMap(_groups, root)
        | "spread" >> beam.Reshuffle()
        | "read" >> beam.Map(_read)
        | "predict" >> base.RunInference(_Handler(load), metrics_namespace=_NAMESPACE)
    )
    for name, listed, shards, numbering in (
        (PREDICTIONS, _people, num_shards, None),
        (UNREADABLE, _unreadable, 1, ""),
    ):
        sink = _JsonLists(f"{output}/{name}", coders.StrUtf8Coder(), ".json", shards, numbering)
        found | name >> beam.FlatMap(listed) | f"write {name}" >> beam.io.Write(sink)


def _pattern(images: str) -> tuple[str, str]:
    """What Beam is to match, and the folder that it is all in; "" where that follows from what matches.

    Raises:
      UserError: nothing matches.
    """
    patterns = [(images, ""), (f"{images.rstrip('/')}/**", images)]
    if FileSystems.get_scheme(images) is None:  # on this machine, where workers may stand in another folder
        images = os.path.abspath(images)
        there = glob.escape(images)  # a file's own name may contain the characters of a pattern
        patterns = [(f"{there}/**", images)] if os.path.isdir(images) else [(there, ""), (images, "")]
    for pattern, root in patterns:
        if _matches(pattern, "--images"):
            return pattern, root
    raise UserError(f"{images}: no file matches; check --images (quote a pattern, so that the shell leaves it alone)")


def _checked_output(output: str) -> str:
    """The output folder, which has no results; an absolute path where it is on this machine."""
    if FileSystems.get_scheme(output) is None:
        output = os.path.abspath(files.make_folder(output))
    output = output.rstrip("/")
    if any(_matches(f"{output}/{name}", "--output") for name in (f"{PREDICTIONS}-*.json", f"{UNREADABLE}.json")):
        raise UserError(f"{output}: has results of another run; choose another --output, or remove them")
    return output


def _matches(pattern: str, flag: str) -> bool:
    """Whether there is such a file."""
    try:
        return bool(FileSystems.match([pattern], limits=[1])[0].metadata_list)
    except (OSError, ValueError) as error:  # ValueError: nothing that is installed knows the scheme
        raise UserError(f"{pattern}: cannot be looked for ({error}); check {flag}") from error


def _path(matched: FileMetadata) -> tuple[None, str]:
    return None, matched.path


def _groups(keyed: tuple[None, Iterable[str]], root: str) -> Iterator[PictureGroup]:
    """The groups of all pictures; of a folder (``root``) its files of other kinds are left out."""
    suffixes = IMAGE_SUFFIXES if root else ("",)
    paths = [path for path in keyed[1] if path.lower().endswith(suffixes) and not path.endswith("/")]
    paths = sorted(path for path in paths if not files.is_partial(path))
    if not paths:
        raise UserError(f"{root or 'what matches'}: holds no image ({' '.join(IMAGE_SUFFIXES)}); check --images")
    yield from picture_groups.split(paths, root or frames.common_folder(paths))


def _read(group: PictureGroup) -> PictureGroup:
    with concurrent.futures.ThreadPoolExecutor(_READING_THREADS) as pool:
        return group.with_contents(pool.map(_content, group.paths))


def _content(path: str) -> bytes | str:
    """A file's bytes, or why it cannot be read."""
    try:
        with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            return file.read()
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"


class _Handler(base.ModelHandler):
    """What Beam calls to load a model and to predict a group."""

    def __init__(self, load: Callable[[], GroupPredictor]) -> None:
        super().__init__()
        self._load = load

    def load_model(self) -> GroupPredictor:
        return self._load()

    def run_inference(
        self, batch: PictureGroup, model: GroupPredictor, inference_args: dict[str, Any] | None = None
    ) -> Iterator[GroupResults]:
        found = model.predict(batch)
        metrics.Metrics.counter(_NAMESPACE, _PEOPLE).inc(len(found.people))
        metrics.Metrics.counter(_NAMESPACE, _SKIPPED).inc(len(found.unreadable))
        yield found

    def get_num_bytes(self, batch: PictureGroup) -> int:
        return sum(map(len, batch.contents))

    def should_skip_batching(self) -> bool:
        return True  # a group is a batch


def _people(found: GroupResults) -> list[str]:
    return [json.dumps(person, allow_nan=False) for person in found.people]


def _unreadable(found: GroupResults) -> list[str]:
    return [json.dumps(picture) for picture in found.unreadable]


class _JsonLists(filebasedsink.FileBasedSink):
    """Writes texts that are JSON as files of a JSON list each, which are there once they are whole."""

    def __init__(
        self, prefix: str, coder: coders.Coder, suffix: str, num_shards: int, shard_name_template: str | None
    ) -> None:
        super().__init__(prefix, coder, suffix, num_shards, shard_name_template, "application/json")

    def open(self, temp_path: str) -> _JsonList:
        return _JsonList(super().open(temp_path))

    def write_encoded_record(self, file_handle: _JsonList, encoded_value: bytes) -> None:
        file_handle.add(encoded_value)

    def close(self, file_handle: _JsonList | None) -> None:
        if file_handle is not None:
            file_handle.close()


class _JsonList:
    """A JSON list that is being written, an element a line."""

    def __init__(self, file: Any) -> None:
        self._file, self._before = file, b"[\n"

    def add(self, element: bytes) -> None:
        self._file.write(self._before + element)
        self._before = b",\n"

    def close(self) -> None:
        self._file.write(b"[]\n" if self._before == b"[\n" else b"\n]\n")
        self._file.close()


def _counts(done: Any) -> dict[str, int]:
    found = done.metrics().query(metrics.MetricsFilter().with_namespace(_NAMESPACE))
    counted = {"people": 0, "images": 0, "skipped": 0, "workers": 0}
    names = {_PEOPLE: "people", _IMAGES: "images", _SKIPPED: "skipped", _LOADING: "workers"}
    for entry in [*found["counters"], *found["distributions"]]:
        if entry.key.metric.name in names:
            value = entry.result
            counted[names[entry.key.metric.name]] += value if isinstance(value, int) else value.count
    return counted
