"""Which Keras mixed precision policy pays on this machine.

Half precision halves memory, and time where the device computes in it; a device without such units emulates it, on a
processor some eight times as slow as float32.
"""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator

import tensorflow as tf

# What Linux calls a processor's units for bfloat16, and the first GPUs with units for float16 (Volta).
_BFLOAT16_UNITS = ("avx512_bf16", "amx_bf16")
_FLOAT16_CAPABILITY = (7, 0)
_CPU_INFO = pathlib.Path("/proc/cpuinfo")


def resolve(precision: str) -> tuple[str, str]:
    """The policy that ``TrainConfig.precision`` means here.

    Returns:
      (Keras policy, why it was chosen; "" where the setting says it itself)
    """
    if precision != "auto":
        return precision, ""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        units = [unit for unit in _BFLOAT16_UNITS if unit in _processor_flags()]
        if units:
            return "mixed_bfloat16", f"the processor computes in bfloat16 ({', '.join(units)})"
        return "float32", "the processor has no units for bfloat16"
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    # TensorFlow knows none of a GPU that is not NVIDIA's.
    capability = min(detail.get("compute_capability", (0, 0)) for detail in details)
    found = f"of compute capability {capability[0]}.{capability[1]}"
    if capability >= _FLOAT16_CAPABILITY:
        return "mixed_float16", f"the GPU is {found}"
    return "float32", f"the GPU, {found}, has no units for float16"


@contextlib.contextmanager
def policy(name: str) -> Iterator[None]:
    """A Keras policy while networks are built and trained."""
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)


def _processor_flags() -> set[str]:
    """What the operating system says that the processor can do; nothing where it does not say."""
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.startswith("flags") for flag in line.partition(":")[2].split()}
