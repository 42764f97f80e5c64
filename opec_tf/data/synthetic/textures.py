"""Texture tiles: small periodic pictures, made once from fixed seeds and the same in every process."""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 64  # a tile's side in texels; a power of two


def _noise(seed: int, blur: float, stretch: float = 1.0) -> np.ndarray:
    """Periodic smooth noise [SIDE, SIDE], 0..1."""
    picture = np.random.default_rng(seed).random((SIDE, SIDE)).astype(np.float32)
    wide = np.tile(picture, (3, 3))
    wide = cv2.GaussianBlur(wide, (0, 0), sigmaX=blur, sigmaY=blur * stretch)[SIDE:-SIDE, SIDE:-SIDE]
    wide -= wide.min()
    return wide / wide.max()


def _make_tiles() -> tuple[tuple[str, ...], np.ndarray]:
    v, u = np.mgrid[0:SIDE, 0:SIDE]
    dots = (u % 16 - 7.5) ** 2 + (v % 16 - 7.5) ** 2 < 18
    plaid = 0.45 * (v % 32 < 12) + 0.45 * (u % 32 < 12) + 0.4 * (v % 32 == 20) + 0.4 * (u % 32 == 20)
    bricks = ((v % 16) < 2) | (((u + 16 * (v // 16 % 2)) % 32) < 2)
    zigzag = (v + np.abs(u % 32 - 16)) % 16 < 7
    diamonds = (np.abs(u % 32 - 16) + np.abs(v % 32 - 16)) < 11
    rings = (np.hypot(u % 32 - 15.5, v % 32 - 15.5).astype(int) // 4) % 2
    tiles = {
        "plain": np.zeros((SIDE, SIDE)),
        "stripes": v % 16 < 8,
        "thin_stripes": v % 32 < 5,
        "uprights": u % 16 < 5,
        "checks": (u // 8 + v // 8) % 2,
        "plaid": np.clip(plaid, 0, 1),
        "dots": dots,
        "camouflage": (_noise(1, 3.0) > 0.5),
        "mottled": _noise(2, 1.5),
        "denim": 0.6 * _noise(3, 0.6, 3.0) + 0.2 * _noise(4, 4.0),
        "planks": np.clip(0.7 * _noise(5, 6.0, 0.12) + 0.6 * (v % 16 < 1), 0, 1),
        "bricks": bricks,
        "tiles": ((u % 32) < 2) | ((v % 32) < 2),
        "grass": _noise(6, 0.7, 1.6),
        "speckle": (_noise(7, 0.6) > 0.72),
        "zigzag": zigzag,
        "diamonds": diamonds,
        "rings": rings,
    }
    return tuple(tiles), np.stack(list(tiles.values())).astype(np.float32)


NAMES, TILES = _make_tiles()
INDEX = {name: i for i, name in enumerate(NAMES)}
# Brightness of folds and wear that lies over every material.
FOLDS = (0.88 + 0.24 * (0.5 * _noise(11, 5.0, 1.6) + 0.5 * _noise(12, 2.0))).astype(np.float32)
# Sensor noise of unit variance; pictures take random windows of it, which costs less than drawing it anew.
GRAIN = np.random.default_rng(13).standard_normal((1024, 1024)).astype(np.float32)
