"""How surely ``prepare_data leaks`` finds what was done to a picture, and how rarely it takes two for one.

python tests/data/measure_leaks.py FOLDER...

The pictures of the folders are the training set, and some 300 to 600 of them, changed, the test set. Prints for some
distances the share of these that are found with their own original, a row a change, and how many of the pairs of
different pictures are taken for the same (of a data set that has the same picture twice, those too); then how long the
comparison of 100,000 pictures with 100,000 takes a core, for which OPENBLAS_NUM_THREADS=1 is given.
"""

import pathlib
import sys
import tempfile
import time

import cv2
import numpy as np

from opec_tf.data import picture_hashes
from opec_tf.data.leaks import hashed_pictures, report, search

DISTANCES = (50, 60, 65, 70, 75, 80, 90)


def _recompressed(picture, quality):
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def _resized(picture, scale):
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _cropped(picture, share, rng):
    """Without so much of each side's length, taken from its two ends by chance."""
    low = rng.uniform(0, share, 2) * picture.shape[:2]
    (top, left), (height, width) = low.astype(int), (np.array(picture.shape[:2]) * (1 - share)).astype(int)
    return picture[top : top + height, left : left + width]


# What may happen to a picture on its way into another data set; functions of a BGR picture and a generator.
CHANGES = {
    "half the size": lambda picture, rng: _resized(picture, 0.5),
    "a quarter of the size": lambda picture, rng: _resized(picture, 0.25),
    "1.7 times the size": lambda picture, rng: _resized(picture, 1.7),
    "JPEG quality 30": lambda picture, rng: _recompressed(picture, 30),
    "JPEG quality 10": lambda picture, rng: _recompressed(picture, 10),
    "a fifth brighter": lambda picture, rng: cv2.convertScaleAbs(picture, alpha=1.2),
    "grey": lambda picture, rng: cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
    "mirrored": lambda picture, rng: picture[:, ::-1],
    "cropped by 2 %": lambda picture, rng: _cropped(picture, 0.02, rng),
    "cropped by 5 %": lambda picture, rng: _cropped(picture, 0.05, rng),
    "cropped by 10 %": lambda picture, rng: _cropped(picture, 0.10, rng),
    "half the size, quality 50, mirrored, cropped by 3 %": lambda picture, rng: _recompressed(
        _resized(_cropped(picture[:, ::-1], 0.03, rng), 0.5), 50
    ),
}


def write_changed(paths, folder, change, seed=0):
    """The pictures, changed, in a folder under their places' numbers; returns the new paths."""
    rng = np.random.default_rng(seed)
    written = []
    for number, path in enumerate(paths):
        written.append(str(folder / f"{number}.png"))
        cv2.imwrite(written[-1], CHANGES[change](cv2.imread(path), rng))
    return written


def distances(train, test):
    """The least distance of each picture of ``test`` to each of ``train``, as the search has it; int [M, N]."""
    least = np.full((len(test.paths), len(train.paths)), picture_hashes.BITS)
    for of_test, of_train in search._COMPARED:
        near = picture_hashes.near_pairs(test.hashes[:, of_test], train.hashes[:, of_train], max(DISTANCES))
        np.minimum.at(least, (near.rows, near.columns), near.distances)
    return least


def seconds_of_comparing(pictures=100_000):
    """Processor seconds of comparing so many pictures with as many, from a part of them."""
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 256, (count, picture_hashes.BYTES), np.uint8) for count in (4096, 40960))
    start = time.process_time()
    picture_hashes.near_pairs(first, second, search.DISTANCE)
    return (time.process_time() - start) * len(search._COMPARED) * pictures**2 / (len(first) * len(second))


def main(folders):
    """Prints the table."""
    paths = report.pictures_of(folders, "", "folders")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        everything = hashed_pictures.read(paths, scratch / "hashes.npz", "reading")
        paths = everything.paths
        some = list(range(0, len(paths), max(1, len(paths) // 300)))
        print("| change | " + " | ".join(map(str, DISTANCES)) + " |")
        for change in CHANGES:
            (scratch / "changed").mkdir(exist_ok=True)
            changed = write_changed([paths[row] for row in some], scratch / "changed", change)
            rows = hashed_pictures.read(changed, scratch / f"{change}.npz", "", False)
            own = distances(everything, rows)[np.arange(len(some)), some]
            print(f"| {change} | " + " | ".join(f"{np.mean(own <= most):.1%}" for most in DISTANCES) + " |")
        between = distances(everything, everything)[np.triu_indices(len(paths), 1)]
        print(
            f"| of {len(between)} different pairs | " + " | ".join(str((between <= d).sum()) for d in DISTANCES) + " |"
        )
    print(f"\n100,000 with 100,000 pictures: {seconds_of_comparing():.0f} s of a core")


if __name__ == "__main__":
    main(sys.argv[1:])
