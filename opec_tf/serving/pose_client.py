"""Asks a model server for poses, over gRPC or REST; needs neither the model's code nor TensorFlow's start.

``PoseClient`` speaks to TensorFlow Serving and to ``opec_tf.serve`` alike::

  with PoseClient("localhost:8500") as client:
      poses = client.estimate("photo.jpg", boxes=[[10, 20, 90, 200]])
      for poses in client.estimate_many((path, None) for path in paths):
          ...
      poses = await client.estimate_async("photo.jpg")
      refined = client.estimate("photo.jpg", boxes, keypoints)  # another system's, of a model trained to refine them
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from opec_tf.common.errors import UserError
from opec_tf.poses import drawing
from opec_tf.poses.skeletons import Skeleton
from opec_tf.serving import endpoint, pictures
from opec_tf.serving.endpoint import Endpoint, PoseServiceError, Transport
from opec_tf.serving.grpc_transport import GrpcTransport
from opec_tf.serving.rest_transport import RestTransport

__all__ = ["PoseClient", "PoseServiceError", "ServedPoses", "draw"]


@dataclasses.dataclass(frozen=True, eq=False)
class ServedPoses:
    """The people of one picture.

    Attributes:
      keypoints: float32 [N, K, 3], (x, y, score), pixels of the upright picture.
      initial_keypoints: the same, of the pose that was refined: OPEC-Net's own or the one given.
      scores: float32 [N], the mean of each person's joint scores.
      boxes: float32 [N, 4], the boxes asked for.
      visibility: float32 [N, K, 3], probabilities of skeletons.VISIBILITY_CLASSES; None of a model that gives none.
    """

    keypoints: np.ndarray
    initial_keypoints: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    visibility: np.ndarray | None = None


class PoseClient:
    """A connection to a model server; may be used from several threads.

    Args:
      target: HOST:PORT of the server's gRPC port, or with ``rest`` of its REST port. gRPC spreads its requests over all
        addresses that a name has, dns:///HOST:PORT.
      model: the model's name.
      version: None: the newest.
      rest: REST instead of gRPC.
      deadline: seconds for one picture, retries included.
      retries: how often a server that is UNAVAILABLE, or asked too much at a time (RESOURCE_EXHAUSTED), is asked again,
        0 to 4.
      tls: encrypt the connection.
      tls_ca: PEM file of the authority that the server's certificate is checked against; None: the usual ones.
      people_per_request: boxes are padded to a multiple of this number. A server that batches can only join requests of
        equal shape, and refuses the rest, so that all clients of one server should agree on it.
    """

    def __init__(
        self,
        target: str,
        *,
        model: str = "opec_net",
        version: int | None = None,
        rest: bool = False,
        deadline: float = 30.0,
        retries: int = endpoint.MOST_RETRIES,
        tls: bool = False,
        tls_ca: os.PathLike[str] | str | None = None,
        people_per_request: int = 16,
    ) -> None:
        server = Endpoint(target, model, version, deadline, retries, tls, tls_ca, rest)
        self._transport: Transport = RestTransport(server) if rest else GrpcTransport(server)
        self._people = people_per_request

    def __enter__(self) -> PoseClient:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection."""
        self._transport.close()

    def estimate(
        self,
        image: bytes | os.PathLike[str] | str,
        boxes: npt.ArrayLike | None = None,
        keypoints: npt.ArrayLike | None = None,
    ) -> ServedPoses:
        """The poses of the people in one picture.

        Args:
          image: path or content of a JPEG, PNG, BMP or GIF file.
          boxes: [N, 4], (x, y, w, h) in pixels of the upright picture; None: one person, the whole picture.
          keypoints: [N, K, 3], (x, y, score) in the same pixels, another system's poses, to be refined by a model that
            was trained with --initial_pose=given; of a joint of a score of 0 it makes its own. None: of all joints.

        Raises:
          PoseServiceError: the server refused or was not reached.
          UserError: the picture cannot be read, a box is none, or the poses are not those of the boxes.
        """
        image_bytes, checked = _checked(image, boxes)
        return _unpad(self._transport.ask(image_bytes, self._padded(checked, keypoints)), checked)

    def estimate_many(
        self, requests: Iterable[tuple[Any, ...]], in_flight: int = 4
    ) -> Iterator[ServedPoses | UserError]:
        """The poses of many pictures, asked for at the same time and answered in order.

        Args:
          requests: iterable of (image, boxes) or (image, boxes, keypoints) as ``estimate`` takes them; read no further
            ahead than is in flight.
          in_flight: pictures under way at a time. TensorFlow Serving refuses calls beyond what --grpc_max_threads lets
            it take, by default 4 x its processors less some for itself: of 8 the 7th.

        Yields:
          ``ServedPoses``, or the ``UserError`` that a picture met: one bad picture does not end the others.
        """
        with concurrent.futures.ThreadPoolExecutor(in_flight) as pool:
            pending: collections.deque[concurrent.futures.Future[ServedPoses]] = collections.deque()
            for request in requests:
                pending.append(pool.submit(self.estimate, *request))
                if len(pending) >= in_flight:
                    yield _result(pending.popleft())
            while pending:
                yield _result(pending.popleft())

    async def estimate_async(
        self,
        image: bytes | os.PathLike[str] | str,
        boxes: npt.ArrayLike | None = None,
        keypoints: npt.ArrayLike | None = None,
    ) -> ServedPoses:
        """``estimate`` for asyncio; over REST in a thread."""
        image_bytes, checked = _checked(image, boxes)
        return _unpad(await self._transport.ask_async(image_bytes, self._padded(checked, keypoints)), checked)

    async def close_async(self) -> None:
        """``close`` for who used ``estimate_async``."""
        await self._transport.close_async()

    def _padded(self, boxes: np.ndarray, keypoints: npt.ArrayLike | None) -> dict[str, np.ndarray]:
        """boxes [N, 4] and, where given, keypoints [N, K, 3] -> name -> [1, N', ...], zeros behind."""
        people = {"boxes": boxes} if keypoints is None else {"boxes": boxes, "keypoints": _poses(keypoints, len(boxes))}
        missing = -len(boxes) % self._people if len(boxes) else self._people
        return {name: np.pad(rows, [[0, missing], *[[0, 0]] * (rows.ndim - 1)])[None] for name, rows in people.items()}


