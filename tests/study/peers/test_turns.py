"""Taking turns, with stand-ins for the two sides: who works when, what comes of it, and what becomes of faults."""

import itertools
import os
import pathlib
import re
import time

import pytest

from opec_tf.common.errors import UserError
from opec_tf.study.peers import turns


@pytest.fixture(autouse=True)
def _stand_ins(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(__file__).parent))


def test_sides_take_turns_and_the_ratio_is_theirs(tmp_path):
    notes = tmp_path / "notes"
    with turns.two_sides(("stand_in", "stand_in_slower"), {"notes": str(notes), "sleep": 0.02}) as players:
        result = turns.measure(*players, pairs=3, seconds=0.2)
    assert 0.02 <= result["ours_s"] < result["peer_s"] and 0.06 <= result["peer_s"]
    assert result["ratio"] == pytest.approx(1 / 3, rel=0.3)
    pids = [line.split()[0] for line in notes.read_text().splitlines()]
    runs = [(pid, len(list(group))) for pid, group in itertools.groupby(pids)]
    # Two steps each to warm up, the one after the other, then three turns each; every turn's steps are told.
    assert [count for _, count in runs[:2]] == [2, 2] and len(runs) == 8
    assert [pid for pid, _ in runs] == 4 * [runs[0][0], runs[1][0]] and runs[0][0] != runs[1][0]
    assert [count for _, count in runs[2:]] == [steps for pair in result["rounds"] for steps in pair[1::2]]


def test_a_turn_is_one_step_at_least(tmp_path):
    with turns.two_sides(("stand_in", "stand_in"), {"notes": str(tmp_path / "notes"), "sleep": 0.05}) as players:
        result = turns.measure(*players, pairs=1, seconds=0.0)
    assert [pair[1::2] for pair in result["rounds"]] == [[1, 1]]


def test_between_its_turns_a_side_sleeps_and_at_the_end_it_is_gone(tmp_path):
    notes = tmp_path / "time"
    player = turns.Player("stand_in_busy", {"notes": str(notes)})
    try:
        time.sleep(0.05)  # until the signal has reached every thread
        before = notes.read_text()
        time.sleep(0.2)
        assert notes.read_text() == before
        player.round(0.1)
        assert notes.read_text() != before
    finally:
        player.close()
    with pytest.raises(ProcessLookupError):
        os.kill(player._process.pid, 0)


def test_summary_is_of_pairs():
    result = turns.summarize([(1.0, 9, 2.0, 5), (2.0, 9, 2.0, 5), (9.0, 9, 3.0, 5)])
    assert result["ours_s"] == 2.0 and result["peer_s"] == 2.0
    # Ratios of 0.5, 1 and 3.
    assert (result["ratio_low"], result["ratio"], result["ratio_high"]) == (0.75, 1.0, 2.0)
    assert result["rounds"][0] == [1.0, 9, 2.0, 5]


def test_faults_are_told():
    with pytest.raises(UserError, match="^no such thing; take another$"):
        turns.Player("stand_in", {"fault": "user"})
    with pytest.raises(RuntimeError, match=re.compile("stand_in: its process ended with status 1: .*a bug", re.DOTALL)):
        turns.Player("stand_in", {"fault": "crash"})


def test_cores_are_the_ones_given(tmp_path):
    core = max(os.sched_getaffinity(0))
    player = turns.Player("stand_in", {"notes": str(tmp_path / "notes"), "sleep": 0.0}, [core])
    try:
        assert os.sched_getaffinity(player._process.pid) == {core}
    finally:
        player.close()
