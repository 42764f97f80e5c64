"""Picture files of every kind as bytes, turned ones among them. Shared by several tests."""

import io

import numpy as np
from PIL import Image

# What turns the stored rows upright: Exif 2.3, table of section 4.6.4, "Orientation".
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}
# The orientation that undoes one: all but the quarter turns undo themselves.
UNDONE_BY = {**{orientation: orientation for orientation in UPRIGHT}, 6: 8, 8: 6}


def encode(picture, file_format="JPEG", **options):
    """Array or Pillow image -> bytes of a file."""
    picture = Image.fromarray(np.ascontiguousarray(picture)) if isinstance(picture, np.ndarray) else picture
    stream = io.BytesIO()
    picture.save(stream, file_format, **options)
    return stream.getvalue()


def exif(orientation, byte_order="<"):
    """Exif data of a camera, for ``encode``; the rows are stored as they are given."""
    tags = Image.Exif()
    tags.endian = byte_order
    tags[0x010F], tags[0x0131] = "a maker", "a program"  # entries before and after the orientation
    tags[0x0112] = orientation
    return tags


def turned(upright, orientation):
    """The JPEG file of a picture that a camera stored turned: its orientation makes it ``upright`` again."""
    return encode(UPRIGHT[UNDONE_BY[orientation]](upright), exif=exif(orientation), quality=95, subsampling=0)
