"""Videos as upright RGB frames, one after the other, until there is none: what a file announces is not always right."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator

import cv2
import numpy as np

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".flv", ".wmv", ".mpg", ".mpeg", ".mts", ".3gp")
_SOUND_SUFFIXES = (".m4a", ".mp3", ".wav", ".ogg", ".flac", ".aac", ".mka")
_SIGNATURES = (b"\x1a\x45\xdf\xa3", b"FLV", b"OggS", b"ID3")  # Matroska, ...
_PICTURE_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif")  # HEIC and AVIF, in the form of an MP4
_UNKNOWN_RATE = 25.0  # frames a second, of a video that does not say, or says what can neither be true nor written
_RATES = 0.1, 1000.0
# A count that a file announces is not believed beyond this (damaged headers say anything), nor are so many frames in a
# row passed over that cannot be decoded.
_MOST_FRAMES, _MOST_DAMAGED = 10**7, 10**4
_HEAD_BYTES = 4096  # of a Matroska or WMV file, which surely have the size that it has
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # what begins a WMV file's own properties


class Video:
    """The frames of a video, which are numbered from 0.

    Args:
      path: the video file, in any format that OpenCV reads.

    Attributes:
      names: the file's name, once a frame.
      ids: 0, 1, ..., the frames' numbers. Of both there are as many as the file announces, until all frames have been
        iterated over or counted, and then as many as there are.
      rate: frames a second.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.skipped: list[str] = []
        capture = _open(path)
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if _RATES[0] <= rate <= _RATES[1] else _UNKNOWN_RATE
        announced = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self._size = [int(capture.get(side)) for side in (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH)]
        capture.release()
        self._announced = int(announced) if 0 < announced <= _MOST_FRAMES else 0
        self._expect(self._announced)
        if not self._announced:  # some containers do not say
            self.count()

    @staticmethod
    def is_video(path: str) -> bool:
        """Whether OpenCV gets a frame out of the file."""
        capture = _open(path)
        readable = capture.isOpened() and capture.grab()
        capture.release()
        return readable

    def __len__(self) -> int:
        return len(self.ids)

    def count(self) -> None:
        """Counts the frames, for those who must know before they see them; it takes a pass through the file."""
        self._expect(sum(1 for _ in self._grabbed(_open(self.path))))

    def sizes(self) -> np.ndarray:
        """The (height, width) of each frame, int [M, 2]."""
        return np.tile(self._size, (len(self), 1))

    def start_at(self, first: int) -> Iterator[tuple[int, np.ndarray]]:
        """Iterates over (row, RGB uint8 [h, w, 3]) from a row on."""
        capture = _open(self.path)
        row = lost = 0
        for lost_before in self._grabbed(capture):
            lost = lost_before
            if row >= first:  # seeking by number is not exact in every format
                if row >= len(self):
                    self._expect(2 * row + 1)
                _, image = capture.retrieve()
                yield row, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            row += 1
        self._expect(row)
        if lost:
            logging.getLogger(__name__).warning("%s: left out %d frames that cannot be decoded", self.path, lost)
        if _is_cut_off(self.path):
            logging.getLogger(__name__).warning(
                "%s: breaks off after %d frames, in the middle of the file; is it whole?", self.path, row
            )

    def timed(self) -> Iterator[tuple[float, Callable[[], np.ndarray]]]:
        """Iterates over (time, function that gives the frame, RGB uint8 [h, w, 3], until the next is asked for).

        A frame's time is when it is shown, in seconds, as the file says it of each frame, for not all are shown equally
        long; where it says none that is later than the frame's before, one frame of ``rate`` later.
        """
        capture, time = _open(self.path), -1.0 / self.rate
        for _ in self._grabbed(capture):
            said = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
            time = said if time < said < np.inf else time + 1.0 / self.rate
            yield time, lambda: cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)

    def _grabbed(self, capture: cv2.VideoCapture) -> Iterator[int]:
        """Grabs one frame after the other until there is none, and says how many before it could not be decoded.

        OpenCV says of a frame that cannot be decoded what it says at the end; only a file that announces more is asked
        again.
        """
        tried = lost = damaged = 0
        while damaged < max(1, min(self._announced - tried + damaged, _MOST_DAMAGED)):
            tried += 1
            if capture.grab():
                lost, damaged = lost + damaged, 0
                yield lost
            else:
                damaged += 1
        capture.release()

    def _expect(self, count: int) -> None:
        self.names = [os.path.basename(self.path)] * count
        self.ids = np.arange(count, dtype=np.int64)


def looks_like_video(path: str) -> bool:
    """Whether a file of which OpenCV gets no frame is a video or sound all the same, by its name or its beginning."""
    if path.lower().endswith((*VIDEO_SUFFIXES, *_SOUND_SUFFIXES)):
        return True
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        head = file.read(16)
    if head[4:8] == b"ftyp":
        return head[8:12] not in _PICTURE_BRANDS
    return head.startswith(_SIGNATURES) or (head[:4] == b"RIFF" and head[8:12] != b"WEBP")


def _open(path: str) -> cv2.VideoCapture:
    """The video, of which OpenCV gives the frames upright, as the file says that they are to be shown."""
    capture = cv2.VideoCapture(path)
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture


def _is_cut_off(path: str) -> bool:
    """Whether a file's own headers say that it is longer than it is; of MP4, QuickTime, Matroska, AVI, FLV and WMV."""
    length = os.path.getsize(path)
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
        if head.startswith(b"RIFF"):
            return int.from_bytes(head[4:8], "little") + 8 > length and head[4:8] != b"\xff" * 4
        if head.startswith(b"\x1a\x45\xdf\xa3"):
            return _matroska_length(head) > length
        if _ASF_PROPERTIES in head:
            at = head.index(_ASF_PROPERTIES) + 40
            return int.from_bytes(head[at : at + 8], "little") > length
        if head.startswith(b"FLV"):
            file.seek(-4, os.SEEK_END)
            start = length - 4 - int.from_bytes(file.read(4), "big")
            file.seek(max(start, 0))
            tag = file.read(4)
            return start < 0 or start + 11 + int.from_bytes(tag[1:], "big") != length - 4
        at = 0
        while head[4:8] == b"ftyp" and at + 8 <= length:  # boxes of a size and a name, one behind the other
            file.seek(at)
            box = file.read(16)
            size = int.from_bytes(box[:4], "big")
            size = int.from_bytes(box[8:], "big") if size == 1 else size
            if size < 8:  # 0: up to the end
                return False
            at += size
    return at > length


def _matroska_length(head: bytes) -> int:
    """Where the segment of a Matroska file ends, which begins behind the header; 0 where it does not say."""
    at = head.find(b"\x18\x53\x80\x67")
    if at < 0:
        return 0
    # A size begins with as many zero bits as it has further bytes, and a one; of only ones it is unknown.
    width = 9 - head[at + 4].bit_length()
    value = int.from_bytes(head[at + 4 : at + 4 + width], "big") & ((1 << 7 * width) - 1)
    return 0 if value == (1 << 7 * width) - 1 else at + 4 + width + value
