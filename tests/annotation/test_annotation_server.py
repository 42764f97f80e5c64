"""Requests to the annotation server: what it answers, and what it refuses, each with a status and one line."""

import base64
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import socket

import annotation_run
import cv2
import flask
import numpy as np
import pytest

from opec_tf.annotation import records, server
from opec_tf.annotation.access import Access, address
from opec_tf.common.errors import UserError

JSON = {"Content-Type": "application/json"}
TOKEN = "correct horse battery"
PICTURE = "/api/picture?picture="
ANNOTATION = "/api/annotation?picture="


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder with two pictures, a link out of it, and a secret beside it."""
    folder = tmp_path_factory.mktemp("served") / "images"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b c.png", "../secret.png"):
        cv2.imwrite(str(folder / name), np.full((256, 256, 3), 90, np.uint8))
    (folder / "out.png").symlink_to(folder.parent / "secret.png")
    (folder / "up").symlink_to(folder.parent)
    return folder


@pytest.fixture(scope="module")
def served(images, tmp_path_factory):
    """A server of them on which a.png was saved once."""
    with annotation_run.serving(images, tmp_path_factory.mktemp("files")) as served:
        assert _ask(served, "PUT", ANNOTATION + "a.png", JSON, annotation_run.annotation("a.png"))[0] == 200
        yield served


@pytest.fixture(scope="module")
def guarded(images, tmp_path_factory):
    """A server that wants a token."""
    with annotation_run.serving(images, tmp_path_factory.mktemp("guarded"), token=TOKEN) as served:
        yield served


def _ask(served, method, target, headers=None, body=None):
    """(status, headers, body) of a request whose target is sent as it is, as no browser would."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    connection.putrequest(method, target, skip_host="Host" in (headers or {}), skip_accept_encoding=True)
    for name, value in (headers or {}).items():
        if value is not None:
            connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, response.headers, content


def _annotation(**changes):
    return annotation_run.annotation("a.png", revision=1, **changes)


def _joints(value):
    return [{"joints": [[value, 5, 2]] * 12}]


