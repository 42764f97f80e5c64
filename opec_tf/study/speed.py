"""How fast the parts of the project run on this machine, on pictures made up on the spot.

Each function measures one thing and returns plain numbers; times are in seconds. Each is meant for a process of its
own, so that ``peak_memory_mb`` is what that one thing needs.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig
from opec_tf.inference.lite import conversion, lite_model
from opec_tf.inference.person_boxes import PersonBoxes
from opec_tf.inference.pose_model import PoseModel
from opec_tf.models import builders
from opec_tf.poses import skeletons
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.study import timed_steps
from opec_tf.training import precision

IMAGE_SIZE = (480, 640)  # (height, width), COCO's usual size
_IMAGES, _PEOPLE = 24, 4
_MIN_REPEATS = 3


def machine() -> dict[str, object]:
    """What the numbers belong to: number and name of the processors, GPUs, TensorFlow's version."""
    gpus = tf.config.list_physical_devices("GPU")
    return {
        "cpus": os.cpu_count(),
        "cpu_name": _cpu_name(),
        "gpus": [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus],
        "tensorflow": tf.__version__,
    }


def measure_pipeline(
    crop_size: tuple[int, int], data_config: DataConfig, batch_size: int, threads: int, repeats: int, seconds: float
) -> dict[str, float]:
    """Crops a second of the training input, from JPEG files with several people each.

    Args:
      crop_size: (height, width), pixels.
      data_config: of which the augmentation counts.
      batch_size: crops in a batch.
      threads: threads that read, decode and crop.
      repeats: batches timed.
      seconds: time after which no further batch is timed.

    Returns:
      crops_per_second, images_per_second and what ``timed`` gives.
    """
    with tempfile.TemporaryDirectory() as folder:
        iterator = timed_steps.training_input(write_pictures(folder), crop_size, data_config, batch_size, threads)
        result = timed(lambda: next(iterator), repeats, seconds)
    # Batches come in bursts, so that the mean says what the median would not.
    rate = batch_size / result["mean_s"]
    return {"crops_per_second": rate, "images_per_second": rate / _PEOPLE, **result, **memory()}


def measure_training(
    model_config: ModelConfig, train_config: TrainConfig, jit_compile: bool, repeats: int, seconds: float
) -> dict[str, float]:
    """An optimizer step of stage opec on crops that lie ready in memory.

    Args:
      model_config: the network.
      train_config: of which batch_size, precision and the losses count.
      jit_compile: whether XLA compiles the step.
      repeats, seconds: as for ``measure_pipeline``.

    Returns:
      crops_per_second and what ``timed`` gives; its first_s holds tracing and compiling.
    """
    tf.keras.mixed_precision.set_global_policy(precision.resolve(train_config.precision)[0])
    batch = train_config.batch_size
    result = timed(timed_steps.training_step("opec", model_config, train_config, jit_compile), repeats, seconds)
    return {"crops_per_second": batch / result["median_s"], **result, **memory()}


def measure_inference(
    model_config: ModelConfig, inference_config: InferenceConfig, box_margin: float, repeats: int, seconds: float
) -> dict[str, float]:
    """From a decoded picture with a batch of boxes to poses in its pixels: crops, network, decoding.

    Args:
      model_config: the network.
      inference_config: its batch size is the number of people in the picture.
      box_margin: side of a crop over side of its person's box.
      repeats, seconds: as for ``measure_pipeline``.

    Returns:
      people_per_second and what ``timed`` gives; median_s is the latency.
    """
    model = PoseModel(builders.build_opec_net(model_config), model_config, "opec", box_margin)
    return people_speed(model, inference_config, inference_config.inference_batch_size, repeats, seconds)


def people_speed(
    model: PoseModel, inference_config: InferenceConfig, count: int, repeats: int, seconds: float
) -> dict[str, float]:
    """What ``measure_inference`` gives, of a model and so many people in a picture."""
    estimator = model.estimator(inference_config, count)
    frame, boxes = made_up_picture(0).numpy(), made_up_boxes(count, seed=0)
    people = PersonBoxes(np.zeros(count, int), boxes)
    result = timed(lambda: estimator.estimate_frames([frame], [1], people), repeats, seconds)
    return {"people_per_second": count / result["median_s"], **result, **memory()}


