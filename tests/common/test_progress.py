"""What long work says of itself, in a log and on a terminal."""

import re
import sys

import pytest

from opec_tf.common import progress

TIMES = r" \[\d\d:\d\d<[\d:?]+, +[\d.?]+ couples/s\]"


@pytest.fixture
def often(monkeypatch):
    """A log hears of every step."""
    monkeypatch.setattr(progress, "_LOG_INTERVAL", 0.0)


def work(steps, **settings):
    with progress.Progress("rendering", "couples", **settings) as meter:
        for count in steps:
            meter.update(count)


def matches(capsys, *patterns):
    """Whether stderr is lines of these patterns, with nothing that only a terminal understands."""
    text = capsys.readouterr().err
    assert "\r" not in text and "\033" not in text and text.endswith("\n")
    lines = text.splitlines()
    return len(lines) == len(patterns) and all(map(re.fullmatch, patterns, lines))


def test_a_log_gets_plain_lines_and_each_count_once(often, capsys):
    work([5, 25, 10], total=40)
    counts = [r" 0% 0/40", r"12% 5/40", r"75% 30/40", r"100% 40/40"]
    assert matches(capsys, *(f"rendering: +{count}{TIMES}" for count in counts))


def test_a_log_gets_few_lines(capsys):
    work([1] * 1000, total=1000)
    assert matches(capsys, f"rendering: +0% 0/1000{TIMES}", f"rendering: 100% 1000/1000{TIMES}")


def test_nobody_knows_the_total(often, capsys):
    work([7])
    assert matches(capsys, *(rf"rendering: {count} couples \[00:00, .* couples/s\]" for count in (0, 7)))


def test_a_terminal_has_one_line(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    work([1, 1, 2], total=4)
    text = capsys.readouterr().err
    assert text.startswith("\rrendering:   0%|") and "| 4/4 [00:00<00:00, " in text and text.count("\n") == 1


def test_who_asks_for_none_gets_none(capsys):
    work([1], enabled=False)
    assert capsys.readouterr().err == ""
