"""What happens at the end of each epoch, beside what Keras' own callbacks do.

Training may be killed between any two of these and then repeats the epoch, so each can be done twice: files are
replaced whole, a row of the log replaces the row of the same epoch.
"""

from __future__ import annotations

import csv
import io
import math
import pathlib
import time

import tensorflow as tf

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.common.progress import Progress
from opec_tf.models import loading, workdir
from opec_tf.training.validation import Validator

# Steps between two looks at the loss; each look waits for the device.
_LOSS_CHECK_INTERVAL = 50
# Name -> loss or score; Keras passes the same dict to one callback after the other.
Logs = dict[str, float]


class StopOnNaN(tf.keras.callbacks.Callback):
    """Stops with a ``UserError`` once the loss or a weight is not finite, before the epoch is saved anywhere.

    Keras' TerminateOnNaN lets the epoch end as usual, so that the backup would keep the spoilt weights, and looks at
    the loss alone, which a NaN need not reach: TensorFlow's ReLU turns it into 0 on some devices.
    """

    def __init__(self, stage: str) -> None:
        super().__init__()
        self.stage = stage
        self._epoch = 0
        # Keeps Keras from fetching all logs from the device after every step.
        self._supports_tf_logs = True

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        # The loss in the logs is the epoch's running mean, which one NaN spoils for good: a look now and then will do.
        if (batch + 1) % _LOSS_CHECK_INTERVAL == 0:
            self._stop_unless(math.isfinite(float(logs["loss"])))

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        finite = [tf.reduce_all(tf.math.is_finite(weight)) for weight in self.model.weights]
        self._stop_unless(math.isfinite(float(logs["loss"])) and bool(tf.reduce_all(finite)))

    def _stop_unless(self, finite: bool) -> None:
        if not finite:
            raise UserError(
                f"stage {self.stage}: the loss or a weight became infinite or NaN in epoch {self._epoch + 1}; lower "
                "--learning_rate, set --gradient_clip_norm or --warmup_steps, or check the data; the weights of the "
                "epochs before are kept and the same command resumes from them"
            )


class CopyWeights(tf.keras.callbacks.Callback):
    """Copies the weights of the trained model to a plain and whole one, which is then scored and saved in its place.

    Every worker has to take part, since reading BatchNorm's statistics averages them over all replicas.
    """

    def __init__(self, copy: tf.keras.Model) -> None:
        super().__init__()
        self.copy = copy

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        loading.copy_weights(self.model, self.copy)


class LearningRate(tf.keras.callbacks.Callback):
    """Adds the learning rate of the epoch's last step to the logs."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        logs["learning_rate"] = float(tf.convert_to_tensor(self.model.optimizer.learning_rate))


class Validation(tf.keras.callbacks.Callback):
    """Adds the scores of the validation split to the logs and draws some of its people for TensorBoard."""

    def __init__(self, validator: Validator, tensorboard: pathlib.Path) -> None:
        super().__init__()
        self.validator = validator
        # The folder that Keras' TensorBoard callback puts the val_* scores in.
        self._writer = tf.summary.create_file_writer(str(tensorboard / "validation"))

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        scores, estimates = self.validator.scores()
        logs.update(scores)
        drawings = self.validator.drawings(estimates)
        if drawings is not None:
            with self._writer.as_default():
                tf.summary.image("validation examples", drawings[None], step=epoch)
                self._writer.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._writer.close()


class EpochLog(tf.keras.callbacks.Callback):
    """A CSV file with one row an epoch, as Keras' CSVLogger writes, but whole and without repeated epochs."""

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        rows: list[dict] = [row for row in read_log(self.path) if int(row["epoch"]) < epoch]
        rows.append({"epoch": epoch, **{name: f"{float(value):.6g}" for name, value in logs.items()}})
        # Columns in the order in which they first appear.
        columns = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        files.write_text(self.path, text.getvalue())


class BestWeights(tf.keras.callbacks.Callback):
    """Keeps the weights of the epoch with the best score, which outlives a restart inside the weights file itself.

    Args:
      model: the plain model to save.
      path: the weights file; its attributes say of which epoch it is and what it scored.
      score: name in the logs of the score, higher is better.
    """

    def __init__(self, model: tf.keras.Model, path: pathlib.Path, score: str) -> None:
        super().__init__()
        # Keras sets ``model`` to the one being trained.
        self.saved_model, self.path, self.score = model, path, score
        self._best = -math.inf

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._best = workdir.read_attributes(self.path).get(self.score, -math.inf)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        # A protocol without people to score has no AP; then the latest epoch is the best there is.
        score = logs.get(self.score, -1.0)
        if score >= self._best:
            self._best = score
            scores = {name: float(value) for name, value in logs.items() if name.startswith("val_")}
            workdir.save_weights(self.saved_model, self.path, {"epoch": epoch, **scores, self.score: float(score)})


class StepProgress(tf.keras.callbacks.Callback):
    """Reports steps to a log now and then; a terminal has Keras' progress bar."""

    def __init__(self, stage: str, epochs: int) -> None:
        super().__init__()
        self.stage, self.epochs = stage, epochs
        self._progress = Progress("", "", enabled=False)
        # Keeps Keras from fetching all logs from the device after every step.
        self._supports_tf_logs = True

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._progress = Progress(f"stage {self.stage}, epoch {epoch + 1}/{self.epochs}", "steps", self.params["steps"])

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        self._progress.update(1)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self._progress.close()


class EpochLine(tf.keras.callbacks.Callback):
    """Prints a line an epoch, for logs; a terminal has Keras' progress bar besides.

    Args:
      stage: name of the stage.
      epochs: epochs of the stage.
    """

    def __init__(self, stage: str, epochs: int) -> None:
        super().__init__()
        self.stage, self.epochs = stage, epochs
        self._start = 0.0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._start = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        shown = [f"loss {logs['loss']:.4g}"]
        scores = {name[len("val_") :]: value for name, value in logs.items() if name.endswith(("_AP", "_inv75"))}
        shown += [f"{name} {value:.3f}" for name, value in scores.items()]
        seconds = time.monotonic() - self._start
        print(f"stage {self.stage}, epoch {epoch + 1}/{self.epochs}, {seconds:.0f} s: {', '.join(shown)}", flush=True)


def read_log(path: pathlib.Path) -> list[dict[str, str]]:
    """Rows of an ``EpochLog`` file, column -> text; [] where there is none."""
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
