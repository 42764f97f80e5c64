"""pycocotools' matching of poses to people, to the last bit, in a fraction of its time.

pycocotools computes each OKS by itself and asks at every threshold for every pair; here all OKS of a file are one array
computation, in the order of operations of the original, and a pair is asked about only where its OKS reaches the lowest
threshold.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from pycocotools.cocoeval import COCOeval

_ALMOST_ONE = 1 - 1e-10  # pycocotools' cap on thresholds
Item = dict[str, Any]


class _Image(NamedTuple):
    """What matching needs of an image, whatever the range of areas.

    Attributes:
      people: of the image.
      poses: the ones that count, best first.
      areas: of the poses [D].
      near: for each pose the people whose OKS with it reaches the lowest threshold, (OKS, row of people), the largest
        OKS first, of equals the last person.
    """

    people: list[Item]
    poses: list[Item]
    areas: np.ndarray
    near: list[list[tuple[float, int]]]


class KeypointEval(COCOeval):
    """A ``COCOeval`` of kind "keypoints", of which ``evaluate`` is faster and says the same."""

    def evaluate(self) -> None:
        """See ``COCOeval.evaluate``."""
        self._oks: dict[tuple[int, int], Any] | None = None
        self._images: dict[tuple[int, int], _Image] = {}
        super().evaluate()

    def computeOks(self, imgId: int, catId: int) -> Any:
        """OKS [D, G] of an image's poses, best first, with its people; [] where it lacks either."""
        if self._oks is None:
            self._oks = self._all_oks()
        return self._oks.get((imgId, catId), [])

    def evaluateImg(self, imgId: int, catId: int, aRng: list[float], maxDet: int) -> Item | None:
        """See ``COCOeval.evaluateImg``."""
        image = self._image(imgId, catId, maxDet)
        if not image.people and not image.poses:
            return None
        low, high = aRng
        ignored = [int(p["ignore"] or p["area"] < low or p["area"] > high) for p in image.people]
        order = sorted(range(len(ignored)), key=ignored.__getitem__)  # stable
        person_matches, pose_matches, pose_ignored = self._matches(image, ignored)
        unmatched_outside = (pose_matches == 0) & ((image.areas < low) | (image.areas > high))
        return {
            "image_id": imgId,
            "category_id": catId,
            "aRng": aRng,
            "maxDet": maxDet,
            "dtIds": [pose["id"] for pose in image.poses],
            "gtIds": [image.people[row]["id"] for row in order],
            "dtMatches": pose_matches,
            "gtMatches": person_matches[:, order],
            "dtScores": [pose["score"] for pose in image.poses],
            "gtIgnore": np.array([ignored[row] for row in order]),
            "dtIgnore": pose_ignored | unmatched_outside,
        }

    def _image(self, image_id: int, category_id: int, most: int) -> _Image:
        key = image_id, category_id
        if key not in self._images:
            people, poses, oks = self._gts[key], _best(self._dts[key], most), self.ious[key]
            lowest = min(self.params.iouThrs[0], _ALMOST_ONE)
            near = [
                sorted(((value, row) for row, value in enumerate(values) if value >= lowest), reverse=True)
                for values in (oks.tolist() if len(oks) else ())
            ]
            self._images[key] = _Image(people, poses, np.array([pose["area"] for pose in poses]), near)
        return self._images[key]

    def _matches(self, image: _Image, ignored: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ids of the matches of each person [T, G] and of each pose [T, D], 0 for none; and whether a pose's match is
        ignored [T, D]. Each pose, best first, takes the person of largest OKS that is left, one who counts rather than
        one who is ignored."""
        thresholds = [min(threshold, _ALMOST_ONE) for threshold in self.params.iouThrs.tolist()]
        of_person, of_pose, is_ignored = (
            [[0] * len(items) for _ in thresholds] for items in (image.people, image.poses, image.poses)
        )
        for pose, near in enumerate(image.near):
            # Stable: of those who count, and of those who are ignored, the order stays.
            near = sorted(near, key=lambda pair: ignored[pair[1]]) if len(near) > 1 else near
            for at, threshold in enumerate(thresholds) if near else ():
                for oks, person in near:
                    if oks < threshold or (of_person[at][person] and not image.people[person]["iscrowd"]):
                        continue
                    of_person[at][person] = image.poses[pose]["id"]
                    of_pose[at][pose] = image.people[person]["id"]
                    is_ignored[at][pose] = ignored[person]
                    break
        return (
            np.array(of_person, np.float64),
            np.array(of_pose, np.float64),
            np.array(is_ignored, bool),
        )

    def _all_oks(self) -> dict[tuple[int, int], np.ndarray]:
        """The OKS [D, G] of every image and category that has poses and people."""
        groups = {}
        most = self.params.maxDets[-1]
        for key, people in self._gts.items():
            if people and self._dts.get(key):
                groups[key] = _best(self._dts[key], most), people
        everybody = [person for _, people in groups.values() for person in people]
        every_pose = [pose for poses, _ in groups.values() for pose in poses]
        first_pose = first_person = 0
        rows, columns, shapes = [], [], []
        for poses, people in groups.values():
            shapes.append((len(poses), len(people)))
            rows.append(np.repeat(np.arange(first_pose, first_pose + len(poses)), len(people)))
            columns.append(np.tile(np.arange(first_person, first_person + len(people)), len(poses)))
            first_pose, first_person = first_pose + len(poses), first_person + len(people)
        if not groups:
            return {}
        values = self._pairs_oks(every_pose, everybody, np.concatenate(rows), np.concatenate(columns))
        ends = np.cumsum([poses * people for poses, people in shapes])[:-1]
        return {key: part.reshape(shape) for key, part, shape in zip(groups, np.split(values, ends), shapes)}

    def _pairs_oks(self, poses: list[Item], people: list[Item], rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """The OKS of pairs, float64 [P]: rows of poses and of people."""
        found = np.array([pose["keypoints"] for pose in poses], np.float64)[rows].reshape(len(rows), -1, 3)
        truth = np.array([person["keypoints"] for person in people], np.float64).reshape(len(people), -1, 3)
        boxes = np.array([person["bbox"] for person in people], np.float64)
        areas = np.array([person["area"] for person in people], np.float64)
        seen = truth[..., 2] > 0
        offsets = found[..., :2] - truth[columns][..., :2]
        counts = np.count_nonzero(seen, axis=1)[columns]
        # Of whom no joint is labelled, the distance to twice the box counts.
        nobody = counts == 0
        low, high = (boxes[:, :2] - boxes[:, 2:])[columns[nobody]], (boxes[:, :2] + boxes[:, 2:] * 2)[columns[nobody]]
        points = found[nobody][..., :2]
        offsets[nobody] = np.maximum(0.0, low[:, None] - points) + np.maximum(0.0, points - high[:, None])
        variances = (self.params.kpt_oks_sigmas * 2) ** 2
        squares = offsets[..., 0] ** 2 + offsets[..., 1] ** 2
        errors = squares / variances / (areas[columns][:, None] + np.spacing(1)) / 2
        counted = seen[columns] | nobody[:, None]
        values = np.zeros(len(rows))
        # Sums of as many numbers as are summed there, so that they round alike.
        for count in np.unique(np.count_nonzero(counted, axis=1)):
            of_count = np.count_nonzero(counted, axis=1) == count
            exponents = errors[of_count][counted[of_count]].reshape(-1, count)
            values[of_count] = np.sum(np.exp(-exponents), axis=1) / count
        return values


def _best(poses: list[Item], most: int) -> list[Item]:
    """The poses of highest score, best first, equals in their order."""
    return sorted(poses, key=lambda pose: -pose["score"])[:most]
