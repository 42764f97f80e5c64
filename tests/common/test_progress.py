"""What long work says of itself, in a log and on a terminal, with a clock that the test turns."""

import sys
import types

import pytest

from opec_tf.common import progress


@pytest.fixture
def clock(monkeypatch):
    clock = types.SimpleNamespace(now=100.0)
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def work(clock, steps, **settings):
    """``steps``: (seconds that pass, how many are done in them)."""
    with progress.Progress("rendering", "couples", **settings) as meter:
        for seconds, count in steps:
            clock.now += seconds
            meter.advance(count)


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end(clock, capsys):
    work(clock, [(10, 5), (10, 5), (5, 10), (75, 10)], total=40)
    assert capsys.readouterr().err.splitlines() == [
        "rendering: 10 of 40 couples, 0.5 a second, 1:00 left",
        "rendering: 30 of 40 couples, 0.3 a second, 0:33 left",
    ]
    work(clock, [(20, 10), (1, 4)], total=14)
    assert capsys.readouterr().err.splitlines() == [
        "rendering: 10 of 14 couples, 0.5 a second, 0:08 left",
        "rendering: 14 of 14 couples, 0.667 a second in 0:21",
    ]


def test_what_was_just_said_is_not_said_again(clock, capsys):
    work(clock, [(3600 + 62, 7)])
    assert capsys.readouterr().err == "rendering: 7 couples, 0.00191 a second in 1:01:02\n"


def test_a_terminal_has_one_line(clock, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    work(clock, [(1, 1), (0.1, 1), (1, 2)], total=4)
    lines = ["1 of 4 couples, 1 a second, 0:03 left", *["4 of 4 couples, 1.9 a second in 0:02"] * 2]
    assert capsys.readouterr().err == "".join(f"\rrendering: {line}\033[K" for line in lines) + "\n"


def test_who_asks_for_none_gets_none(clock, capsys):
    work(clock, [(60, 1)], enabled=False)
    work(clock, [])
    assert capsys.readouterr().err == ""
