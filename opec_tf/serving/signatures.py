"""The exported model: encoded pictures and person boxes in, keypoints out; TensorFlow operations only.

Signatures, all numbers float32; B is the dimension along which a server may batch, equal for every input and output:

* ``serving_default``: image_bytes string [B], boxes [B, 4] (x, y, w, h in that picture's pixels). One row a person.
* ``image``: image_bytes string [B], boxes [B, N, 4]. N people a picture, which is decoded once; CoupleGraph pairs them.
  An all-zero box is padding: nobody is paired with it, and its row of the answer is zeros.
* ``crops``: crops [B, H, W, 3], RGB, 0..255, of the model's own crop size.
* ``refine``, of a model trained to refine given poses: as ``image``, and keypoints [B, N, K, 3], (x, y, score) in the
  picture's pixels, another system's. A joint of a score of 0 starts from OPEC-Net's own initial pose, as all joints do
  in the other signatures.

Each answers ``keypoints`` [..., K, 3], (x, y, score), in pixels of the picture or crop, from the most refined pose that
the model has; ``initial_keypoints`` [..., K, 3], the pose that it started from (of a base alone both are its heatmap
peak); ``pose_score`` [...], the mean of the joint scores; and, of a model that predicts it, ``visibility`` [..., K, 3],
the probabilities that a joint is visible, occluded or outside the picture. Scores are always the model's own. Pictures
are decoded as ``images.decode`` does it: JPEG, PNG, BMP or the first frame of a GIF, turned upright by a JPEG's Exif
orientation; boxes and keypoints are of the upright picture.

A model server does not hold a request to the shapes of a signature, so the graph itself refuses what it cannot answer.
"""

from __future__ import annotations

import functools

import tensorflow as tf

from opec_tf.common.limits import MAX_PIXELS
from opec_tf.config import InferenceConfig
from opec_tf.inference import forward
from opec_tf.inference.pose_model import PoseModel
from opec_tf.poses import geometry, images
from opec_tf.serving import input_checks
from opec_tf.serving.limits import MOST_PEOPLE

# Resampling leaves the range of pixels by the last digits of float32.
_ROUNDING = 0.5
_IMAGE_BYTES = tf.TensorSpec([None], tf.string, "image_bytes")


