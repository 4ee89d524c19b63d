from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bandit_platform.domain.context import SetField
from bandit_platform.domain.selection import parse_moment, parse_selection, parse_where
from bandit_platform.errors import InputError


def selected(spec: Any, **said: Any) -> Any:
    return parse_selection(spec.context, "Europe/London", **said)


def test_nothing_said_selects_everything(spec: Any) -> None:
    found = selected(spec)
    assert (found.since, found.until, found.where) == (None, None, ())
    assert found.holds({})


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-07-01", datetime(2026, 6, 30, 23, tzinfo=UTC)),
        ("2026-07-01T10:00", datetime(2026, 7, 1, 9, tzinfo=UTC)),
        ("2026-07-01T10:00:00.000001+00:00", datetime(2026, 7, 1, 10, 0, 0, 1, tzinfo=UTC)),
    ],
)
def test_moments_are_in_the_zone_unless_they_say_another(text: str, moment: datetime) -> None:
    assert parse_moment(text, "Europe/London", name="from") == moment


def test_a_last_day_is_included_and_a_last_moment_is_not(spec: Any) -> None:
    assert selected(spec, until="2026-11-30").until == datetime(2026, 12, 1, tzinfo=UTC)
    assert selected(spec, until="2026-11-30T00:00").until == datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "context", "holds"),
    [
        ("country=GB", {"country": "GB"}, True),
        ("country=GB", {"country": "US"}, False),
        ("country=GB", {}, False),
        ("context.country=a=b", {"country": "a=b"}, True),
        ("returning=true", {"returning": True}, True),
        ("returning=true", {"returning": False}, False),
        ("cart_value=50", {"cart_value": 50.0}, True),
        ("cart_value=50..100", {"cart_value": 50.0}, True),
        ("cart_value=50..100", {"cart_value": 100.0}, False),
        ("cart_value=..0.5", {"cart_value": 0.25}, True),
        ("cart_value=0.5..", {"cart_value": 0.25}, False),
    ],
)
def test_conditions(spec: Any, text: str, context: Any, holds: bool) -> None:
    assert selected(spec, where=[text]).holds(context) is holds


def test_all_conditions_must_hold(spec: Any) -> None:
    both = selected(spec, where=["country=GB", "returning=true"])
    assert both.holds({"country": "GB", "returning": True})
    assert not both.holds({"country": "GB", "returning": False})


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ({"since": "yesterday"}, "from: give a day"),
        ({"until": "2026-02-30"}, "to: give a day"),
        ({"since": "2026-11-02", "until": "2026-11-01"}, "to: the period ends"),
        ({"where": ["age=7"]}, "declared context field: cart_value"),
        ({"where": ["country"]}, "give FIELD=VALUE"),
        ({"where": ["country="]}, "country needs a value"),
        ({"where": ["returning=yes"]}, "true or false"),
        ({"where": ["cart_value=.."]}, "a range such as"),
        ({"where": ["cart_value=a..b"]}, "a range such as"),
        ({"where": ["cart_value=nan"]}, "a range such as"),
        ({"where": ["cart_value=..1e999"]}, "a range such as"),
    ],
)
def test_what_cannot_be_read_is_named(spec: Any, said: Any, part: str) -> None:
    with pytest.raises(InputError, match=part):
        selected(spec, **said)


def test_a_set_is_chosen_by_a_value_that_it_holds() -> None:
    schema = {"cart_skus": SetField(type="set")}
    where = parse_where(schema, "cart_skus=MUG-1")
    assert where.holds({"cart_skus": ("MUG-1", "PEN-1")})
    assert not any(map(where.holds, ({"cart_skus": ("MUG-10",)}, {"cart_skus": ()}, {})))
