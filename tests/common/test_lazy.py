"""Imports that wait, in processes of their own, since what was imported stays."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _run(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_module_of_the_package_is_run_when_it_is_used():
    assert _run(
        """
import sys
from opec_tf.common import lazy

with lazy.imports():
    from opec_tf.poses import drawing

print("cv2" in sys.modules)
print(drawing.mark_joints.__name__, "cv2" in sys.modules)
from opec_tf.poses import drawing as again
print(again is drawing)
"""
    ) == ["False", "mark_joints", "True", "True"]


def test_others_modules_and_later_imports_do_not_wait():
    assert _run(
        """
import sys
from opec_tf.common import lazy

with lazy.imports():
    import wave

print(type(wave).__name__)
from opec_tf.poses import skeletons
print(type(skeletons).__name__)
"""
    ) == ["module", "module"]


def test_a_module_that_is_not_there_is_missed_at_once():
    assert _run(
        """
from opec_tf.common import lazy

try:
    with lazy.imports():
        from opec_tf.poses import no_such_module
except ImportError as error:
    print(error.name)
"""
    ) == ["opec_tf.poses"]
