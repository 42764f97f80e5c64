"""The server of the annotation page: its files, the pictures, and one annotator's files.

======  ================================  ============================================================================
GET     /, /page/FILE                     the page
GET     /api/pictures                     who annotates, the skeleton, the pictures and how far each has come
GET     /api/picture?picture=NAME         the picture
GET     /api/annotation?picture=NAME      its size, and what was saved of it
PUT     /api/annotation?picture=NAME      saves it, as JSON; its revision says from what it was made
GET     /api/suggestions?picture=NAME     people found by the model
======  ================================  ============================================================================

A refusal is a status and ``{"error": "one line"}``. Nothing but PUT writes, and it writes to one place that the request
does not choose but for the name of a picture that is listed.
"""

from __future__ import annotations

import json
import logging
import pathlib
from typing import Any

import flask
import waitress
import waitress.server
import werkzeug.exceptions

from opec_tf.annotation import records
from opec_tf.annotation.access import HEADERS, Access
from opec_tf.annotation.pictures import Pictures
from opec_tf.annotation.store import StaleError, Store
from opec_tf.annotation.suggestions import Suggester, standing
from opec_tf.common.errors import UserError
from opec_tf.poses.skeletons import Skeleton

MAX_BYTES = 256 * 1024  # of a request's body; 24 people are 10 KB
_READ_BYTES = 16 * 1024 * 1024  # as much is read of a body that is refused, so that its sender hears why
_THREADS = 8
_PAGE = pathlib.Path(__file__).parent / "page"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


def build_app(
    pictures: Pictures, store: Store, skeleton: Skeleton, access: Access, suggester: Suggester | None = None
) -> flask.Flask:
    """The server as a Flask application."""
    app = flask.Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BYTES
    page = {path.name: (path.read_bytes(), _TYPES[path.suffix]) for path in _PAGE.iterdir() if path.suffix in _TYPES}
    _guard(app, access)

    @app.get("/")
    @app.get("/page/<name>")
    def page_file(name: str = "index.html") -> flask.Response:
        if name not in page:
            flask.abort(404)
        content, media_type = page[name]
        return flask.Response(content, content_type=media_type)

    @app.get("/api/pictures")
    def list_pictures() -> dict[str, Any]:
        return _overview(pictures, store, skeleton, suggester is not None)

    @app.get("/api/picture")
    def picture() -> flask.Response:
        content, media_type = pictures.content(_asked_picture())
        return flask.Response(content, content_type=media_type)

    @app.get("/api/annotation")
    def load() -> dict[str, Any]:
        name = _asked_picture()
        (width, height), annotation = pictures.size(name), store.load(name)
        if annotation and annotation.skeleton != skeleton:
            raise UserError(
                f"{name}: was annotated as {annotation.skeleton.name}; start the command with "
                f"--skeleton={annotation.skeleton.name}, or with another --output_dir"
            )
        if annotation and (annotation.width, annotation.height) != (width, height):
            raise UserError(
                f"{name}: was annotated at {annotation.width}x{annotation.height} pixels and is {width}x{height} now; "
                f"put the old picture back, or remove {records.path_of(store.folder, store.annotator, name)}"
            )
        return {
            "annotator": store.annotator,
            "skeleton": skeleton.name,
            "width": width,
            "height": height,
            "annotation": annotation and annotation.to_json(),
        }

    @app.put("/api/annotation")
    def save() -> tuple[dict[str, Any], int]:
        name = _asked_picture()
        pictures.path(name)
        try:
            annotation = records.from_json("request", _body())
            expected = (name, store.annotator, pictures.size(name), skeleton)
            sent = annotation.picture, annotation.annotator, (annotation.width, annotation.height), annotation.skeleton
            if sent != expected:
                raise UserError("request: is of another picture, annotator, size or skeleton; reload the page")
        except UserError as error:
            return {"error": str(error)}, 400
        try:
            return {"revision": store.save(annotation).revision}, 200
        except StaleError as error:
            return {"error": str(error)}, 409
        except UserError as error:
            return {"error": str(error)}, 507

    @app.get("/api/suggestions")
    def suggest() -> dict[str, Any]:
        path = pictures.path(_asked_picture())
        return {"people": suggester.people(path) if suggester else []}

    return app


def listen(app: flask.Flask, host: str, port: int) -> waitress.server.BaseWSGIServer:
    """A server that listens, and runs by its ``run()``.

    Raises:
      UserError: the port is taken, or the address is not this machine's.
    """
    try:
        return waitress.create_server(
            app, host=host, port=port, threads=_THREADS, max_request_body_size=_READ_BYTES, ident=None
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"--host={host} --port={port}: cannot be listened on ({reason}); choose another port"
        ) from error


def port_of(server: waitress.server.BaseWSGIServer) -> int:
    """The port that a server listens on; one of several addresses of its host."""
    listening = getattr(server, "effective_listen", None)
    return int(listening[0][1] if listening else server.effective_port)


def _overview(pictures: Pictures, store: Store, skeleton: Skeleton, suggests: bool) -> dict[str, Any]:
    """What the page begins with; pictures of the queue are first."""
    there = frozenset(pictures.names)
    queued = {name: reason for name, reason in store.queued().items() if name in there}
    names = [*queued, *(name for name in pictures.names if name not in queued)]
    return {
        "annotator": store.annotator,
        "folder": str(store.folder.resolve()),
        "suggests": suggests,
        "skeleton": {
            "name": skeleton.name,
            "joints": skeleton.joints,
            "bones": skeleton.edges.tolist(),
            "mirror": skeleton.flip_order.tolist(),
            "template": standing(skeleton).tolist(),
        },
        "pictures": [{"name": name, "status": store.status(name), "reason": queued.get(name)} for name in names],
    }


def _asked_picture() -> str:
    """The name of the picture that a request is about; whether there is one of that name is not known yet."""
    return flask.request.args.get("picture", "")


def _body() -> Any:
    """A request's body as JSON.

    Raises:
      UserError: it is none.
    """
    if flask.request.headers.get("Content-Type", "").lower() not in (
        "application/json",
        "application/json; charset=utf-8",
    ):
        flask.abort(415, "send application/json")
    try:
        return json.loads(flask.request.get_data())
    except (ValueError, RecursionError) as error:
        raise UserError("request: is not valid JSON; nothing was saved") from error


def _guard(app: flask.Flask, access: Access) -> None:
    """What holds for every request and answer."""

    @app.before_request
    def check() -> tuple[dict[str, str], int] | None:
        refusal = access.refusal(flask.request.headers, needs_token=flask.request.path.startswith("/api/"))
        return refusal and ({"error": refusal[1]}, refusal[0])

    @app.after_request
    def add_headers(response: flask.Response) -> flask.Response:
        response.headers.update(HEADERS)
        return response

    @app.errorhandler(KeyError)
    def no_picture(error: KeyError) -> tuple[dict[str, str], int]:
        return {"error": f"there is no picture {_asked_picture()[:100]!r} in the folder"}, 404

    @app.errorhandler(UserError)
    def unreadable(error: UserError) -> tuple[dict[str, str], int]:
        return {"error": str(error)}, 422

    @app.errorhandler(werkzeug.exceptions.HTTPException)
    def refused(error: werkzeug.exceptions.HTTPException) -> tuple[dict[str, str], int]:
        return {"error": " ".join((error.description or error.name).split())}, error.code or 500

    @app.errorhandler(Exception)
    def broken(error: Exception) -> tuple[dict[str, str], int]:
        logging.getLogger(__name__).error("a request failed", exc_info=error)
        return {"error": "the server failed; the terminal it runs in says why"}, 500