# Each: method, target, headers, body, the status and a part of the line.
HOSTILE = {
    "page above": ("GET", "/page/../server.py", {}, None, 404, ""),
    "page above, encoded": ("GET", "/page/..%2fserver.py", {}, None, 404, ""),
    "page above, encoded dots": ("GET", "/page/%2e%2e/%2e%2e/annotate.py", {}, None, 404, ""),
    "page, absolute": ("GET", "/page//etc/passwd", {}, None, 404, ""),
    "page, backslashes": ("GET", "/page/..%5c..%5cannotate.py", {}, None, 404, ""),
    "no page": ("GET", "//etc/passwd", {}, None, 404, ""),
    "python of the page": ("GET", "/page/__init__.py", {}, None, 404, ""),
    "above": ("GET", PICTURE + "../secret.png", {}, None, 404, "there is no picture '../secret.png'"),
    "above, encoded": ("GET", PICTURE + "%2e%2e%2fsecret.png", {}, None, 404, "no picture '../secret.png'"),
    "above, encoded twice": ("GET", PICTURE + "%252e%252e%252fsecret.png", {}, None, 404, "no picture"),
    "above, overlong UTF-8": ("GET", PICTURE + "%c0%ae%c0%ae/secret.png", {}, None, 404, "no picture"),
    "above, backslash": ("GET", PICTURE + "..%5csecret.png", {}, None, 404, "no picture"),
    "through a folder": ("GET", PICTURE + "sub/../../secret.png", {}, None, 404, "no picture"),
    "with a detour": ("GET", PICTURE + "sub/../a.png", {}, None, 404, "no picture"),
    "with a dot": ("GET", PICTURE + "./a.png", {}, None, 404, "no picture"),
    "absolute": ("GET", PICTURE + "/etc/passwd", {}, None, 404, "no picture '/etc/passwd'"),
    "an address": ("GET", PICTURE + "file:///etc/passwd", {}, None, 404, "no picture"),
    "a zero byte": ("GET", PICTURE + "a.png%00.jpg", {}, None, 404, "no picture"),
    "a link out": ("GET", PICTURE + "out.png", {}, None, 404, "no picture"),
    "a folder's link out": ("GET", PICTURE + "up/secret.png", {}, None, 404, "no picture"),
    "a folder": ("GET", PICTURE + "sub", {}, None, 404, "no picture"),
    "no name": ("GET", "/api/picture", {}, None, 404, "no picture ''"),
    "a long name": ("GET", PICTURE + "a" * 5000, {}, None, 404, "no picture"),
    "annotation above": ("GET", ANNOTATION + "../anna/a.png", {}, None, 404, "no picture"),
    "save above": ("PUT", ANNOTATION + "../x.png", JSON, annotation_run.annotation("../x.png"), 404, "no picture"),
    "save absolute": ("PUT", ANNOTATION + "/tmp/x.png", JSON, annotation_run.annotation("/tmp/x.png"), 404, "no pic"),
    "save a new picture": (
        "PUT",
        ANNOTATION + "new.png",
        JSON,
        annotation_run.annotation("new.png"),
        404,
        "no picture",
    ),
    "save by a name within": ("PUT", ANNOTATION + "a.png", JSON, annotation_run.annotation("../x.png", 1), 400, "path"),
    "save as another picture": (
        "PUT",
        ANNOTATION + "a.png",
        JSON,
        annotation_run.annotation("sub/b c.png"),
        400,
        "another",
    ),
    "save as another annotator": ("PUT", ANNOTATION + "a.png", JSON, _annotation(annotator="ben"), 400, "another"),
    "save as an annotator above": ("PUT", ANNOTATION + "a.png", JSON, _annotation(annotator="../x"), 400, "annotator"),
    "save in another size": ("PUT", ANNOTATION + "a.png", JSON, _annotation(width=999), 400, "another"),
    "save another skeleton": (
        "PUT",
        ANNOTATION + "a.png",
        JSON,
        _annotation(skeleton="coco17", people=[]),
        400,
        "another",
    ),
    "upload of a picture": ("PUT", PICTURE + "a.png", {"Content-Type": "image/png"}, b"\x89PNG", 405, "not allowed"),
    "post": ("POST", ANNOTATION + "a.png", JSON, _annotation(), 405, "not allowed"),
    "delete": ("DELETE", ANNOTATION + "a.png", {}, None, 405, "not allowed"),
    "trace": ("TRACE", "/", {}, None, 405, "not allowed"),
    "empty": ("PUT", ANNOTATION + "a.png", JSON, b"", 400, "not valid JSON"),
    "half": ("PUT", ANNOTATION + "a.png", JSON, _annotation()[:-20], 400, "not valid JSON"),
    "no JSON": ("PUT", ANNOTATION + "a.png", JSON, b"\xff\xfe\x00", 400, "not valid JSON"),
    "nested": ("PUT", ANNOTATION + "a.png", JSON, b"[" * 100000, 400, "not valid JSON"),
    "a list": ("PUT", ANNOTATION + "a.png", JSON, b"[1]", 400, "expected an object"),
    "nothing": ("PUT", ANNOTATION + "a.png", JSON, b"{}", 400, "has no 'version'"),
    "NaN": ("PUT", ANNOTATION + "a.png", JSON, _annotation(people=_joints(float("nan"))), 400, "NaN or infinity"),
    "infinity": ("PUT", ANNOTATION + "a.png", JSON, _annotation(pair_box=[0, 0, float("inf"), 1]), 400, "infinity"),
    "a huge number": ("PUT", ANNOTATION + "a.png", JSON, _annotation(people=_joints(10**400)), 400, "joints"),
    "a number of 5000 digits": ("PUT", ANNOTATION + "a.png", JSON, b'{"version": 1' + b"0" * 5000 + b"}", 400, ""),
    "text for a number": ("PUT", ANNOTATION + "a.png", JSON, _annotation(people=_joints("<b>")), 400, "joints"),
    "beyond the picture": (
        "PUT",
        ANNOTATION + "a.png",
        JSON,
        _annotation(people=_joints(300)),
        400,
        "beyond the picture",
    ),
    "a negative revision": ("PUT", ANNOTATION + "a.png", JSON, annotation_run.annotation("a.png", -1), 400, "revision"),
    "an older revision": (
        "PUT",
        ANNOTATION + "a.png",
        JSON,
        annotation_run.annotation("a.png", 0),
        409,
        "nothing was over",
    ),
    "a later revision": (
        "PUT",
        ANNOTATION + "a.png",
        JSON,
        annotation_run.annotation("a.png", 9),
        409,
        "nothing was over",
    ),
    "too large": ("PUT", ANNOTATION + "a.png", JSON, b" " * (server.MAX_BYTES + 1), 413, "exceed"),
    "no content type": ("PUT", ANNOTATION + "a.png", {}, _annotation(), 415, "application/json"),
    "a form": ("PUT", ANNOTATION + "a.png", {"Content-Type": "text/plain"}, _annotation(), 415, "application/json"),
    "nearly JSON": ("PUT", ANNOTATION + "a.png", {"Content-Type": "application/json-x"}, _annotation(), 415, "json"),
    "multipart": (
        "PUT",
        ANNOTATION + "a.png",
        {"Content-Type": "multipart/form-data; boundary=x"},
        b"--x--",
        415,
        "json",
    ),
    "another origin": ("GET", ANNOTATION + "a.png", {"Origin": "http://evil.example"}, None, 403, "evil.example"),
    "another port": (
        "PUT",
        ANNOTATION + "a.png",
        {**JSON, "Origin": "http://127.0.0.1:1"},
        _annotation(),
        403,
        "may not",
    ),
    "an origin of none": ("PUT", ANNOTATION + "a.png", {**JSON, "Origin": "null"}, _annotation(), 403, "may not ask"),
    "a preflight": ("OPTIONS", ANNOTATION + "a.png", {"Origin": "http://evil.example"}, None, 403, "may not ask"),
    "another site": ("GET", PICTURE + "a.png", {"Sec-Fetch-Site": "cross-site"}, None, 403, "another server"),
    "a name turned to us": ("GET", "/api/pictures", {"Host": "evil.example"}, None, 403, "not this server's"),
    "a name like ours": ("GET", "/", {"Host": "localhost.evil.example:8765"}, None, 403, "not this server's"),
    "no host": ("GET", "/api/pictures", {"Host": None}, None, 403, "not this server's"),
}


