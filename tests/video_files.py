"""Videos that OpenCV writes, and what is done to their bytes: turned, cut, or announcing another length."""

import re
import struct

import cv2
import numpy as np

_ONE = 1 << 16  # of the fixed-point numbers of an MP4's matrix
# Degrees by which the picture is to be turned clockwise when it is shown -> the matrix's a, b, c, d.
_TURNS = {90: (0, _ONE, -_ONE, 0), 180: (-_ONE, 0, 0, -_ONE), 270: (0, -_ONE, _ONE, 0)}


def write_video(path, count, size=(48, 64), rate=10, codec="mp4v"):
    """A video of ``count`` grey frames, of level 20 i."""
    write_frames(path, [np.full([*size, 3], 20 * i % 256, np.uint8) for i in range(count)], rate, codec)


def write_frames(path, pictures, rate=10, codec="mp4v"):
    """A video of BGR frames."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), rate, pictures[0].shape[1::-1])
    for image in pictures:
        writer.write(image)
    writer.release()


def turn(path, degrees):
    """Makes an MP4 say that it is to be shown turned clockwise, as a phone's does."""
    content = bytearray(path.read_bytes())
    matrix_at = content.index(b"tkhd") + 44  # of a box of version 0
    a, b, c, d = _TURNS[degrees]
    struct.pack_into(">9i", content, matrix_at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


def announce(path, seconds):
    """Makes a Matroska file announce another duration, and with it another number of frames."""
    content = bytearray(path.read_bytes())
    struct.pack_into(">d", content, content.index(b"\x44\x89\x88") + 3, 1000.0 * seconds)
    path.write_bytes(content)


def retime(path, milliseconds):
    """Makes a Matroska file of 10 frames a second show its frames at other times, within half a minute."""
    content = bytearray(path.read_bytes())
    for number, time in reversed(list(enumerate(milliseconds))):
        block = re.compile(rb"\xa3.{1,2}\x81" + re.escape(struct.pack(">h", 100 * number)) + rb"[\x00\x80]", re.DOTALL)
        struct.pack_into(">h", content, block.search(content).end() - 3, time)
    path.write_bytes(content)


def cut(path, share=0.6):
    """Leaves the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
