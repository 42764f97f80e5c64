"""Makes data sets, and looks at them.

python -m opec_tf.prepare_data synthetic --output_dir=data/couples --couples=2000 --seed=1
python -m opec_tf.prepare_data pasted --annotations=person_keypoints.json --images=images --output_dir=data/pairs
python -m opec_tf.prepare_data checked --annotations=labels.json --images=images --poses=predictions_peak.json \
  --output_dir=data/checked
python -m opec_tf.prepare_data frames --videos='videos/*.mp4' --every=3 --output_dir=data/frames
python -m opec_tf.prepare_data merge_annotations --annotations=data/annotated --images=data/frames \
  --output_dir=data/merged
python -m opec_tf.prepare_data statistics --data=crowdpose:crowdpose_val.json:images
python -m opec_tf.prepare_data crowd_index --annotations=labels.json --output_dir=data/indexed
python -m opec_tf.prepare_data leaks --train=data/own/train --test=data/own/test --output_dir=data/leaks
python -m opec_tf.prepare_data ochuman --annotations=ochuman.json --images=ochuman/images --output_dir=data/ochuman

Sub-commands, with their flags beside --output_dir:

  synthetic          generated couples: --couples --seed --image_size
  pasted             pairs of real people out of a COCO-format file with joints and masks: --annotations --images
                     --couples --seed --splits
  checked            a COCO-format file without the labels that a network's poses, which evaluate wrote on its boxes,
                     contradict: --annotations --images --poses
  frames             sharp, distinct pictures out of videos: --videos --every --min_iou --detector, its --detector_...
  merge_annotations  one data set of what several people annotated (opec_tf.annotate), split by video, and the queue of
                     pictures on which they differ: --annotations --images --max_deviation --splits
  statistics         Table 1 of the paper of any data sets, and more of them: --data --data_root; --output_dir may be
                     left out
  crowd_index        a COCO-format file with CrowdPose's crowdIndex: --annotations
  leaks              pictures of one set that are in another, too: --train --test --data_root --distance
  ochuman, ocpose, mpii, coco, crowdpose
                     the format's file as COCO's: --annotations --images --splits

A conversion writes NAME_coco.json for NAME.json, which --format=coco or a data set coco:NAME_coco.json:IMAGES reads;
OCHuman becomes ochuman_val_coco.json and ochuman_test_coco.json, and with --splits any other file NAME_SPLIT_coco.json.
Images are neither changed nor copied; with --images it warns of those that are not there.
"""

from __future__ import annotations

import logging
import os
import pathlib

from absl import flags as absl_flags

from opec_tf.common import cli, files, flags, lazy
from opec_tf.common.errors import UserError
from opec_tf.config import DetectorConfig
from opec_tf.data import crowd_index, label_check
from opec_tf.data.annotations import loading, ochuman
from opec_tf.data.generated import split_images
from opec_tf.data.leaks import report as leaks, search
from opec_tf.data.pasted import dataset as pasted
from opec_tf.data.synthetic import dataset
from opec_tf.evaluation import data_sets, occlusion
from opec_tf.inference.people_names import NANODET

# What starts TensorFlow, which only frames with people needs, and what comes with it.
with lazy.imports():
    from opec_tf.annotation import merging, splits as video_splits, video_frames
    from opec_tf.inference.detectors import named

flags.define(DetectorConfig)
_OUTPUT_DIR = absl_flags.DEFINE_string("output_dir", "", "folder for what is made")
_COUPLES = absl_flags.DEFINE_integer(
    "couples", 2000, "synthetic, pasted: pictures of train, val and test together", lower_bound=1
)
_SEED = absl_flags.DEFINE_integer("seed", 0, "synthetic, pasted: the same seed makes the same pictures", lower_bound=0)
_IMAGE_SIZE = absl_flags.DEFINE_integer("image_size", 256, "synthetic: side of the square pictures, pixels")
_ANNOTATIONS = absl_flags.DEFINE_string(
    "annotations",
    "",
    "pasted, checked, crowd_index, conversion: the annotation file; merge_annotations: the --output_dir of annotate",
)
_IMAGES = absl_flags.DEFINE_string(
    "images",
    "",
    "pasted, checked, merge_annotations: the image folder; conversion: the same, to check that the images are there",
)
_POSES = absl_flags.DEFINE_string("poses", "", "checked: COCO results JSON of a network's poses in the annotated boxes")
_SPLITS = absl_flags.DEFINE_list(
    "splits",
    [f"{split}:{share}" for split, share in pasted.SPLITS.items()],
    "pasted: NAME:SHARE of each split, or one NAME for everything; nobody is in two splits; merge_annotations: the "
    "same, by default train:5,val:2,test:2, and no video is in two; conversion: if given, a file for each split, the "
    "pictures dealt out in the order of their ids",
)
_VIDEOS = absl_flags.DEFINE_string(
    "videos", "", "frames: a video, a folder or a pattern such as 'videos/*.mp4', in quotes"
)
_EVERY = absl_flags.DEFINE_float(
    "every", 3.0, "frames: at least so many seconds between two frames of a video", lower_bound=0.01
)
_MIN_IOU = absl_flags.DEFINE_float(
    "min_iou",
    0.0,
    "frames: only frames in which the boxes of two people that --detector finds overlap by this IoU; 0: all",
    lower_bound=0.0,
    upper_bound=1.0,
)
_DETECTOR = absl_flags.DEFINE_string(
    "detector",
    NANODET,
    "frames: what finds people under --min_iou, as predict has it: nanodet or a YOLO network's file",
)
_MAX_DEVIATION = absl_flags.DEFINE_float(
    "max_deviation",
    0.15,
    "merge_annotations: of two annotators' positions of a joint that agree, as a share of the person's longer side",
    lower_bound=0.0,
)
flags.define_texts("data", "statistics: data sets FORMAT:ANNOTATIONS:IMAGES, separated by commas")
flags.define_texts("train", "leaks: folders of pictures or data sets FORMAT:ANNOTATIONS:IMAGES, separated by commas")
flags.define_texts("test", "leaks: the same, whose pictures should not be among those of --train")
_DATA_ROOT = absl_flags.DEFINE_string(
    "data_root", ".", "statistics, leaks: folder that the paths of --data, --train and --test start from"
)
_DISTANCE = absl_flags.DEFINE_integer(
    "distance",
    search.DISTANCE,
    "leaks: bits, of 255, by which the perceptual hashes of one picture may differ",
    lower_bound=0,
    upper_bound=120,
)