def measure_lite(
    model_config: ModelConfig,
    inference_config: InferenceConfig,
    box_margin: float,
    lite_precision: str,
    repeats: int,
    seconds: float,
) -> dict[str, float]:
    """``measure_inference`` of one person, by a TFLite file on all processors.

    Args:
      model_config, inference_config, box_margin, repeats, seconds: as of ``measure_inference``.
      lite_precision: of ``lite.names.PRECISIONS``.

    Returns:
      megabytes, the file's size, and what ``measure_inference`` gives.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.tflite")
        # In a process of its own, whose memory is not counted.
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            pool.submit(_write_lite, path, model_config, inference_config, box_margin, lite_precision).result()
        result = people_speed(lite_model.load(path), inference_config, 1, repeats, seconds)
        return {"megabytes": os.path.getsize(path) / 1e6, **result}


def _write_lite(
    path: str, model_config: ModelConfig, inference_config: InferenceConfig, box_margin: float, lite_precision: str
) -> None:
    """Writes a TFLite file of an untrained model; noise is enough to calibrate what is only to be timed."""
    model = PoseModel(builders.build_opec_net(model_config), model_config, "opec", box_margin)
    noise = np.random.default_rng(0).uniform(0.0, 255.0, [4, *model_config.crop_size, 3]).astype(np.float32)
    file = conversion.convert(
        model, lite_precision, inference_config=inference_config, calibration=list(noise), progress=False
    )
    file.write(path)


def write_pictures(folder: str) -> PoseAnnotations:
    """Writes JPEG files of ``made_up_picture`` and returns ``PoseAnnotations`` of made-up people in them."""
    paths = [os.path.join(folder, f"{i}.jpg") for i in range(_IMAGES)]
    for seed, path in enumerate(paths):
        tf.io.write_file(path, tf.io.encode_jpeg(made_up_picture(seed), quality=95))
    people = _IMAGES * _PEOPLE
    boxes = made_up_boxes(people, seed=0)
    inside = np.random.default_rng(1).uniform(size=[people, skeletons.BODY12.num_joints, 2])
    joints = boxes[:, None, :2] + inside * boxes[:, None, 2:]
    return PoseAnnotations(
        skeleton=skeletons.BODY12,
        image_ids=np.arange(_IMAGES),
        image_paths=np.array(paths),
        image_sizes=np.tile(IMAGE_SIZE, [_IMAGES, 1]),
        crowd_index=np.zeros(_IMAGES),
        annotation_ids=np.arange(people),
        image_index=np.repeat(np.arange(_IMAGES), _PEOPLE),
        boxes=boxes,
        areas=boxes[:, 2] * boxes[:, 3],
        keypoints=np.concatenate([joints, np.full([*joints.shape[:2], 1], 2.0)], axis=-1),
        is_crowd=np.zeros(people, bool),
    )


def made_up_picture(seed: int) -> tf.Tensor:
    """uint8 [480, 640, 3] with as much detail at each scale as a photograph: noise whose amplitude grows with its size.

    At quality 95 its JPEG has the bytes of an average COCO image, 140 kB.
    """
    picture = tf.zeros([*IMAGE_SIZE, 3])
    for octave in range(8):
        side = 2**octave
        noise = tf.random.stateless_normal([-(-IMAGE_SIZE[0] // side), -(-IMAGE_SIZE[1] // side), 3], [seed, octave])
        picture += 4.4 * 1.36**octave * tf.image.resize(noise, IMAGE_SIZE, method="bicubic")
    return tf.saturate_cast(128.0 + picture, tf.uint8)


def made_up_boxes(count: int, seed: int) -> np.ndarray:
    """float64 [count, 4] boxes (x, y, w, h) of people within a picture, 150 to 400 pixels high."""
    random = np.random.default_rng(seed)
    height = random.uniform(150, 400, count)
    width = height * random.uniform(0.3, 0.7, count)
    room = np.stack([IMAGE_SIZE[1] - width, IMAGE_SIZE[0] - height], axis=1)
    return np.concatenate([random.uniform(size=[count, 2]) * room, np.stack([width, height], axis=1)], axis=1)


def timed(step: Callable[[], object], repeats: int, seconds: float) -> dict[str, float]:
    """Times a function after two calls to warm up.

    Returns:
      first_s (the first call, with whatever it traces and compiles), median_s, mean_s, p90_s, repeats.
    """
    first = _duration(step)
    step()
    times: list[float] = []
    start = time.perf_counter()
    while len(times) < _MIN_REPEATS or (len(times) < repeats and time.perf_counter() - start < seconds):
        times.append(_duration(step))
    return {
        "first_s": first,
        "median_s": float(np.median(times)),
        "mean_s": float(np.mean(times)),
        "p90_s": float(np.quantile(times, 0.9)),
        "repeats": len(times),
    }


def _duration(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def memory() -> dict[str, float]:
    """Largest memory so far, of this process and of its first GPU where it has one."""
    # Linux counts kilobytes here, macOS bytes.
    unit = 1e6 if sys.platform == "darwin" else 1e3
    memory = {"peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}
    if tf.config.list_physical_devices("GPU"):
        memory["peak_gpu_memory_mb"] = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6
    return memory


def _cpu_name() -> str:
    """The processor's name where Linux tells it, else ""."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        return ""
