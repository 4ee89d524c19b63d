from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboards.text import (
    declared_percent,
    duration,
    exact_duration,
    moment,
    percent,
    short_moment,
    shown,
    why_out,
)
from tests.dashboards.fake_reports import estimate, vague

NB = "\N{NO-BREAK SPACE}"


def test_moments_are_in_the_experiments_zone() -> None:
    at = datetime(2026, 7, 1, 10, 5, 9, tzinfo=UTC)
    assert moment(at, "Europe/London") == "1 Jul 2026, 11:05 BST"
    assert moment(None, "UTC") == "not yet"
    assert short_moment(at, "UTC") == "1 Jul, 10:05"
    assert short_moment(at, "UTC", seconds=True) == "1 Jul, 10:05:09"


def test_a_schedule_is_told_in_the_experiments_zone_and_anything_else_as_it_is() -> None:
    ended = why_out("ended at 2026-07-01T10:05:09+00:00", "Europe/London")
    assert ended == "it ended on 1 Jul 2026, 11:05 BST"
    starts = why_out("starts at 2027-01-01T00:00:00+00:00", "UTC")
    assert starts == "it starts on 1 Jan 2027, 00:00 UTC"
    for text in ("cart must be at least 50", "ended at noon", "not asked for"):
        assert why_out(text, "Europe/London") == text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "a second"),
        (1, "a second"),
        (59, "59 seconds"),
        (61, "1 minute"),
        (7300, "2 hours"),
        (400_000, "4 days"),
    ],
)
def test_ages_read_like_speech(seconds: int, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(days=7), "7 days"),
        (timedelta(seconds=90), "90 seconds"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(milliseconds=500), "500ms"),
    ],
)
def test_declared_durations_are_exact(span: timedelta, words: str) -> None:
    assert exact_duration(span) == words


def test_shares() -> None:
    assert percent(0.2746) == f"27.5{NB}%"
    assert percent(0.0) == f"0.0{NB}%"
    assert percent(0.0004) == f"under 0.1{NB}%"
    assert declared_percent(0.05) == f"5{NB}%"


def test_estimates_are_withheld_while_collecting() -> None:
    assert shown(vague()).value == "collecting data"
    assert shown(vague()).bounds == ""
    assert shown(vague()).exact_value is None
    assert shown(estimate(0.0213, 0.009, 7), sign=True).value == "+0.021"