class PoseSignatures(tf.Module):
    """A model with its signatures, for ``tf.saved_model.save(module, path, module.signatures)``.

    Args:
      model: one whose network is without BatchNorm (``models.folding``) runs faster.
      inference_config: flip_test and peak_refinement become part of the graph.
      max_pixels: a picture of more is refused.
    """

    def __init__(self, model: PoseModel, inference_config: InferenceConfig, max_pixels: int = MAX_PIXELS) -> None:
        super().__init__(name="pose_signatures")
        network, model_config = model.network, model.model_config
        # The Keras model itself would be saved with a function for each of its layers; its variables are enough.
        self.model_variables = network.variables
        self._estimate_crops = functools.partial(
            forward.estimate_crops,
            network,
            skeleton=model.skeleton,
            inference_config=inference_config,
            crop_offset=model_config.crop_offset,
        )
        self._crop_size, self._crop_offset = model_config.crop_size, model_config.crop_offset
        self._box_margin = model.box_margin
        self._num_joints = model.skeleton.num_joints
        self._max_pixels = max_pixels
        person_boxes = tf.TensorSpec([None, 4], tf.float32, "boxes")
        image_boxes = tf.TensorSpec([None, None, 4], tf.float32, "boxes")
        crops = tf.TensorSpec([None, *self._crop_size, 3], tf.float32, "crops")
        affines, partner = tf.TensorSpec([None, 2, 3], tf.float32), tf.TensorSpec([None], tf.int32)
        given = tf.TensorSpec([None, self._num_joints, 3], tf.float32)
        # All signatures call one function of the network, which is traced, saved and loaded once. It is a concrete one,
        # since a module's other functions are traced anew when it is saved.
        estimate = tf.function(self._estimate_people, [crops, affines, partner, given], autograph=False)
        self._estimate = estimate.get_concrete_function()
        self._functions = {
            "serving_default": (self._people, [_IMAGE_BYTES, person_boxes]),
            "image": (self._images, [_IMAGE_BYTES, image_boxes]),
            "crops": (self._crops, [crops]),
        }
        if forward.takes_poses(network):
            poses = tf.TensorSpec([None, None, self._num_joints, 3], tf.float32, "keypoints")
            self._functions["refine"] = (self._images, [_IMAGE_BYTES, image_boxes, poses])

    @functools.cached_property
    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Signature name -> concrete function."""
        return {
            name: tf.function(function, inputs, autograph=False).get_concrete_function()
            for name, (function, inputs) in self._functions.items()
        }

    def _people(self, image_bytes: tf.Tensor, boxes: tf.Tensor) -> dict[str, tf.Tensor]:
        """image_bytes [B], boxes [B, 4] -> answers [B, ...]."""
        image_bytes, boxes = input_checks.checked(image_bytes, boxes, "[B, 4]")
        with tf.control_dependencies(input_checks.refusals_of_boxes(boxes, tf.ones(tf.shape(boxes)[:1], tf.bool))):
            affines = geometry.crop_affine(boxes, self._crop_size, self._box_margin)

        def crop(inputs: tuple[tf.Tensor, ...]) -> tf.Tensor:
            image_bytes, box, affine = inputs
            return self._crop_people(image_bytes, box[None], affine[None])[0]

        crops = tf.map_fn(crop, (image_bytes, boxes, affines), fn_output_signature=self._crop_spec())
        return self._answers(crops, affines)

    def _images(
        self, image_bytes: tf.Tensor, boxes: tf.Tensor, keypoints: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """image_bytes [B], boxes [B, N, 4] and, to be refined, keypoints [B, N, K, 3] -> answers [B, N, ...]."""
        image_bytes, boxes = input_checks.checked(image_bytes, boxes, "[B, N, 4]")
        given = () if keypoints is None else (input_checks.checked_poses(keypoints, boxes),)
        present = tf.reduce_any(boxes != 0.0, axis=-1)
        few = input_checks.refuse_unless(
            tf.shape(boxes)[1] <= MOST_PEOPLE, f"boxes holds more than {MOST_PEOPLE} rows a picture; ask in parts"
        )
        with tf.control_dependencies([few, *input_checks.refusals_of_boxes(boxes, present)]):
            affines = geometry.crop_affine(tf.where(present[..., None], boxes, 1.0), self._crop_size, self._box_margin)

        def crop(inputs: tuple[tf.Tensor, ...]) -> tf.Tensor:
            image_bytes, boxes, affines, present = inputs
            people = tf.cast(tf.where(present), tf.int32)
            crops = self._crop_people(image_bytes, tf.gather_nd(boxes, people), tf.gather_nd(affines, people))
            return tf.scatter_nd(people, crops, tf.concat([tf.shape(boxes)[:1], tf.shape(crops)[1:]], axis=0))

        # Of no pictures map_fn cannot know how many rows each would have had.
        crops = tf.cond(
            tf.shape(boxes)[0] > 0,
            lambda: tf.map_fn(crop, (image_bytes, boxes, affines, present), fn_output_signature=self._crop_spec(None)),
            lambda: tf.zeros(tf.concat([tf.shape(present), [*self._crop_size, 3]], axis=0)),
        )
        # The network sees people only, all pictures' in one batch.
        people = tf.cast(tf.where(present), tf.int32)
        row_of_person = tf.cumsum(tf.cast(tf.reshape(present, [-1]), tf.int32), exclusive=True)
        row_of_person = tf.reshape(row_of_person, tf.shape(present))
        partner = largest_overlap(boxes, present)
        partner = tf.where(partner < 0, -1, tf.gather(row_of_person, tf.maximum(partner, 0), batch_dims=1))
        answers = self._answers(*(tf.gather_nd(values, people) for values in (crops, affines, partner, *given)))
        return {
            name: tf.scatter_nd(people, answer, tf.concat([tf.shape(present), tf.shape(answer)[1:]], axis=0))
            for name, answer in answers.items()
        }

    def _crops(self, crops: tf.Tensor) -> dict[str, tf.Tensor]:
        """crops [B, H, W, 3] -> answers [B, ...]."""
        expected = f"[B, {self._crop_size[0]}, {self._crop_size[1]}, 3]"
        unchecked = input_checks.of_any_shape(crops)
        refusals = [
            input_checks.refuse_shape("crops", unchecked, expected, crops.shape),
            input_checks.refuse_unless(
                tf.reduce_all((unchecked > -_ROUNDING) & (unchecked < 255.0 + _ROUNDING)),
                "crops holds values outside 0..255; give RGB in 0..255, not normalised",
            ),
        ]
        with tf.control_dependencies(refusals):
            crops = tf.ensure_shape(unchecked, crops.shape)
        # Keypoints are in pixels of the crop as it is given.
        affine = geometry.shift_affine(tf.eye(2, 3), -self._crop_offset)
        affines = tf.tile(affine[None], [tf.shape(crops)[0], 1, 1])
        return self._answers(crops, affines)

    def _crop_people(self, image_bytes: tf.Tensor, boxes: tf.Tensor, affines: tf.Tensor) -> tf.Tensor:
        """One picture, boxes [P, 4] and their affines -> crops [P, H, W, 3]."""
        image = images.decode(image_bytes, self._max_pixels)
        size = tf.cast(tf.reverse(tf.shape(image)[:2], [0]), tf.float32)
        meets = tf.reduce_all((boxes[:, :2] < size) & (boxes[:, :2] + boxes[:, 2:] > 0.0))
        message = "boxes holds a box that lies outside its picture, whose (width, height) is"
        with tf.control_dependencies([input_checks.refuse_unless(meets, message, size)]):
            return images.crop(image, affines, self._crop_size, self._crop_offset)

    def _crop_spec(self, *leading: int | None) -> tf.TensorSpec:
        return tf.TensorSpec([*leading, *self._crop_size, 3], tf.float32)

    def _answers(
        self, crops: tf.Tensor, affines: tf.Tensor, partner: tf.Tensor | None = None, given: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """crops [P, H, W, 3], affines [P, 2, 3], partners [P], poses [P, K, 3] -> the outputs of a signature."""
        count = tf.shape(crops)[0]
        if partner is None:
            partner = tf.fill([count], -1)
        if given is None:
            given = tf.zeros([count, self._num_joints, 3])
        # Convolutions refuse a batch of nobody; somebody black stands in.
        absent = tf.cast(count == 0, tf.int32)
        crops = tf.pad(crops, [[0, absent], [0, 0], [0, 0], [0, 0]])
        # An affine of ones and zeros, since of one of zeros there is no inverse.
        affines = tf.concat([affines, tf.tile(tf.eye(2, 3)[None], [absent, 1, 1])], axis=0)
        partner = tf.pad(partner, [[0, absent]], constant_values=-1)
        given = tf.pad(given, [[0, absent], [0, 0], [0, 0]])
        return {name: answer[:count] for name, answer in self._estimate(crops, affines, partner, given).items()}

    def _estimate_people(
        self, crops: tf.Tensor, affines: tf.Tensor, partner: tf.Tensor, given: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """``_answers`` of at least one person, each with a partner or -1, and a pose or one whose scores are 0."""
        return forward.answers(self._estimate_crops(crops, affines, partner=partner, given=given))


def largest_overlap(boxes: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
    """Each person's partner: the one of the same picture whose box has the largest IoU with theirs, above 0.

    Args:
      boxes: float32 [B, N, 4], (x, y, w, h).
      present: bool [B, N]; False: padding, nobody's partner and without one.

    Returns:
      int32 [B, N], the partner's place among the N; -1 where nobody overlaps. Of equal ones the first.
    """
    low, high = boxes[..., :2], boxes[..., :2] + boxes[..., 2:]
    sides = tf.minimum(high[:, :, None], high[:, None]) - tf.maximum(low[:, :, None], low[:, None])
    overlap = tf.reduce_prod(tf.maximum(sides, 0.0), axis=-1)
    area = tf.reduce_prod(boxes[..., 2:], axis=-1)
    iou = tf.math.divide_no_nan(overlap, area[:, :, None] + area[:, None] - overlap)
    both = present[:, :, None] & present[:, None] & ~tf.eye(tf.shape(boxes)[1], dtype=tf.bool)
    # A column of zeros in front: it wins where nobody overlaps, and where there is nobody.
    iou = tf.pad(tf.where(both, iou, 0.0), [[0, 0], [0, 0], [1, 0]])
    return tf.argmax(iou, axis=-1, output_type=tf.int32) - 1
