"""Decoding files that Pillow wrote, and cropping against known pictures."""

import numpy as np
import pytest
import tensorflow as tf
from encoded_pictures import UPRIGHT, encode, exif
from PIL import Image

from opec_tf.poses import geometry, images


def smooth_picture(height=40, width=56):
    """uint8 [height, width, 3] without sharp edges, so that JPEG changes little; no symmetry."""
    y, x = np.mgrid[:height, :width]
    return np.stack([4 * x, 5 * y, 3 * x + y], axis=-1).clip(0, 255).astype(np.uint8)


def decode(data):
    return images.decode(tf.constant(data)).numpy().astype(int)


@pytest.fixture(scope="module")
def decode_graph():
    return tf.function(images.decode, input_signature=[tf.TensorSpec([], tf.string)])


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_undone(orientation, byte_order, decode_graph):
    picture = smooth_picture()
    stored = decode(encode(picture, "JPEG"))
    data = encode(picture, "JPEG", exif=exif(orientation, byte_order))
    assert (b"II*\0" if byte_order == "<" else b"MM\0*") in data
    np.testing.assert_array_equal(decode_graph(data), UPRIGHT[orientation](stored))


def test_exif_after_jfif_segment_is_found():
    data = encode(smooth_picture(), "JPEG", exif=exif(6, "<"))
    jfif = b"\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
    assert int(images.exif_orientation(data[:2] + jfif + data[2:])) == 6


@pytest.mark.parametrize("orientation", [0, 9, 300])
def test_impossible_orientation_counts_as_upright(orientation):
    assert int(images.exif_orientation(encode(smooth_picture(), "JPEG", exif=exif(orientation, "<")))) == 1


def test_damaged_exif_never_fails():
    orientation = tf.function(images.exif_orientation, input_signature=[tf.TensorSpec([], tf.string)])
    data = encode(smooth_picture(), "JPEG", exif=exif(6, ">"))
    start = data.index(b"Exif")
    random = np.random.default_rng(0)
    for _ in range(200):
        damaged = np.frombuffer(data, np.uint8).copy()
        at = start + 6 + random.integers(0, 60, 4)
        damaged[at] = random.choice([0, 1, 127, 255], 4)
        assert 1 <= int(orientation(damaged.tobytes()[: random.integers(start, len(data))])) <= 8
    assert int(orientation(b"")) == 1


def test_grey_jpeg_and_cmyk_jpeg_become_rgb():
    picture = smooth_picture()
    grey = Image.fromarray(picture).convert("L")
    assert np.abs(decode(encode(grey, "JPEG", quality=95)) - np.asarray(grey)[..., None]).max() <= 4
    cmyk = Image.fromarray(picture).convert("CMYK")
    assert np.abs(decode(encode(cmyk, "JPEG", quality=95)) - np.asarray(cmyk.convert("RGB"))).mean() < 2


def _lossless_files():
    picture = smooth_picture()
    grey = picture[..., 0]
    palette = Image.fromarray(picture).quantize(32)
    alpha = np.dstack([picture, np.full_like(grey, 7)])
    grey_rgb = np.repeat(grey[..., None], 3, axis=-1)
    return {
        "PNG": (encode(picture, "PNG"), picture),
        "grey PNG": (encode(grey, "PNG"), grey_rgb),
        "16 bit PNG": (encode(grey.astype(np.uint16) * 256 + 99, "PNG"), grey_rgb),
        "PNG with alpha": (encode(alpha, "PNG"), picture),
        "palette PNG": (encode(palette, "PNG"), np.asarray(palette.convert("RGB"))),
        "BMP": (encode(picture, "BMP"), picture),
        "grey BMP": (encode(grey, "BMP"), grey_rgb),
        "BMP with alpha": (encode(alpha, "BMP"), picture),
        "palette BMP": (encode(palette, "BMP"), np.asarray(palette.convert("RGB"))),
        "1x1 PNG": (encode(picture[5:6, 9:10], "PNG"), picture[5:6, 9:10]),
        "animated GIF": (
            encode(palette, "GIF", save_all=True, append_images=[palette.rotate(180)]),
            np.asarray(palette.convert("RGB")),
        ),
    }


@pytest.mark.parametrize("name", _lossless_files())
def test_lossless_formats_are_exact(name, decode_graph):
    data, expected = _lossless_files()[name]
    np.testing.assert_array_equal(decode_graph(data), expected)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 0.97])
