"""Raw bytes to numbers."""

import numpy as np

# NumPy has none; two bytes, the upper half of a float32.
BFLOAT16 = "bfloat16"


def size(kind):
    """Bytes of an element; ``kind`` is a NumPy type code without byte order, or ``BFLOAT16``."""
    return 2 if kind == BFLOAT16 else np.dtype(kind).itemsize


def decode(raw, kind, byte_order="<"):
    """A one-dimensional array of the elements in ``raw``, of this machine's byte order; bfloat16 becomes float32."""
    if kind == BFLOAT16:
        upper_halves = np.frombuffer(raw, byte_order + "u2").astype(np.uint32)
        return (upper_halves << 16).view(np.float32)
    values = np.frombuffer(raw, byte_order + kind)
    return values.astype(values.dtype.newbyteorder("="), copy=False)