def draw(image_bytes: bytes, poses: ServedPoses, skeleton: Skeleton, hidden_score: float = 0.3) -> np.ndarray:
    """The picture, RGB uint8 [h, w, 3], with the poses over it; see ``drawing.mark_joints``."""
    keypoints, hidden = drawing.mark_joints(poses.keypoints, hidden_score, poses.visibility)
    return drawing.draw_people(pictures.decode_picture(image_bytes), keypoints, skeleton, hidden)


def _checked(image: bytes | os.PathLike[str] | str, boxes: npt.ArrayLike | None) -> tuple[bytes, np.ndarray]:
    """(content, float32 boxes [N, 4]); refused here, a bad box cannot spoil a batch on the server."""
    image_bytes = pictures.read_picture(image)
    if boxes is None:
        height, width = pictures.picture_size(image_bytes)
        boxes = [[0, 0, width, height]]
    try:
        boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    except (TypeError, ValueError) as error:
        raise UserError(f"boxes: {error}; give (x, y, w, h) a person") from error
    if not np.isfinite(boxes).all() or (boxes[:, 2:] <= 0).any():
        raise UserError("boxes: one is not finite or has no area; give (x, y, w, h) with w and h above 0")
    return image_bytes, boxes


def _poses(keypoints: npt.ArrayLike, num_people: int) -> np.ndarray:
    """float32 keypoints [N, K, 3] of so many people."""
    try:
        keypoints = np.asarray(keypoints, np.float32)
    except (TypeError, ValueError) as error:
        raise UserError(f"keypoints: {error}; give (x, y, score) a joint") from error
    if keypoints.ndim != 3 or keypoints.shape[::2] != (num_people, 3) or not np.isfinite(keypoints).all():
        raise UserError(
            f"keypoints: their shape is {list(keypoints.shape)} for {num_people} boxes, or one is not finite; give "
            "(x, y, score) a joint and a person, a score of 0 for a joint that was not found"
        )
    return keypoints


def _unpad(outputs: Mapping[str, np.ndarray], boxes: np.ndarray) -> ServedPoses:
    people = {name: values[0, : len(boxes)] for name, values in outputs.items()}
    keypoints, initial, scores = (people[name] for name in endpoint.OUTPUTS)
    return ServedPoses(keypoints, initial, scores, boxes, people.get(endpoint.VISIBILITY))


def _result(future: concurrent.futures.Future[ServedPoses]) -> ServedPoses | UserError:
    """A future's ``ServedPoses`` or ``UserError``."""
    try:
        return future.result()
    except UserError as error:
        return error
