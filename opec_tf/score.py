"""Scores predicted poses of any system against ground truth; needs no model and no images.

python -m opec_tf.score --ground_truth=crowdpose_val.json --predictions=results.json --protocol=crowdpose

The predictions are a COCO results JSON: [{image_id, category_id, keypoints, score}]. Poses of 12, 14, 16 or 17 joints
are understood by that number as body12, crowdpose14, mpii16 or coco17, and mapped to the protocol's joints by name. The
protocols and the keys of --metrics_out are described in opec_tf/evaluation/protocols.py.

Nobody knows whose pose each one is: all keys, vis and inv too, pair poses with people by OKS, so that two people with
each other's pose count as right. The evaluate command on annotated boxes compares each pose with its own person in vis
and inv; its numbers and these do not compare.
"""

from absl import flags

from opec_tf.common import cli, files
from opec_tf.data.annotations import loading
from opec_tf.evaluation import protocols
from opec_tf.poses import predictions

_GROUND_TRUTH = flags.DEFINE_string("ground_truth", None, "annotation file", required=True)
_PREDICTIONS = flags.DEFINE_string("predictions", None, "COCO results JSON of poses", required=True)
_PROTOCOL = flags.DEFINE_enum("protocol", "crowdpose12", tuple(protocols.PROTOCOLS), "scoring rules")
_FORMAT = flags.DEFINE_enum(
    "format", "auto", ("auto", *loading.FORMATS), "format of the ground truth; auto: the protocol's own"
)
_METRICS_OUT = flags.DEFINE_string("metrics_out", "", "file for the metrics, flat JSON; none by default")

# Protocol -> the format its ground truth comes in.
_OWN_FORMAT = {"crowdpose12": "crowdpose"}


def main() -> None:
    protocol = _PROTOCOL.value
    ground_truth_format = _OWN_FORMAT.get(protocol, protocol) if _FORMAT.value == "auto" else _FORMAT.value
    people = loading.read(ground_truth_format, _GROUND_TRUTH.value, image_folder="")
    poses = predictions.read(_PREDICTIONS.value)
    metrics = protocols.evaluate(people, poses, protocol, name=_PREDICTIONS.value)
    print(f"{protocol}: {poses.num_people} poses against {people.num_people} people in {people.num_images} images")
    print(protocols.format_metrics(metrics))
    if _METRICS_OUT.value:
        files.write_json(_METRICS_OUT.value, metrics, indent=2)


if __name__ == "__main__":
    cli.run(main, __doc__)
