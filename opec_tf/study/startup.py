"""How long a command takes from a cold start: whole processes, timed from outside."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.data.synthetic.couple import make_couple
from opec_tf.study import speed

_Measure = Callable[..., dict[str, float]]
IMPORT, PREDICT = "import tensorflow", "predict one picture"
_PICTURE_SIZE = 512  # pixels


def measurements() -> Iterator[tuple[str, _Measure, tuple]]:
    """(name, function, its arguments but for repeats and seconds) of everything that starts."""
    yield "predict --help", measure_process, (("-m", "opec_tf.predict", "--help"),)
    yield IMPORT, measure_process, (("-c", "import tensorflow"),)
    yield PREDICT, measure_predict, ()


def measure_process(arguments: tuple[str, ...], repeats: int, seconds: float) -> dict[str, float]:
    """A Python process from its start to its end.

    Args:
      arguments: of the interpreter.
      repeats, seconds: as for ``speed.measure_pipeline``.

    Returns:
      starts_per_second and what ``speed.timed`` gives.

    Raises:
      UserError: the process failed.
    """

    def step() -> None:
        done = subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
            raise UserError(f"{' '.join(arguments)}: failed: {said[-1]}")

    result = speed.timed(step, repeats, seconds)
    return {"starts_per_second": 1 / result["median_s"], **result}


def measure_predict(repeats: int, seconds: float) -> dict[str, float]:
    """``predict`` on a picture of a generated couple, by the package's model and detector, to its drawing.

    Args, returns and raises: as ``measure_process``.
    """
    with tempfile.TemporaryDirectory() as folder:
        picture, output = pathlib.Path(folder, "couple.jpg"), pathlib.Path(folder, "poses")
        # Of this seed the detector finds both.
        if not cv2.imwrite(str(picture), make_couple(np.random.default_rng(2), _PICTURE_SIZE).image[..., ::-1]):
            raise UserError(f"{picture}: cannot be written")
        command = ("-m", "opec_tf.predict", f"--images={picture}", f"--output_dir={output}")
        result = measure_process(command, repeats, seconds)
        if not files.read_json(output / "predictions.json"):
            raise UserError("nobody was found, so that the network was not started; this is a fault of opec_tf")
    return result
