"""Pictures of generated couples and a running annotation server, for its tests."""

import contextlib
import json
import threading

import cv2
import numpy as np

from opec_tf.annotation import access, pictures, server, store
from opec_tf.data.synthetic import couple
from opec_tf.poses.skeletons import BODY12

SIDE = 256


def write_couples(folder, names, side=SIDE):
    """Writes a picture of a generated couple for each name; returns their joints, [2, 12, 3] (x, y, v) each."""
    truth = {}
    for number, name in enumerate(names):
        made = couple.make_couple(np.random.default_rng([11, number]), side)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), made.image[..., ::-1])
        truth[name] = made.keypoints[:, : BODY12.num_joints].copy()
    return truth


class Served:
    """A server of a folder's pictures in a thread of this process.

    Attributes:
      folder: where the annotators' files are.
      port: of the server.
      address: what to open.
    """

    def __init__(self, images, folder, annotator="anna", host="127.0.0.1", token="", suggester=None):
        self.folder, self.annotator = folder, annotator
        self.rules = access.Access(host, token)
        self.store = store.Store(folder, annotator)
        app = server.build_app(pictures.Pictures(images), self.store, BODY12, self.rules, suggester)
        self._server = server.listen(app, host, 0)
        self.port = server.port_of(self._server)
        self.address = f"http://127.0.0.1:{self.port}/"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        with contextlib.suppress(OSError):  # its sockets are closed while it waits for them
            self._server.run()

    def close(self):
        """Ends it."""
        self._server.close()
        self.store.close()

    def content(self):
        """All files of the folder with their bytes."""
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in self.folder.rglob("*.json")}


@contextlib.contextmanager
def serving(*arguments, **options):
    """A ``Served`` for a block."""
    served = Served(*arguments, **options)
    try:
        yield served
    finally:
        served.close()


def annotation(picture, revision=0, size=(SIDE, SIDE), **changes):
    """The JSON of an annotation of two people, all of whose joints are visible."""
    joints = [[10 + 5 * joint, 20 + 3 * joint, 2] for joint in range(BODY12.num_joints)]
    value = {
        "version": 1,
        "picture": picture,
        "annotator": "anna",
        "width": size[0],
        "height": size[1],
        "skeleton": "body12",
        "revision": revision,
        "done": False,
        "pair_box": [5, 5, 100, 100],
        "people": [{"joints": joints}, {"joints": joints}],
    }
    return json.dumps({**value, **changes}).encode()