@pytest.mark.parametrize("attempt", HOSTILE)
def test_a_hostile_request_is_refused_and_changes_nothing(attempt, served):
    method, target, headers, body, status, words = HOSTILE[attempt]
    before = served.content()
    found, answer, content = _ask(served, method, target, headers, body)
    line = json.loads(content)["error"]
    assert (found, words in line) == (status, True), (found, line)
    assert line and "\n" not in line and len(line) < 400
    assert answer["Content-Type"] == "application/json" and answer["X-Content-Type-Options"] == "nosniff"
    assert served.content() == before


WRONG_TOKENS = {
    "none": {},
    "wrong": {"Authorization": "Bearer correct horse batterx"},
    "empty": {"Authorization": "Bearer "},
    "longer": {"Authorization": f"Bearer {TOKEN}."},
    "not ASCII": {"Authorization": "Bearer \xe9"},
    "bare": {"Authorization": TOKEN},
    "as a password": {"Authorization": "Basic " + base64.b64encode(f"a:{TOKEN}".encode()).decode()},
    "as a cookie": {"Cookie": f"token={TOKEN}"},
}


@pytest.mark.parametrize("attempt", WRONG_TOKENS)
def test_nothing_is_said_without_the_token(attempt, guarded):
    before = guarded.content()
    for method, target, body in (
        ("GET", "/api/pictures", None),
        ("GET", PICTURE + "a.png", None),
        ("GET", "/api/suggestions?picture=a.png", None),
        ("GET", f"/api/pictures?token={TOKEN.replace(' ', '%20')}", None),
        ("PUT", ANNOTATION + "a.png", annotation_run.annotation("a.png")),
    ):
        status, _, content = _ask(guarded, method, target, {**JSON, **WRONG_TOKENS[attempt]}, body)
        assert (status, "token is missing or wrong" in json.loads(content)["error"]) == (401, True)
    assert guarded.content() == before