def test_part_of_a_file_is_an_error(share):
    data = encode(smooth_picture(), "JPEG")
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(data[: int(share * len(data))])


def test_crop_by_the_identity_is_the_image():
    picture = smooth_picture()
    crops = images.crop(picture, tf.eye(2, 3)[None], picture.shape[:2])
    np.testing.assert_array_equal(crops[0], picture)


def test_crop_by_whole_pixels_is_black_outside():
    picture = smooth_picture(6, 8)
    shift = tf.constant([[[1.0, 0.0, 5.0], [0.0, 1.0, -2.0]]])
    expected = np.zeros([5, 7, 3])
    expected[2:, :3] = picture[:3, 5:]
    np.testing.assert_allclose(images.crop(picture, shift, (5, 7))[0], expected, atol=1e-4)


@pytest.mark.parametrize("box", [[500, 500, 20, 30], [-400, 3, 9, 9], [1e9, -1e9, 5, 5], [3, 3, 1e-6, 1e-6]])
def test_crop_of_a_box_outside_the_image_is_black(box):
    crop = images.crop(smooth_picture(), geometry.crop_affine([box], (8, 8)), (8, 8))
    assert bool(tf.reduce_all(tf.math.is_finite(crop)))
    if box[2] > 1:
        assert float(tf.reduce_max(crop)) == 0.0


def test_crops_of_regions_equal_those_of_the_whole_image():
    picture = tf.constant(np.random.default_rng(0).integers(0, 256, (90, 120, 3)), tf.uint8)
    boxes = np.random.default_rng(1).uniform([-20, -20, 10, 10], [110, 80, 40, 40], (30, 4))
    rotation = tf.linspace(-3.0, 3.0, 30)
    affines = geometry.crop_affine(boxes.astype(np.float32), (32, 24), rotation=rotation)
    affines = tf.concat([affines[:15], geometry.mirror_affine(affines[15:], (32, 24))], axis=0)
    transforms = tf.concat([tf.reshape(affines, [30, 6]), tf.zeros([30, 2])], axis=1)
    expected = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.repeat(tf.cast(picture, tf.float32)[None], 30, axis=0),
        transforms=transforms,
        output_shape=[32, 24],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    step = tf.sqrt(tf.abs(tf.linalg.det(affines[..., :2])))
    unreduced = step < 1.5
    assert 10 < int(tf.reduce_sum(tf.cast(unreduced, tf.int32)))
    crops = tf.function(images.crop)(picture, affines, (32, 24))
    np.testing.assert_allclose(crops[unreduced], expected[unreduced], atol=0.05)


@pytest.mark.parametrize("step", [1.0, 1.7, 2.0, 3.3, 7.9])
def test_crop_reads_the_colour_at_the_place_the_affine_says(step):
    """A picture whose colour is its coordinates, enlarged and reduced: half-pixel slips would show as an offset."""
    y, x = np.mgrid[:240, :250].astype(np.float32)
    picture = tf.constant(np.stack([x, y, x + y], axis=-1))
    affine = geometry.crop_affine([[60.0, 50.0, 13 * step, 11 * step]], (11, 13), rotation=0.3)
    points = tf.reshape(tf.stack(tf.meshgrid(tf.range(13.0), tf.range(11.0)), axis=-1), [1, -1, 2])
    expected = tf.reshape(geometry.apply_affine(affine, points), [11, 13, 2])
    error = images.crop(picture, affine, (11, 13))[0, ..., :2] - expected
    # Area sampling takes pixels for squares of one colour: off by up to 1/8 pixel where a window ends inside one.
    assert np.abs(error).max() < (0.001 if step == 1.0 else 0.125)
    assert np.abs(np.mean(error, axis=(0, 1))).max() < 0.01


def test_reduced_crop_averages_what_bilinear_sampling_would_skip():
    checkerboard = np.indices([160, 160]).sum(axis=0)[..., None].repeat(3, axis=-1) % 2 * 255
    affine = geometry.crop_affine([[0, 0, 160, 160]], (32, 32))
    crop = images.crop(checkerboard.astype(np.uint8), affine, (32, 32))[0, 2:-2, 2:-2]
    assert np.abs(crop - 127.5).max() < 12
