"""What bounds memory wherever pictures come from strangers."""

from __future__ import annotations

import dataclasses

from opec_tf.common.settings import Checked, setting

# As many as the largest photo of a phone has.
MAX_PIXELS = 200_000_000


@dataclasses.dataclass(frozen=True)
class PictureLimits(Checked, group="running and scoring"):
    """Which pictures are taken."""

    max_pixels: int = setting(
        MAX_PIXELS, "a picture that has more is refused before it is decoded: a small file can hold gigabytes", above=0
    )
