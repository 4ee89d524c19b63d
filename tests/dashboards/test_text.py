from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bandit_platform.domain.exclusion import Exclusion, ExclusionCode
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


def at_noon(year: int, month: int) -> datetime:
    return datetime(year, month, 1, 12, tzinfo=UTC)


def condition(operator: str, limit: object) -> dict[str, Any]:
    return {"field": "cart", "operator": operator, "limit": limit}


def test_moments_are_in_the_experiments_zone() -> None:
    at = datetime(2026, 7, 1, 10, 5, 9, tzinfo=UTC)
    assert moment(at, "Europe/London") == "1 Jul 2026, 11:05 BST"
    assert moment(None, "UTC") == "not yet"
    assert short_moment(at, "UTC") == "1 Jul, 10:05"
    assert short_moment(at, "UTC", seconds=True) == "1 Jul, 10:05:09"


@pytest.mark.parametrize(
    ("code", "about", "words"),
    [
        ("ended", {"moment": at_noon(2026, 7)}, "it ended on 1 Jul 2026, 13:00 BST"),
        ("not_started", {"moment": at_noon(2027, 1)}, "it starts on 1 Jan 2027, 12:00 GMT"),
        ("not_requested", {}, "not among the request's eligible arms"),
        ("excluded_by_request", {}, "excluded by the request"),
        ("condition", {"field": "cart"}, "cart is missing from the context"),
        ("condition", condition("eq", "GB"), "cart must equal GB"),
        ("condition", condition("ne", True), "cart must not equal true"),
        ("condition", condition("in", ("GB", 3.0)), "cart must be one of GB, 3"),
        ("condition", condition("not_in", ("GB",)), "cart must not be one of GB"),
        ("condition", condition("gt", 50.0), "cart must be above 50"),
        ("condition", condition("gte", 49.5), "cart must be at least 49.5"),
        ("condition", condition("lt", 50.0), "cart must be below 50"),
        ("condition", condition("lte", 50.0), "cart must be at most 50"),
        (
            "condition",
            condition("in", None),
            "cart must be one of the values listed in the experiment",
        ),
    ],
)
def test_every_exclusion_has_words(code: str, about: dict[str, Any], words: str) -> None:
    assert why_out(Exclusion(code=ExclusionCode(code), **about), "Europe/London") == words


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


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (Exclusion(code=ExclusionCode.IN_CART, field="cart"), "cart already holds its SKU"),
        (
            Exclusion(code=ExclusionCode.CONDITION, **condition("contains", "MUG-1")),
            "cart must contain MUG-1",
        ),
        (
            Exclusion(code=ExclusionCode.CONDITION, **condition("contains_any", ("A", "B"))),
            "cart must contain one of A, B",
        ),
        (
            Exclusion(code=ExclusionCode.CONDITION, **condition("contains_none", None)),
            "cart must contain none of the values listed in the experiment",
        ),
    ],
)
def test_what_a_cart_holds_or_lacks_is_said_in_words(why: Exclusion, words: str) -> None:
    assert why_out(why, "UTC") == words
