"""Asks a model server for poses, over gRPC or REST; needs neither the model's code nor TensorFlow's start.

``PoseClient`` speaks to TensorFlow Serving and to ``opec_tf.serve`` alike::

  with PoseClient("localhost:8500") as client:
      poses = client.estimate("photo.jpg", boxes=[[10, 20, 90, 200]])
      for poses in client.estimate_many((path, None) for path in paths):
          ...
      poses = await client.estimate_async("photo.jpg")
      refined = client.estimate("photo.jpg", boxes, keypoints)  # another system's, of a model trained to refine them
"""

import asyncio
import base64
import collections
import concurrent.futures
import dataclasses
import http.client
import json
import os
import pathlib
import random
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from typing import Optional

import cv2
import grpc
import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.poses import drawing
from opec_tf.serving import api

_SIGNATURE, _REFINING_SIGNATURE = "image", "refine"
_OUTPUTS = ("keypoints", "initial_keypoints", "pose_score")
# Of models that say something of it.
_VISIBILITY = "visibility"
_GIF = b"GIF8"
_FORMATS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", _GIF, b"BM")
# A service of several servers, which the target names as dns:///HOST:PORT, gives an address of each: all are asked.
_SERVICE_CONFIG = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
_FIRST_PAUSE = 0.1  # seconds before the first retry; it doubles each time
_CODE_OF_HTTP = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    412: "FAILED_PRECONDITION",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
# What TensorFlow puts around the sentence that says what is wrong.
_ROOT_ERRORS = re.compile(r"\d+ root error\(s\) found\.\s*\(0\)\s*(\w+:)?\s*")
_NODE = re.compile(r"\s*\[\[.*", re.DOTALL)


class PoseServiceError(UserError):
    """The server refused or could not be reached.

    Attributes:
      code: name of the gRPC status, such as "INVALID_ARGUMENT".
    """

    def __init__(self, code, message):
        self.code = code
        super().__init__(message)


@dataclasses.dataclass(frozen=True, eq=False)
class Poses:
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
    visibility: Optional[np.ndarray] = None


