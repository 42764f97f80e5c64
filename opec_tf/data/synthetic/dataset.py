"""Writing a generated data set to disk, in CrowdPose format, with several processes."""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import threading

import numpy as np

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.common.progress import Progress
from opec_tf.data.annotations import coco
from opec_tf.data.synthetic import worker
from opec_tf.evaluation import occlusion
from opec_tf.poses import skeletons

# Shares of the couples; test is large enough for a table. "heldout" comes on top, as large as test: interaction kinds
# and clothes that the other three never show.
SPLITS = {"train": 0.7, "val": 0.1, "test": 0.2}
HELD_OUT = "heldout"
# Raised whenever the same seed gives other pictures, so that a folder of an older generator is not taken for finished.
VERSION = 5
_IDS_PER_SPLIT = 10_000_000


def write_dataset(output_dir, couples, seed, image_size=256, workers=None, progress=True):
    """Renders "Occluded Couples" into ``output_dir``/{train,val,test,heldout}/{images/,annotations.json}.

    ``annotations.json`` is a CrowdPose file with true visibility for all 14 joints, head and neck too (v = 2 visible,
    1 hidden by the own body, the partner or a thing, 0 outside the picture), and two extra fields: ``interaction`` of
    an image, and ``info``, the settings. It is written last. A folder whose annotations say the same settings is left
    as it is; anything else, a broken-off run too, is written anew over what is there.

    Args:
      output_dir: folder, made where it is missing.
      couples: pictures of train, val and test together (7 : 1 : 2); heldout has as many as test besides.
      seed: the same seed gives the same files, whatever the number of workers.
      image_size: side of the square pictures, pixels.
      workers: processes; None: one a core.
      progress: report to stderr.

    Returns:
      dict split -> dict of the Table 1 statistic (``occlusion.table1_statistics``), ``people``, ``hidden_joints``
      (share of the joints inside the picture) and ``crowd_index`` (mean).

    Raises:
      UserError: a setting is out of range, or a file cannot be written.
    """
    sizes = split_sizes(couples)
    if not 64 <= image_size <= 2048:
        raise UserError(f"--image_size={image_size} must be from 64 to 2048")
    output_dir = files.make_folder(output_dir)
    settings = {
        "generator": coco.GENERATOR,
        "version": VERSION,
        "couples": couples,
        "seed": seed,
        "image_size": image_size,
    }
    pending = [split for split in sizes if not _finished(output_dir / split, settings, sizes[split])]
    pictures = {}
    for split in pending:
        (output_dir / split / "annotations.json").unlink(missing_ok=True)
        folder = files.make_folder(output_dir / split / "images")
        number = list(sizes).index(split)
        pictures[split] = [
            (str(folder / _file_name(number, i)), number, i, split == HELD_OUT) for i in range(sizes[split])
        ]
    jobs = [picture for split in pending for picture in pictures[split]]
    records = _render(jobs, seed, image_size, workers, progress) if jobs else {}
    for split in pending:
        annotations = _crowdpose([records[path] for path, *_ in pictures[split]], image_size, pictures[split])
        files.write_json(output_dir / split / "annotations.json", {"info": settings, **annotations})
    return {split: summarize(files.read_json(output_dir / split / "annotations.json")) for split in sizes}


def split_sizes(couples):
    """Pictures of each split, in order."""
    if couples < 10:
        raise UserError(f"--couples={couples} must be at least 10, so that train, val and test have some each")
    sizes = {split: int(round(share * couples)) for split, share in SPLITS.items()}
    sizes["train"] += couples - sum(sizes.values())
    return {**sizes, HELD_OUT: sizes["test"]}


