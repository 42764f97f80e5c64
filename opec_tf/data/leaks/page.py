"""A page of pairs of pictures, for looking at them: one file of HTML that needs no other."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Sequence

import cv2
import numpy as np

from opec_tf.common import files
from opec_tf.data.leaks.search import Leak

_SHOWN, _SIDE, _QUALITY = 300, 220, 80
_STYLE = (
    "body{font:14px sans-serif;margin:24px;color:#28282e}figure{display:inline-block;margin:0 24px 24px 0;"
    "vertical-align:top;width:452px}figcaption{overflow-wrap:anywhere}img{margin-right:6px;vertical-align:top}"
)


def write(path: os.PathLike[str] | str, pairs: Sequence[Leak]) -> None:
    """Writes the page: of the test's pictures each once, with its nearest, at most 300 spread over all distances."""
    nearest = list({pair.test: pair for pair in reversed(pairs)}.values())[::-1]
    rows = np.unique(np.linspace(0, len(nearest) - 1, min(_SHOWN, len(nearest))).round().astype(int))
    title = f"{len(nearest)} pictures of the test set are in the training set"
    shown = f"<p>{len(rows)} of them are shown, those in doubt last; leaks.json has all.</p>"
    body = "\n".join(_figure(nearest[row]) for row in rows)
    files.write_text(
        path,
        f'<!doctype html>\n<meta charset="utf-8">\n<title>{title}</title>\n<style>{_STYLE}</style>\n'
        f"<h1>{title}</h1>\n{shown}\n{body}\n",
    )


def _figure(pair: Leak) -> str:
    bits = f", {pair.distance} of 255 bits differ" if pair.distance else ""
    caption = f"{pair.how}{bits}<br>test: {_text(pair.test)}<br>train: {_text(pair.train)}"
    return f"<figure>{_picture(pair.test)}{_picture(pair.train)}<figcaption>{caption}</figcaption></figure>"


def _text(path: str) -> str:
    """A path as text; of a name that is none in UTF-8 as much as can be said."""
    return html.escape(os.fsencode(path).decode("utf-8", "replace"))


def _picture(path: str) -> str:
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) if os.path.getsize(path) else None
    if image is None:
        return "<i>no picture</i>"
    scale = _SIDE / max(image.shape[:2])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    data = base64.b64encode(encoded.tobytes()).decode()
    return f'<img width="{size[0]}" height="{size[1]}" alt="" src="data:image/jpeg;base64,{data}">'
