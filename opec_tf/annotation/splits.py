"""Videos dealt out to splits: all pictures of one video are in one, also when more pictures come later."""

from __future__ import annotations

import collections
import os
import pathlib
from collections.abc import Mapping, Sequence

from opec_tf.annotation import frames_manifest
from opec_tf.common import files
from opec_tf.common.errors import UserError

# The paper's 5,000, 2,000 and 2,000 pictures.
SHARES = {"train": 5.0, "val": 2.0, "test": 2.0}
NAME = "splits.json"
# Of other files beside the splits'.
_TAKEN = {"splits", "report", "deviations"}


def videos_of(pictures: Sequence[str], images: os.PathLike[str] | str) -> dict[str, str]:
    """The video that each picture is of: by the frames' manifest, else the sub-folder, else the picture by itself.

    Args:
      pictures: paths from the folder of pictures on, with slashes.
      images: that folder.

    Raises:
      UserError: the manifest is malformed.
    """
    known = frames_manifest.videos_of_pictures(images)
    return {picture: known.get(picture) or os.path.dirname(picture) or picture for picture in pictures}


def deal(videos: Mapping[str, str], shares: Mapping[str, float], dealt: Mapping[str, str]) -> dict[str, str]:
    """The split of each video: the largest first, each to the split that lacks the most pictures of its share.

    Args:
      videos: picture -> its video.
      shares: split -> share of the pictures.
      dealt: video -> split, of videos that have one and keep it.
    """
    sizes = collections.Counter(videos.values())
    splits = dict(dealt)
    filled = collections.Counter(dict.fromkeys(shares, 0))
    for video, size in sizes.items():
        if video in splits:
            filled[splits[video]] += size
    total, whole = sum(sizes.values()), sum(shares.values())
    for video, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        if video not in splits:
            splits[video] = max(shares, key=lambda split: shares[split] / whole * total - filled[split])
            filled[splits[video]] += size
    return splits


def read(folder: os.PathLike[str] | str, shares: Mapping[str, float]) -> dict[str, str]:
    """Which videos of a folder's data set have a split, video -> split; none where nothing was dealt yet.

    Raises:
      UserError: the file is malformed, the videos were dealt in other shares, or a split cannot have its name.
    """
    if taken := sorted(_TAKEN.intersection(shares)):
        raise UserError(f"--splits: no split can be called {taken[0]}, as another file is; choose another name")
    path = pathlib.Path(folder) / NAME
    if not path.exists():
        return {}
    content = files.read_json(path)
    videos = content.get("videos") if isinstance(content, dict) else None
    if not isinstance(videos, dict) or not isinstance(content.get("shares"), dict):
        raise UserError(f"{path}: is no file of splits; remove it to deal the videos anew")
    if content["shares"] != dict(shares) or not set(videos.values()) <= set(shares):
        raise UserError(
            f"{path}: the videos were dealt as {content['shares']}, not {dict(shares)}; give the same --splits, or "
            "remove the file to deal them anew"
        )
    return videos


def write(folder: os.PathLike[str] | str, shares: Mapping[str, float], videos: Mapping[str, str]) -> None:
    """Writes which split each video is in, for the next time."""
    files.write_json(pathlib.Path(folder) / NAME, {"shares": dict(shares), "videos": dict(videos)}, indent=1)
