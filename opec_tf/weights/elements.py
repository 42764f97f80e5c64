"""Raw bytes to numbers."""

from __future__ import annotations

import numpy as np

# NumPy has none; two bytes, the upper half of a float32.
BFLOAT16 = "bfloat16"


def size(kind: str) -> int:
    """Bytes of an element; ``kind`` is a NumPy type code without byte order, or ``BFLOAT16``."""
    return 2 if kind == BFLOAT16 else np.dtype(kind).itemsize


def decode(raw: bytes, kind: str, byte_order: str = "<") -> np.ndarray:
    """A one-dimensional array of the elements in ``raw``, of this machine's byte order; bfloat16 becomes float32."""
    if kind == BFLOAT16:
        upper_halves = np.frombuffer(raw, byte_order + "u2").astype(np.uint32)
        return (upper_halves << 16).view(np.float32)
    values = np.frombuffer(raw, byte_order + kind)
    return values.astype(values.dtype.newbyteorder("="), copy=False)
