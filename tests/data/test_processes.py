import io
import json
import sys
import textwrap

import pytest

from opec_tf.common.errors import UserError
from opec_tf.data import processes


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """A function that makes a module ``counting_worker`` of a function ``work``'s body."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(body):
        head = "from opec_tf.common.errors import UserError\nfrom opec_tf.data import processes\n\n\ndef work(task):\n"
        text = head + textwrap.indent(body, "    ") + "\n\n\nprocesses.serve(work)\n"
        (tmp_path / "counting_worker.py").write_text(text)
        return "counting_worker"

    return make


def _run(module, jobs, workers=2):
    return processes.run(module, {"add": 10}, jobs, label="adding", workers=workers, progress=False)


def test_every_job_is_answered_whatever_the_number_of_processes(worker):
    module = worker("for job in task['jobs']:\n    yield {'sum': job['number'] + task['add']}")
    jobs = [{"number": number} for number in range(5)]
    for workers in (1, 3):
        assert sorted(record["sum"] for record in _run(module, jobs, workers)) == [10, 11, 12, 13, 14]
    assert _run(module, []) == []


def test_a_users_fault_comes_through_and_a_bug_as_one(worker):
    with pytest.raises(UserError, match="^a.jpg: is no picture$"):
        _run(worker("raise UserError('a.jpg: is no picture')\nyield"), [{}])
    with pytest.raises(RuntimeError, match="(?s)counting_worker ended with status 1: .*KeyError: 'absent'"):
        _run(worker("yield task['absent']"), [{}])


def test_a_full_disk_and_a_folder_that_vanishes_are_told_with_the_file(tmp_path):
    with pytest.raises(UserError, match=r"^/dev/full: cannot be written \(No space left on device\); free some space"):
        processes.write_picture("/dev/full", b"\xff" * 100000)
    with pytest.raises(UserError, match=r"absent/a.jpg: cannot be written \(No such file"):
        processes.write_picture(str(tmp_path / "absent" / "a.jpg"), b"")


def test_serve_writes_a_line_a_record(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"jobs": [1, 2]})))
    processes.serve(lambda task: ({"job": job} for job in task["jobs"]))
    assert capsys.readouterr().out == '{"job": 1}\n{"job": 2}\n'