def test_with_the_token_it_is_said(guarded):
    status, _, content = _ask(guarded, "GET", "/api/pictures", {"Authorization": f"Bearer {TOKEN}"})
    assert status == 200
    assert [picture["name"] for picture in json.loads(content)["pictures"]] == ["a.png", "sub/b c.png"]


def test_off_loopback_a_token_is_needed():
    with pytest.raises(UserError, match=r"--host=0.0.0.0: other machines reach it; give --token=new"):
        Access("0.0.0.0", "")
    with pytest.raises(UserError, match="--token: has 5 characters; give 12 or more"):
        Access("127.0.0.1", "short")
    made = {Access("::", "new").token for _ in range(3)}
    assert len(made) == 3 and min(map(len, made)) >= 32
    assert Access("::1", "").token == Access("localhost", "").token == ""


def test_an_address_has_its_token_where_browsers_keep_it():
    assert address("127.0.0.1", 80, "") == "http://127.0.0.1:80/"
    assert address("::1", 80, "a b&c") == "http://[::1]:80/#token=a%20b%26c"
    assert address("0.0.0.0", 80, "") == f"http://{socket.gethostname()}:80/"


def test_a_port_that_is_taken_is_named(served):
    with pytest.raises(UserError, match=rf"--host=127.0.0.1 --port={served.port}: cannot be listened on \(Address"):
        server.listen(flask.Flask("x"), "127.0.0.1", served.port)


def test_the_page_runs_nothing_but_its_own_files(served):
    page = pathlib.Path(server.__file__).parent / "page"
    for name in ("", *(f"page/{path.name}" for path in page.iterdir())):
        status, headers, content = _ask(served, "GET", f"/{name}")
        assert status == 200 and content
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy and "unsafe" not in policy
    markup = (page / "index.html").read_text(encoding="utf-8")
    assert "<style" not in markup and not re.search(r"\s(style|on\w+)\s*=", markup)
    assert markup.count("<script") == markup.count('<script type="module" src=')
    types = {path.suffix: _ask(served, "GET", f"/page/{path.name}")[1]["Content-Type"] for path in page.iterdir()}
    assert types == {
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".svg": "image/svg+xml",
    }


def test_a_picture_is_saved_loaded_and_counted(images, tmp_path):
    with annotation_run.serving(images, tmp_path) as served:
        for revision in range(3):
            body = annotation_run.annotation("sub/b c.png", revision, done=revision == 2)
            status, _, content = _ask(served, "PUT", ANNOTATION + "sub/b%20c.png", JSON, body)
            assert (status, json.loads(content)) == (200, {"revision": revision + 1})
        content = json.loads(_ask(served, "GET", ANNOTATION + "sub/b%20c.png")[2])
        assert content["annotation"] == {**json.loads(body), "revision": 3}
        assert json.loads((tmp_path / "anna/sub/b c.png.json").read_text()) == content["annotation"]
        listed = json.loads(_ask(served, "GET", "/api/pictures")[2])
        assert [(entry["name"], entry["status"]) for entry in listed["pictures"]] == [
            ("a.png", "new"),
            ("sub/b c.png", "done"),
        ]


def test_a_picture_that_was_replaced_by_one_of_another_size_is_not_annotated_as_the_old(tmp_path):
    images, files = tmp_path / "images", tmp_path / "files"
    images.mkdir()
    cv2.imwrite(str(images / "a.png"), np.zeros((256, 256, 3), np.uint8))
    with annotation_run.serving(images, files) as served:
        _ask(served, "PUT", ANNOTATION + "a.png", JSON, annotation_run.annotation("a.png"))
        cv2.imwrite(str(images / "a.png"), np.zeros((100, 300, 3), np.uint8))
        before = served.content()
        status, _, content = _ask(served, "GET", ANNOTATION + "a.png")
        assert status == 422
        assert "a.png: was annotated at 256x256 pixels and is 300x100 now" in json.loads(content)["error"]
        assert _ask(served, "PUT", ANNOTATION + "a.png", JSON, _annotation())[0] == 400
        assert served.content() == before