# What each sub-command cannot do without.
_NEEDED = {
    "synthetic": ("output_dir",),
    "pasted": ("annotations", "output_dir"),
    "checked": ("annotations", "poses", "output_dir"),
    "frames": ("videos", "output_dir"),
    "merge_annotations": ("annotations", "images", "output_dir"),
    "statistics": ("data",),
    "crowd_index": ("annotations", "output_dir"),
    "leaks": ("train", "test", "output_dir"),
    **dict.fromkeys(loading.FORMATS, ("annotations", "output_dir")),
}


def main(command: str) -> None:
    actions = {
        "synthetic": _generate,
        "pasted": _paste,
        "checked": _check_labels,
        "frames": _take_frames,
        "merge_annotations": _merge,
        "statistics": _describe,
        "crowd_index": _add_crowd_index,
        "leaks": _find_leaks,
    }
    if command in actions:
        actions[command]()
    else:
        _convert(command)


def _generate() -> None:
    splits = dataset.write_dataset(_OUTPUT_DIR.value, _COUPLES.value, _SEED.value, image_size=_IMAGE_SIZE.value)
    for split, statistics in splits.items():
        _print_statistics(split, statistics)


def _paste() -> None:
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
    found = label_check.write(_OUTPUT_DIR.value, _ANNOTATIONS.value, _IMAGES.value, _POSES.value)
    print(", ".join(f"{name}: {count}" for name, count in found.counts().items()))


def _take_frames() -> None:
    choice = video_frames.Choice(_EVERY.value)
    if _MIN_IOU.value:
        config = flags.read(DetectorConfig)
        if config.detector_nms_iou <= _MIN_IOU.value:
            raise UserError(
                f"--min_iou={_MIN_IOU.value:g}, but of two boxes of an IoU above --detector_nms_iou="
                f"{config.detector_nms_iou:g} the detector keeps one; raise --detector_nms_iou above --min_iou"
            )
        detector = named.make(_DETECTOR.value, config)
        choice = video_frames.Choice(
            _EVERY.value, _MIN_IOU.value, lambda picture: detector(picture)[0], _detector_settings(config)
        )
    frames, videos = video_frames.write(_OUTPUT_DIR.value, _VIDEOS.value, choice)
    print(f"{len(frames)} frames of {videos} videos in {_OUTPUT_DIR.value}, listed in frames.json")


def _detector_settings(config: DetectorConfig) -> str:
    return f"{_DETECTOR.value}, score {config.detector_score:g}, IoU {config.detector_nms_iou:g}"


def _merge() -> None:
    shares = pasted.parse_splits(_SPLITS.value) if flags.FLAGS["splits"].present else video_splits.SHARES
    merged = merging.merge(
        _ANNOTATIONS.value, _IMAGES.value, _OUTPUT_DIR.value, max_deviation=_MAX_DEVIATION.value, shares=shares
    )
    print(merged.text, end="")


def _describe() -> None:
    texts = flags.FLAGS.data
    names = [loading.DatasetSource.parse(text).annotations for text in texts]
    figures = {
        name if names.count(name) == 1 else text: data_sets.describe(loading.load(text, _DATA_ROOT.value))
        for name, text in zip(names, texts)
    }
    print(data_sets.as_markdown(figures))
    if _OUTPUT_DIR.value:
        data_sets.write(_OUTPUT_DIR.value, figures)


def _add_crowd_index() -> None:
    done = crowd_index.write(_OUTPUT_DIR.value, _ANNOTATIONS.value)
    kept = ""
    if done.stated:
        kept = (
            f"; {done.stated} had one and keep it, within 0.01 of what their labels give: {done.agreeing} "
            f"({done.agreeing / done.stated:.1%})"
        )
    print(f"{done.path}: crowdIndex added to {done.added} images{kept}")


def _find_leaks() -> None:
    options = flags.FLAGS
    found = leaks.write(_OUTPUT_DIR.value, options.train, options.test, _DATA_ROOT.value, _DISTANCE.value)
    ways = ", ".join(f"{how}: {found[how]}" for how in search.HOW)
    print(
        f"{found['test_leaked']} of {found['test']} test pictures are among the {found['train']} of the training set "
        f"({ways}); {found['train_leaked']} of the training set are concerned; see {_OUTPUT_DIR.value}/leaks.html"
    )


def _convert(annotation_format: str) -> None:
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
    cli.run(main, __doc__, commands=_NEEDED, resumes=True)
