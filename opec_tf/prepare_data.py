"""Makes data sets: generates couples, or converts a published annotation file to COCO-format JSON.

python -m opec_tf.prepare_data synthetic --output_dir=data/couples --couples=2000 --seed=1
python -m opec_tf.prepare_data pasted --annotations=person_keypoints.json --images=images --output_dir=data/pairs
python -m opec_tf.prepare_data checked --annotations=labels.json --images=images --poses=predictions_peak.json \
  --output_dir=data/checked
python -m opec_tf.prepare_data ochuman --annotations=ochuman.json --images=ochuman/images --output_dir=data/ochuman

Sub-commands: synthetic; pasted, pairs of real people out of a COCO-format file with joints and masks; checked, a
COCO-format file without the labels that a network's poses (--poses, what evaluate wrote on its boxes) contradict; and
the formats ochuman, ocpose, mpii, coco, crowdpose. A conversion writes NAME_coco.json for NAME.json, which
--format=coco or a data set coco:NAME_coco.json:IMAGES reads; OCHuman becomes ochuman_val_coco.json and
ochuman_test_coco.json, and with --splits any other file NAME_SPLIT_coco.json. Images are neither changed nor copied;
with --images it warns of those that are not there.
"""

from __future__ import annotations

import logging
import os
import pathlib

from absl import flags

from opec_tf.common import cli, files
from opec_tf.common.errors import UserError
from opec_tf.data import label_check
from opec_tf.data.annotations import loading, ochuman
from opec_tf.data.generated import split_images
from opec_tf.data.pasted import dataset as pasted
from opec_tf.data.synthetic import dataset
from opec_tf.evaluation import occlusion

_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "folder for what is made", required=True)
_COUPLES = flags.DEFINE_integer(
    "couples", 2000, "synthetic, pasted: pictures of train, val and test together", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "synthetic, pasted: the same seed makes the same pictures", lower_bound=0)
_IMAGE_SIZE = flags.DEFINE_integer("image_size", 256, "synthetic: side of the square pictures, pixels")
_ANNOTATIONS = flags.DEFINE_string("annotations", "", "pasted, checked, conversion: the annotation file")
_IMAGES = flags.DEFINE_string(
    "images", "", "pasted, checked: the image folder; conversion: the same, to check that the images are there"
)
_POSES = flags.DEFINE_string("poses", "", "checked: COCO results JSON of a network's poses in the annotated boxes")
_SPLITS = flags.DEFINE_list(
    "splits",
    [f"{split}:{share}" for split, share in pasted.SPLITS.items()],
    "pasted: NAME:SHARE of each split, or one NAME for everything; nobody is in two splits; conversion: if given, a "
    "file for each split, the pictures dealt out in the order of their ids",
)


def main(command: str) -> None:
    if command == "synthetic":
        _generate()
    elif command == "pasted":
        _paste()
    elif command == "checked":
        _check_labels()
    else:
        _convert(command)


def _generate() -> None:
    splits = dataset.write_dataset(_OUTPUT_DIR.value, _COUPLES.value, _SEED.value, image_size=_IMAGE_SIZE.value)
    for split, statistics in splits.items():
        _print_statistics(split, statistics)


def _paste() -> None:
    if not _ANNOTATIONS.value:
        raise UserError("--annotations is missing; name a COCO-format file with joints and masks")
    splits = pasted.write_dataset(
        _OUTPUT_DIR.value,
        _ANNOTATIONS.value,
        _IMAGES.value,
        _COUPLES.value,
        _SEED.value,
        pasted.parse_splits(_SPLITS.value),
    )
    for split, statistics in splits.items():
        _print_statistics(split, statistics)


def _check_labels() -> None:
    for name in ("annotations", "poses"):
        if not flags.FLAGS[name].value:
            raise UserError(f"--{name} is missing; name a COCO-format file, and a network's poses in its boxes")
    found = label_check.write(_OUTPUT_DIR.value, _ANNOTATIONS.value, _IMAGES.value, _POSES.value)
    print(", ".join(f"{name}: {count}" for name, count in found.counts().items()))


def _convert(annotation_format: str) -> None:
    if not _ANNOTATIONS.value:
        raise UserError(f"--annotations is missing; name the {annotation_format} annotation file")
    source = pathlib.Path(_ANNOTATIONS.value)
    people = loading.read(annotation_format, source, _IMAGES.value)
    if _IMAGES.value:
        _warn_of_missing_images(people.image_paths.tolist())
    parts = {source.stem: people}
    if annotation_format == "ochuman":
        parts = {f"ochuman_{split}": part for split, part in ochuman.split(people).items()}
    elif flags.FLAGS["splits"].present:
        shares = pasted.parse_splits(_SPLITS.value)
        parts = {f"{source.stem}_{split}": part for split, part in split_images(people, shares).items()}
    folder = files.make_folder(_OUTPUT_DIR.value)
    for name, part in parts.items():
        path = folder / f"{name}_coco.json"
        files.write_json(path, part.to_coco(image_root=_IMAGES.value))
        statistics = occlusion.table1_statistics(occlusion.image_ious(part))
        _print_statistics(path, {**statistics, "people": part.num_people})


def _warn_of_missing_images(paths: list[str]) -> None:
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        logging.getLogger(__name__).warning(
            "%d of %d images are missing, the first is %s; check --images", len(missing), len(paths), missing[0]
        )


def _print_statistics(name: str | pathlib.Path, statistics: dict[str, float]) -> None:
    """One line: how many people, and the row of the paper's Table 1."""
    print(
        f"{name}: {statistics['people']} people in {statistics['images']} images; largest box IoU of an image: mean "
        f"{statistics['mean_iou']:.3f}, above 0.3 in {statistics['iou30']:.1%} of images, above 0.5 in "
        f"{statistics['iou50']:.1%}, above 0.75 in {statistics['iou75']:.1%}"
    )


if __name__ == "__main__":
    cli.run(main, __doc__, commands=("synthetic", "pasted", "checked", *loading.FORMATS), resumes=True)
