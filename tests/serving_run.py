"""An export of an untrained model with poses that differ from joint to joint. Shared by the tests of serving."""

import functools
import http.client
import json

import numpy as np
import tensorflow as tf
import tiny_run

from opec_tf.config import InferenceConfig
from opec_tf.inference import pose_model
from opec_tf.serving import api, exporting

NAME = "opec_net"
BATCH_SIZES = (1, 2, 4, 8)

# A workdir's model, built once for all who ask it; nobody changes it.
load = functools.lru_cache(pose_model.load)


def make(folder, stages=("base", "opec"), model_config=tiny_run.MODEL, batch_sizes=BATCH_SIZES, **inference):
    """Makes FOLDER/run and exports its last stage to FOLDER/models/opec_net; returns (workdir, model's folder)."""
    root, model_dir = folders(folder)
    tiny_run.make(root, stages, model_config, prepare=randomize)
    exporting.export(load(root), model_dir, inference_config=InferenceConfig(**inference), batch_sizes=batch_sizes)
    return root, model_dir


def folders(folder):
    """(workdir, model's folder) that ``make`` makes in a folder."""
    return folder / "run", folder / "models" / NAME


def randomize(model):
    """Weights as after training: none is zero, BatchNorm has statistics of its own, poses stay within the crop."""
    random = np.random.default_rng(0)
    for variable in model.variables:
        if "moving_variance" in variable.name:
            variable.assign(random.uniform(1.0, 1.5, variable.shape))
        else:
            scale = 0.01 if "displacement" in variable.name else 0.1
            variable.assign_add(random.normal(0.0, scale, variable.shape))


def picture(seed=0, size=(120, 160)):
    """uint8 [h, w, 3]: blocks of colour."""
    blocks = np.random.default_rng(seed).integers(0, 256, [6, 8, 3], np.uint8)
    return np.kron(blocks, np.ones([size[0] // 6, size[1] // 8, 1], np.uint8))


def jpeg(seed=0):
    """The picture as a JPEG file's content."""
    return tf.io.encode_jpeg(picture(seed), quality=95).numpy()


BOXES = np.array([[10.5, 20.25, 60.0, 80.5], [40.0, 15.0, 70.0, 90.0]], np.float32)


def request(signature="serving_default", model=NAME, **changes):
    """A good request, some inputs of which are others."""
    inputs = {"image_bytes": [jpeg()], "boxes": BOXES[:1], **changes}
    return api.predict_request(model, signature, inputs)


def rest(server, method, path, content=None):
    """The status and content of a REST answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=60)
    connection.request(method, path, content if isinstance(content, (bytes, type(None))) else json.dumps(content))
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    return response.status, body
