"""A plain OpenCV data set, as SimpleBaseline's: a person an item, read, warped and drawn when it is asked for."""

from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np

from opec_tf.config import DataConfig
from opec_tf.poses.skeletons import Skeleton


class OpenCvCrops:
    """People of images, by number.

    Args:
      annotations: COCO-format JSON object.
      images: folder of its images.
      skeleton: of the keypoints.
      crop_size: (height, width), pixels.
      data_config: its mirroring, turns and changes of size; the box is moved and resized with ``box_jitter``.
      sigma: of the heatmaps, cells.
    """

    def __init__(
        self,
        annotations: dict[str, list[dict[str, Any]]],
        images: str,
        skeleton: Skeleton,
        crop_size: tuple[int, int],
        data_config: DataConfig,
        sigma: float,
    ) -> None:
        self._paths = {image["id"]: os.path.join(images, image["file_name"]) for image in annotations["images"]}
        self._people = annotations["annotations"]
        self._flip_order, self._config = list(skeleton.flip_order), data_config
        self._height, self._width = crop_size
        self._sigma = sigma
        self.random = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self._people)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(crop float32 [3, H, W], RGB 0..1; heatmaps float32 [K, H / 4, W / 4])."""
        person, random, config = self._people[index], self.random, self._config
        picture = cv2.imread(self._paths[person["image_id"]], cv2.IMREAD_COLOR)
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        (x, y, w, h), joints = person["bbox"], np.array(person["keypoints"], np.float32).reshape(-1, 3)
        center = np.array([x + w / 2 - 0.5, y + h / 2 - 0.5])
        if random.uniform() < config.flip_probability:
            picture = picture[:, ::-1]
            center[0] = picture.shape[1] - 1 - center[0]
            joints[:, 0] = picture.shape[1] - 1 - joints[:, 0]
            joints = joints[self._flip_order]
        center += config.box_jitter * random.normal(size=2) * [w, h]
        size = np.exp(config.box_jitter * random.normal(size=2)) * [w, h]
        step = config.box_margin * max(size[0] / self._width, size[1] / self._height)
        step *= np.exp(random.uniform(-1, 1) * config.scale_jitter)
        to_crop = self._affine(center, step, np.deg2rad(random.uniform(-1, 1) * config.rotation_degrees))
        crop = cv2.warpAffine(picture, to_crop, (self._width, self._height), flags=cv2.INTER_LINEAR)
        points = joints[:, :2] @ to_crop[:, :2].T + to_crop[:, 2]
        crop = np.ascontiguousarray(crop.transpose(2, 0, 1)).astype(np.float32) / 255.0
        return crop, self._heatmaps(points, joints[:, 2] > 0)

    def _affine(self, center: np.ndarray, step: float, angle: float) -> np.ndarray:
        """Picture pixels -> crop pixels, [2, 3]; ``step``: picture pixels of a crop's."""
        cosine, sine = np.cos(angle) / step, np.sin(angle) / step
        linear = np.array([[cosine, sine], [-sine, cosine]])
        middle = np.array([self._width - 1.0, self._height - 1.0]) / 2.0
        return np.concatenate([linear, (middle - linear @ center)[:, None]], axis=1)

    def _heatmaps(self, points: np.ndarray, labelled: np.ndarray) -> np.ndarray:
        """A Gaussian within 3 sigma of each labelled joint, as SimpleBaseline draws it: at the nearest cell."""
        height, width, reach = self._height // 4, self._width // 4, int(3 * self._sigma)
        maps = np.zeros([len(points), height, width], np.float32)
        offsets = np.arange(-reach, reach + 1)
        patch = np.exp(-(offsets**2 + offsets[:, None] ** 2) / (2.0 * self._sigma**2))
        for joint in np.flatnonzero(labelled):
            x, y = np.rint((points[joint] - 1.5) / 4.0).astype(int)
            left, right = max(x - reach, 0), min(x + reach + 1, width)
            top, bottom = max(y - reach, 0), min(y + reach + 1, height)
            if left < right and top < bottom:
                maps[joint, top:bottom, left:right] = patch[
                    top - y + reach : bottom - y + reach, left - x + reach : right - x + reach
                ]
        return maps