def summarize(crowdpose):
    """Occlusion figures of a CrowdPose-format dict, as ``write_dataset`` returns them for each split."""
    boxes, hidden, labelled = {}, 0, 0
    for annotation in crowdpose["annotations"]:
        boxes.setdefault(annotation["image_id"], []).append(annotation["bbox"])
        flags = np.array(annotation["keypoints"][2::3])
        hidden, labelled = hidden + (flags == skeletons.OCCLUDED).sum(), labelled + (flags > 0).sum()
    overlaps = [occlusion.max_pair_iou(np.array(boxes.get(image["id"], []))) for image in crowdpose["images"]]
    return {
        **occlusion.table1_statistics(overlaps),
        "people": len(crowdpose["annotations"]),
        "hidden_joints": float(hidden / max(labelled, 1)),
        "crowd_index": float(np.mean([image["crowdIndex"] for image in crowdpose["images"]])),
    }


def _file_name(number, index):
    return f"{number * _IDS_PER_SPLIT + index + 1:08d}.jpg"


def _finished(folder, settings, size):
    """Whether a split was written whole under the same settings."""
    path = folder / "annotations.json"
    if not path.exists():
        return False
    try:
        written = files.read_json(path)
    except UserError:
        return False
    if not isinstance(written, dict) or written.get("info") != settings:
        return False
    names = set(os.listdir(folder / "images")) if (folder / "images").is_dir() else set()
    return len(written["images"]) == size and all(image["file_name"] in names for image in written["images"])


def _render(pictures, seed, image_size, workers, progress):
    """Renders pictures with worker processes; returns path -> record."""
    workers = max(1, min(workers or os.cpu_count() or 1, len(pictures)))
    records, processes, counting = {}, [], threading.Lock()
    with Progress("rendering couples", "couples", len(pictures), enabled=progress) as meter:

        def run(share):
            process = _start_worker()
            processes.append(process)
            process.stdin.write(json.dumps({"seed": seed, "image_size": image_size, "pictures": share}))
            process.stdin.close()
            for line in process.stdout:
                record = json.loads(line)
                records[record["path"]] = record
                with counting:
                    meter.update(1)
            message = process.stderr.read().strip()
            if process.wait() == worker.CANNOT_WRITE:
                raise UserError(message.splitlines()[-1])  # warnings of Python's own may stand before it
            if process.returncode != 0:
                raise RuntimeError(f"a rendering process ended with status {process.returncode}: {message}")

        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            jobs = [pool.submit(run, pictures[first::workers]) for first in range(workers)]
            try:
                for job in concurrent.futures.as_completed(jobs):
                    job.result()
            finally:
                for process in processes:
                    process.kill()
    return records


def _start_worker():
    package_root = str(pathlib.Path(__file__).resolve().parents[3])
    paths = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-m", "opec_tf.data.synthetic.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


def _crowdpose(records, image_size, pictures):
    """The CrowdPose-format dict of rendered pictures."""
    images, annotations = [], []
    for record, (path, number, index, _) in zip(records, pictures):
        image_id = number * _IDS_PER_SPLIT + index + 1
        keypoints = np.array(record["keypoints"])
        people = [person for person in range(2) if (keypoints[person, :, 2] > 0).any()]
        images.append(
            {
                "file_name": pathlib.Path(path).name,
                "id": image_id,
                "height": image_size,
                "width": image_size,
                "crowdIndex": round(occlusion.crowd_index(np.array(record["boxes"]), keypoints), 4),
                "interaction": record["interaction"],
            }
        )
        for person in people:
            annotations.append(
                {
                    # CrowdPose counts the 12 body joints only.
                    "num_keypoints": int((keypoints[person, :12, 2] > 0).sum()),
                    "iscrowd": 0,
                    "keypoints": keypoints[person].ravel().tolist(),
                    "image_id": image_id,
                    "bbox": record["boxes"][person],
                    "category_id": 1,
                    "id": 2 * image_id + person,
                }
            )
    skeleton = skeletons.CROWDPOSE14
    category = {
        "supercategory": "person",
        "id": 1,
        "name": "person",
        "keypoints": list(skeleton.joints),
        "skeleton": (skeleton.edges + 1).tolist(),
    }
    return {"images": images, "annotations": annotations, "categories": [category]}
