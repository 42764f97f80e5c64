"""Native code that is kept quiet, in a process of its own: file descriptors are the whole process's."""

import os
import subprocess
import sys

import pytest

_CODE = """
import os, sys
from opec_tf.common import native

try:
    with native.quiet():
        os.write(2, b"native within\\n")
        print("python within", file=sys.stderr)
        if len(sys.argv) > 1:
            raise ValueError
except ValueError:
    pass
os.write(2, b"native after\\n")
print("python after", file=sys.stderr)
"""


@pytest.mark.parametrize("fails", [False, True])
def test_native_code_is_quiet_where_tensorflows_log_is_off(fails):
    said = {}
    for level in ("3", "2"):
        done = subprocess.run(
            [sys.executable, "-c", _CODE, *["fails"] * fails],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": level},
            capture_output=True,
            text=True,
            check=True,
        )
        said[level] = done.stderr.splitlines()
    assert said["3"] == ["python within", "native after", "python after"]
    assert said["2"] == ["native within", *said["3"]]