def test_of_many_writes_at_once_one_is_saved(images, tmp_path):
    with annotation_run.serving(images, tmp_path) as served:
        for revision in range(3):
            bodies = [annotation_run.annotation("a.png", revision, pair_box=[n, 0, 9, 9]) for n in range(16)]
            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                answers = list(pool.map(lambda body: _ask(served, "PUT", ANNOTATION + "a.png", JSON, body)[0], bodies))
            assert sorted(answers) == [200] + [409] * 15
            kept = records.read(tmp_path, "anna", "a.png")
            assert (kept.revision, kept.pair_box[0]) == (revision + 1, answers.index(200))
        assert [path.name for path in (tmp_path / "anna").iterdir()] == ["a.png.json"]


def test_a_file_that_cannot_be_read_or_written_stays(images, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, os.strerror(28))

    with annotation_run.serving(images, tmp_path) as served:
        _ask(served, "PUT", ANNOTATION + "a.png", JSON, annotation_run.annotation("a.png"))
        before = served.content()
        with monkeypatch.context() as patch:
            patch.setattr(records.os, "fsync", full)
            status, _, content = _ask(served, "PUT", ANNOTATION + "a.png", JSON, _annotation())
        assert (status, "No space left on device" in json.loads(content)["error"]) == (507, True)
        assert served.content() == before and len(list((tmp_path / "anna").iterdir())) == 1
        (tmp_path / "anna/a.png.json").write_text("{ half")
        for method, body in (("GET", None), ("PUT", _annotation())):
            status, _, content = _ask(served, method, ANNOTATION + "a.png", JSON, body)
            assert status in (422, 507) and "a.png.json: is not valid JSON" in json.loads(content)["error"]
        assert (tmp_path / "anna/a.png.json").read_text() == "{ half"
        listed = json.loads(_ask(served, "GET", "/api/pictures")[2])["pictures"]
        assert listed[0]["status"] == "unreadable"


def test_an_annotator_is_served_once_at_a_time(images, tmp_path):
    with annotation_run.serving(images, tmp_path):
        with pytest.raises(UserError, match="anna: another opec_tf.annotate serves it"):
            annotation_run.Served(images, tmp_path)
        with annotation_run.serving(images, tmp_path, annotator="ben") as other:
            assert json.loads(_ask(other, "GET", "/api/pictures")[2])["annotator"] == "ben"
    with annotation_run.serving(images, tmp_path) as again:
        assert _ask(again, "GET", "/")[0] == 200


def test_the_queue_comes_first_until_it_is_seen_to(images, tmp_path):
    with annotation_run.serving(images, tmp_path) as served:
        _ask(served, "PUT", ANNOTATION + "sub/b%20c.png", JSON, annotation_run.annotation("sub/b c.png", done=True))
        path = records.write_queue(tmp_path, [records.Queued(f"{n}.png", "x", ()) for n in ("sub/b c", "gone")])
        later = (tmp_path / "anna/sub/b c.png.json").stat().st_mtime + 1
        os.utime(path, (later, later))
        listed = json.loads(_ask(served, "GET", "/api/pictures")[2])["pictures"]
        assert [(entry["name"], entry["reason"]) for entry in listed] == [("sub/b c.png", "x"), ("a.png", None)]
        os.utime(path, (later - 10, later - 10))
        listed = json.loads(_ask(served, "GET", "/api/pictures")[2])["pictures"]
        assert [(entry["name"], entry["reason"]) for entry in listed] == [("a.png", None), ("sub/b c.png", None)]


def test_files_that_a_kill_left_half_written_are_removed(images, tmp_path):
    (tmp_path / "anna/sub").mkdir(parents=True)
    (tmp_path / "anna/sub/.partial-1.png.json").write_text("{")
    with annotation_run.serving(images, tmp_path):
        assert list((tmp_path / "anna/sub").iterdir()) == []
