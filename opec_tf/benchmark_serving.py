"""Measures an exported model: called in-process, and over gRPC with and without server-side batching.

python -m opec_tf.benchmark_serving --model_dir=models/opec_net --output=benchmark_serving.json

Prints a table, writes JSON and beside it a plot (.png). The server is opec_tf.serve on this machine's loopback, so that
its processors are shared with the clients; TensorFlow Serving itself is faster.
"""

from __future__ import annotations

import pathlib

import cv2
from absl import flags as absl_flags

from opec_tf.common import cli, files, flags, lazy
from opec_tf.common.errors import UserError
from opec_tf.serving import limits

# What starts TensorFlow waits until main() uses it: --help and wrong usage are answered at once.
with lazy.imports():
    from opec_tf.serving import exporting, pictures, speed
    from opec_tf.study import speed as study_speed, speed_plots

absl_flags.DEFINE_string("model_dir", None, "the model's folder, which holds a folder for each version", required=True)
absl_flags.DEFINE_string("image", None, "picture to ask about; by default one of COCO's size is made up")
absl_flags.DEFINE_integer("people", 1, "people in the picture", lower_bound=1, upper_bound=limits.MOST_PEOPLE)
absl_flags.DEFINE_list("clients", ["1", "4", "16"], "numbers of clients that ask at the same time")
absl_flags.DEFINE_float("seconds", 10.0, "time for each number of clients", lower_bound=0.0)
absl_flags.DEFINE_string(
    "batching_parameters_file", "serving/batching_parameters.txt", "server-side batching that is compared with none"
)
absl_flags.DEFINE_string("output", "benchmark_serving.json", "JSON file for the results")


def main() -> None:
    options = flags.FLAGS
    clients = _numbers(options.clients)
    image_bytes = pictures.read_picture(options.image) if options.image else _made_up_jpeg()
    height, width = pictures.picture_size(image_bytes)
    boxes = study_speed.made_up_boxes(options.people, seed=0) * [width / 640, height / 480, width / 640, height / 480]
    results = {"machine": study_speed.machine(), "people": options.people}
    asked = (image_bytes, boxes, clients, options.seconds)
    ways = {
        "in process": lambda: speed.measure_in_process(_newest(options.model_dir), *asked),
        "gRPC": lambda: speed.measure_over_grpc(options.model_dir, *asked),
        "gRPC, batched": lambda: speed.measure_over_grpc(options.model_dir, *asked, options.batching_parameters_file),
    }
    print(f"{'':24}{'clients':>8}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}{'per second':>12}", flush=True)
    measured = results["measured"] = {}
    for way, measure in ways.items():
        measured[way] = measure()
        for count, result in measured[way].items():
            times = "".join(f"{1e3 * result[name]:10.1f}" for name in ("p50_s", "p95_s", "p99_s"))
            print(f"{way:24}{count:>8}{times}{result['requests_per_second']:12.1f}", flush=True)
        files.write_json(options.output, results, indent=2)
    plot = pathlib.Path(options.output).with_suffix(".png")
    speed_plots.plot_serving_speed(measured, plot)
    print(f"written: {options.output}, {plot}")


def _made_up_jpeg() -> bytes:
    picture = study_speed.made_up_picture(0).numpy()[..., ::-1]
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def _numbers(texts: list[str]) -> list[int]:
    if not texts or not all(text.isdecimal() and int(text) for text in texts):
        raise UserError(f"--clients={','.join(texts)} must be whole numbers above 0, separated by commas")
    return [int(text) for text in texts]


def _newest(model_dir: str) -> pathlib.Path:
    """The folder of the newest version."""
    if not pathlib.Path(model_dir).is_dir() or exporting.next_version(model_dir) == 1:
        raise UserError(f"{model_dir}: holds no version; make one with opec_tf.export --export_dir={model_dir}")
    return pathlib.Path(model_dir, str(exporting.next_version(model_dir) - 1))


if __name__ == "__main__":
    cli.run(main, __doc__)
