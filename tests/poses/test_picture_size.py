"""Pictures that would fill the memory are refused by their headers."""

import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from encoded_pictures import encode
from PIL import Image

from opec_tf.poses import images

HEIGHT, WIDTH = 30, 50


def png_of_zeros(height, width):
    """A whole PNG of two colours, of any size: its zeros are packed a thousandfold."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress(bytes((width + 7) // 8 + 1) * height)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def bmp_with_the_first_row_on_top(height, width):
    bmp = bytearray(encode(np.zeros([height, width, 3], np.uint8), "BMP"))
    bmp[22:26] = struct.pack("<i", -height)
    return bytes(bmp)


def animation(count, height=HEIGHT, width=WIDTH):
    frames = [Image.fromarray(np.full([height, width], i % 200, np.uint8)) for i in range(count)]
    return encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=40, loop=0, comment=b"x" * 700)


FILES = {
    "JPEG": encode(np.zeros([HEIGHT, WIDTH, 3], np.uint8), "JPEG"),
    "progressive JPEG": encode(np.zeros([HEIGHT, WIDTH, 3], np.uint8), "JPEG", progressive=True),
    "PNG": png_of_zeros(HEIGHT, WIDTH),
    "BMP": encode(np.zeros([HEIGHT, WIDTH, 3], np.uint8), "BMP"),
    "BMP, top row first": bmp_with_the_first_row_on_top(HEIGHT, WIDTH),
    "GIF": animation(1),
    "animated GIF": animation(20),
}


@pytest.mark.parametrize("name", FILES)
def test_exactly_so_many_pixels_are_allowed(name):
    assert images.decode(FILES[name], HEIGHT * WIDTH).shape == [HEIGHT, WIDTH, 3]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"has more than max_pixels=1499; make it smaller"):
        images.decode(FILES[name], HEIGHT * WIDTH - 1)


@pytest.mark.parametrize("size", [(30_000, 30_000), (2**32 - 1, 2**32 - 1), (1, 2**32 - 1)])
def test_a_bomb_is_refused_before_it_is_decoded(size):
    small = png_of_zeros(8, 8)
    bomb = png_of_zeros(*size) if size[0] == 30_000 else small[:16] + struct.pack(">II", *size[::-1]) + small[24:]
    assert len(bomb) < 200_000
    with pytest.raises(tf.errors.InvalidArgumentError, match="has more than max_pixels=200000000"):
        images.decode(bomb)


def test_of_an_animation_the_first_frame_alone_is_decoded(monkeypatch):
    seen = []
    monkeypatch.setattr(tf.image, "decode_image", lambda content, **_: seen.append(content) or tf.zeros([1, 1, 3]))
    many = animation(10_000)
    images.decode(many)
    assert len(many) > 900_000 and len(seen[0].numpy()) < 3_000


def test_a_frame_larger_than_its_screen_counts():
    gif = bytearray(animation(1))
    at = gif.index(b"\x2c\0\0\0\0" + struct.pack("<HH", WIDTH, HEIGHT))
    gif[at + 5 : at + 9] = struct.pack("<HH", 60_000, 50_000)
    with pytest.raises(tf.errors.InvalidArgumentError, match="has more than max_pixels"):
        images.decode(bytes(gif))


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_off_anywhere_is_an_error(name):
    data = FILES[name] if name != "animated GIF" else animation(1)
    graph = tf.function(images.decode, input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
    for length in sorted({*range(0, 40, 3), len(data) // 2}):
        with pytest.raises(tf.errors.InvalidArgumentError):
            graph(data[:length])
