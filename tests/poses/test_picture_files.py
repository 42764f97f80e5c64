"""WebP and TIFF pictures: upright whatever their Exif orientation, of 8 or 16 bits, and nothing else."""

import io
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from opec_tf.poses import picture_files

PIXELS = np.zeros([20, 30, 3], np.uint8)
PIXELS[:5, :10], PIXELS[-5:, :10] = (255, 0, 0), (0, 255, 0)


def encoded(file_format, orientation=None, **options):
    exif = Image.Exif()
    if orientation:
        exif[0x112] = orientation
        options["exif"] = exif
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, file_format, **options)
    return file.getvalue()


def decoded(content):
    """As a data set decodes it, in a graph."""
    return next(iter(tf.data.Dataset.from_tensors(content).map(picture_files.decode))).numpy()


@pytest.mark.parametrize("orientation", [None, *range(1, 9)])
@pytest.mark.parametrize(("file_format", "options"), [("WEBP", {"lossless": True}), ("TIFF", {})])
def test_pictures_are_upright(file_format, options, orientation):
    content = encoded(file_format, orientation, **options)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    np.testing.assert_array_equal(decoded(content), upright)
    np.testing.assert_array_equal(picture_files.decode(tf.constant(content)).numpy(), upright)


def test_16_bits_are_read_and_floats_refused():
    bgr = PIXELS[..., ::-1]
    np.testing.assert_array_equal(decoded(cv2.imencode(".tif", bgr.astype(np.uint16) * 257)[1].tobytes()), PIXELS)
    with pytest.raises(tf.errors.InvalidArgumentError, match="no picture of 8 or 16 bits a colour"):
        decoded(cv2.imencode(".tif", bgr.astype(np.float32))[1].tobytes())


@pytest.mark.parametrize("file_format", ["TIFF", "WEBP"])
@pytest.mark.slowest
def test_opencv_refuses_what_has_more_pixels_than_its_bound(file_format, tmp_path):
    """In a process of its own, since OpenCV reads its bound when it is imported."""
    (tmp_path / "picture").write_bytes(encoded(file_format))
    decode = (
        "import sys; from opec_tf.common import cli; from opec_tf.poses import picture_files\n"
        "try: print(picture_files.decode(open(sys.argv[1], 'rb').read()).shape)\n"
        "except ValueError as error: print('refused', error)"
    )
    for bound, answer in (("600", "(20, 30, 3)"), ("599", "refused")):
        environment = {**os.environ, "OPENCV_IO_MAX_IMAGE_PIXELS": bound}
        command = [sys.executable, "-c", decode, str(tmp_path / "picture")]
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        assert found.startswith(answer), found
