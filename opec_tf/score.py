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
from opec_tf.common.errors import UserError
from opec_tf.data.annotations import loading
from opec_tf.evaluation import protocols
from opec_tf.poses import predictions
from opec_tf.poses.pose_annotations import PoseAnnotations

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
    people = _ground_truth(protocol)
    poses = predictions.read(_PREDICTIONS.value, images=people, if_nobody=protocols.PROTOCOLS[protocol].skeleton)
    metrics = protocols.evaluate(people, poses, protocol, name=_PREDICTIONS.value)
    print(f"{protocol}: {poses.num_people} poses against {people.num_people} people in {people.num_images} images")
    print(protocols.format_metrics(metrics))
    if _METRICS_OUT.value:
        files.write_json(_METRICS_OUT.value, metrics, indent=2)


def _ground_truth(protocol: str) -> PoseAnnotations:
    """The annotated people; where no protocol is named and the file's joints are another one's, that is said."""
    own = _OWN_FORMAT.get(protocol, protocol) if _FORMAT.value == "auto" else _FORMAT.value
    try:
        return loading.read(own, _GROUND_TRUTH.value, image_folder="")
    except UserError:
        if flags.FLAGS["protocol"].present or _FORMAT.value != "auto":
            raise
        try:
            found = loading.read("coco", _GROUND_TRUTH.value, image_folder="").skeleton
        except UserError:
            found = None
        fitting = next((name for name, rules in protocols.PROTOCOLS.items() if rules.skeleton == found), protocol)
        if not found or fitting == protocol:
            raise
    raise UserError(
        f"{_GROUND_TRUTH.value}: has the {found.num_joints} joints of {found.name}, which --protocol={protocol}, the "
        f"default, does not score; name the rules, such as --protocol={fitting}"
    )


if __name__ == "__main__":
    cli.run(main, __doc__)