class PoseClient:
    """A connection to a model server; may be used from several threads.

    Args:
      target: HOST:PORT of the server's gRPC port, or with ``rest`` of its REST port. gRPC spreads its requests over all
        addresses that a name has, dns:///HOST:PORT.
      model: the model's name.
      version: int; None: the newest.
      rest: REST instead of gRPC.
      deadline: seconds for one picture, retries included.
      retries: how often a server that is UNAVAILABLE is asked again.
      tls: encrypt the connection.
      tls_ca: PEM file of the authority that the server's certificate is checked against; None: the usual ones.
      people_per_request: boxes are padded to a multiple of this number. A server that batches can only join requests of
        equal shape, and refuses the rest, so that all clients of one server should agree on it.
    """

    def __init__(
        self,
        target,
        *,
        model="opec_net",
        version=None,
        rest=False,
        deadline=30.0,
        retries=4,
        tls=False,
        tls_ca=None,
        people_per_request=16,
    ):
        self._target, self._model, self._version, self._rest = target, model, version, rest
        self._deadline, self._retries, self._people = deadline, retries, people_per_request
        self._tls, self._authority = tls or tls_ca is not None, _read(tls_ca) if tls_ca else None
        self._ssl = _tls_context(tls_ca) if self._tls else None
        self._channel = None if rest else self._new_channel(grpc)
        self._async_channel, self._async_loop = None, None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Ends the connection."""
        if self._channel:
            self._channel.close()

    def estimate(self, image, boxes=None, keypoints=None):
        """The poses of the people in one picture.

        Args:
          image: path or content of a JPEG, PNG, BMP or GIF file.
          boxes: [N, 4], (x, y, w, h) in pixels of the upright picture; None: one person, the whole picture.
          keypoints: [N, K, 3], (x, y, score) in the same pixels, another system's poses, to be refined by a model that
            was trained with --initial_pose=given; of a joint of a score of 0 it makes its own. None: of all joints.

        Returns:
          ``Poses``.

        Raises:
          PoseServiceError: the server refused or was not reached.
          UserError: the picture cannot be read, a box is none, or the poses are not those of the boxes.
        """
        image_bytes, boxes = _checked(image, boxes)
        people = self._padded(boxes, keypoints)
        ask = self._ask_rest if self._rest else self._ask_grpc
        give_up = time.monotonic() + self._deadline
        for attempt in range(self._retries + 1):
            try:
                return _unpad(ask(image_bytes, people, give_up - time.monotonic()), boxes)
            except PoseServiceError as error:
                pause = _pause(error, attempt, self._retries, give_up)
                time.sleep(pause)
        raise AssertionError("the last attempt either answers or raises")

    def estimate_many(self, requests, in_flight=8):
        """The poses of many pictures, asked for at the same time and answered in order.

        Args:
          requests: iterable of (image, boxes) or (image, boxes, keypoints) as ``estimate`` takes them; read no further
            ahead than is in flight.
          in_flight: pictures under way at a time.

        Yields:
          ``Poses``, or the ``UserError`` that a picture met: one bad picture does not end the others.
        """
        with concurrent.futures.ThreadPoolExecutor(in_flight) as pool:
            pending = collections.deque()
            for request in requests:
                pending.append(pool.submit(self.estimate, *request))
                if len(pending) >= in_flight:
                    yield _result(pending.popleft())
            while pending:
                yield _result(pending.popleft())

    async def estimate_async(self, image, boxes=None, keypoints=None):
        """``estimate`` for asyncio; over REST in a thread."""
        if self._rest:
            return await asyncio.to_thread(self.estimate, image, boxes, keypoints)
        image_bytes, boxes = _checked(image, boxes)
        loop = asyncio.get_running_loop()
        if self._async_loop is not loop:  # a channel belongs to the event loop it was made in
            self._async_channel, self._async_loop = self._new_channel(grpc.aio), loop
        stub = api.prediction_service_pb2_grpc.PredictionServiceStub(self._async_channel)
        request = self._request(image_bytes, self._padded(boxes, keypoints))
        give_up = time.monotonic() + self._deadline
        for attempt in range(self._retries + 1):
            try:
                response = await stub.Predict(request, timeout=max(give_up - time.monotonic(), 0.001))
                return _unpad(_arrays(response), boxes)
            except grpc.aio.AioRpcError as error:
                pause = _pause(self._refusal(error), attempt, self._retries, give_up)
                await asyncio.sleep(pause)
        raise AssertionError("the last attempt either answers or raises")

    async def close_async(self):
        """``close`` for who used ``estimate_async``."""
        if self._async_channel:
            await self._async_channel.close()
            self._async_channel, self._async_loop = None, None
        self.close()

    def _new_channel(self, module):
        """A channel of ``grpc`` or ``grpc.aio``."""
        options = [
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.service_config", _SERVICE_CONFIG),
        ]
        if self._tls:
            return module.secure_channel(self._target, grpc.ssl_channel_credentials(self._authority), options)
        return module.insecure_channel(self._target, options)

    def _padded(self, boxes, keypoints):
        """boxes [N, 4] and, where given, keypoints [N, K, 3] -> name -> [1, N', ...], zeros behind."""
        people = {"boxes": boxes} if keypoints is None else {"boxes": boxes, "keypoints": _poses(keypoints, len(boxes))}
        missing = -len(boxes) % self._people if len(boxes) else self._people
        return {name: np.pad(rows, [[0, missing], *[[0, 0]] * (rows.ndim - 1)])[None] for name, rows in people.items()}

    def _request(self, image_bytes, people):
        inputs = {"image_bytes": [image_bytes], **people}
        return api.predict_request(self._model, _signature(people), inputs, self._version)

    def _ask_grpc(self, image_bytes, people, seconds):
        stub = api.prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        try:
            return _arrays(stub.Predict(self._request(image_bytes, people), timeout=max(seconds, 0.001)))
        except grpc.RpcError as error:
            raise self._refusal(error) from error

    def _ask_rest(self, image_bytes, people, seconds):
        version = "" if self._version is None else f"/versions/{self._version}"
        url = f"{'https' if self._tls else 'http'}://{self._target}/v1/models/{self._model}{version}:predict"
        inputs = {name: rows.tolist() for name, rows in people.items()}
        inputs["image_bytes"] = [{"b64": base64.b64encode(image_bytes).decode()}]
        body = json.dumps({"signature_name": _signature(people), "inputs": inputs}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=max(seconds, 0.001), context=self._ssl) as answer:
                outputs = json.loads(answer.read())["outputs"]
            return {name: np.array(outputs[name], np.float32) for name in _answered(outputs)}
        except urllib.error.HTTPError as error:
            code = _CODE_OF_HTTP.get(error.code, "UNKNOWN")
            try:
                message = json.loads(error.read())["error"]
            except (ValueError, KeyError, TypeError):
                message = error.reason
            raise self._error(code, message) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            late = isinstance(reason, socket.timeout)
            raise self._error("DEADLINE_EXCEEDED" if late else "UNAVAILABLE", reason) from error
        except (ValueError, KeyError, TypeError) as error:
            raise self._error("UNKNOWN", f"the answer is not a model server's ({error}); check the port") from error

    def _refusal(self, rpc_error):
        return self._error(rpc_error.code().name, rpc_error.details())

    def _error(self, code, message):
        """The error of a status, with what the user can do about it where that is known."""
        message = _NODE.sub("", _ROOT_ERRORS.sub("", str(message)))
        if code == "UNAVAILABLE":
            message += "; check that a server runs there, or try again later"
        if code == "FAILED_PRECONDITION" and f'"{_REFINING_SIGNATURE}"' in message:
            message += "; poses are refined by models exported from a workdir trained with --initial_pose=given"
        if code == "DEADLINE_EXCEEDED":
            message = f"no answer within {self._deadline:g} seconds; raise the deadline"
        return PoseServiceError(code, f"{self._target}: {code}: {message}")


def read_picture(image):
    """Content of an image file; bytes stay as they are.

    Raises:
      UserError: it cannot be read or is no JPEG, PNG, BMP or GIF.
    """
    name = "the picture" if isinstance(image, bytes) else image
    content = image if isinstance(image, bytes) else _read(image)
    if not content.startswith(_FORMATS):
        raise UserError(f"{name}: is not a JPEG, PNG, BMP or GIF picture; convert it, or check the path")
    return content


def decode_picture(image_bytes):
    """RGB uint8 [h, w, 3], upright, as the server sees it.

    Raises:
      UserError: the picture is damaged, or a GIF.
    """
    if image_bytes.startswith(_GIF):  # OpenCV reads none
        raise UserError("the picture is a GIF, which can be asked about but not drawn; convert it to JPEG or PNG")
    picture = cv2.imdecode(np.frombuffer(image_bytes, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise UserError("the picture is truncated or damaged; replace it")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def picture_size(image_bytes):
    """(height, width) of the upright picture.

    Raises:
      UserError: the picture is damaged.
    """
    if not image_bytes.startswith(_GIF):
        return decode_picture(image_bytes).shape[:2]
    width, height = (int.from_bytes(image_bytes[start : start + 2], "little") for start in (6, 8))
    if not width or not height:
        raise UserError("the picture is truncated or damaged; replace it")
    return height, width


def draw(image_bytes, poses, skeleton, hidden_score=0.3):
    """The picture, RGB uint8 [h, w, 3], with the poses over it; see ``drawing.mark_joints``."""
    keypoints, hidden = drawing.mark_joints(poses.keypoints, hidden_score, poses.visibility)
    return drawing.draw_people(decode_picture(image_bytes), keypoints, skeleton, hidden)


def _read(path):
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{os.fspath(path)}: cannot be read ({error.strerror}); check the path") from error


def _tls_context(authority):
    """What checks a server's certificate over REST; gRPC, which says nothing of a bad file, needs the check alone."""
    try:
        return ssl.create_default_context(cafile=authority)
    except ssl.SSLError as error:
        raise UserError(f"{authority}: holds no PEM certificate ({error.reason}); check --tls_ca") from error


def _checked(image, boxes):
    """(content, float32 boxes [N, 4]); refused here, a bad box cannot spoil a batch on the server."""
    image_bytes = read_picture(image)
    if boxes is None:
        height, width = picture_size(image_bytes)
        boxes = [[0, 0, width, height]]
    try:
        boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    except (TypeError, ValueError) as error:
        raise UserError(f"boxes: {error}; give (x, y, w, h) a person") from error
    if not np.isfinite(boxes).all() or (boxes[:, 2:] <= 0).any():
        raise UserError("boxes: one is not finite or has no area; give (x, y, w, h) with w and h above 0")
    return image_bytes, boxes


def _poses(keypoints, num_people):
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


def _signature(people):
    return _REFINING_SIGNATURE if "keypoints" in people else _SIGNATURE


def _pause(error, attempt, retries, give_up):
    """Seconds until the next attempt; where there is none, raises the error."""
    pause = _FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1.0)  # apart from others who were refused at once
    if error.code != "UNAVAILABLE" or attempt == retries or time.monotonic() + pause > give_up:
        raise error
    return pause


def _arrays(response):
    return {name: api.to_array(response.outputs[name]) for name in _answered(response.outputs)}


def _answered(outputs):
    """Names of the outputs to read."""
    return (*_OUTPUTS, _VISIBILITY) if _VISIBILITY in outputs else _OUTPUTS


def _unpad(outputs, boxes):
    people = {name: values[0, : len(boxes)] for name, values in outputs.items()}
    keypoints, initial, scores = (people[name] for name in _OUTPUTS)
    return Poses(keypoints, initial, scores, boxes, people.get(_VISIBILITY))


def _result(future):
    """A future's ``Poses`` or ``UserError``."""
    try:
        return future.result()
    except UserError as error:
        return error
