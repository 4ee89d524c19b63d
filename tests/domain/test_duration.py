from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bandit_platform.domain.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("90s", 90),
        ("15m", 900),
        ("2h", 7200),
        ("1.5h", 5400),
        ("7d", 604800),
        ("2w", 1209600),
        (" 3 d ", 259200),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "7", "s", "-1s", "1 year", "1d2h", "1e3s", "1,5h", "1S"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration such as"):
        parse_duration(text)


def test_a_duration_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than"):
        parse_duration("9" * 20 + "d")
    with pytest.raises(ValueError, match="longer than"):
        parse_duration("9" * 400 + "s")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.001, "1ms"),
        (0.0015, "1.500ms"),
        (1, "1s"),
        (61, "61s"),
        (120, "2m"),
        (86400, "1d"),
        (604800, "1w"),
        (1234.567, "1234567ms"),
    ],
)
def test_the_shortest_text_is_written(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=3660)))
@example(timedelta(seconds=1234.567))
@example(timedelta(days=366, microseconds=1))
def test_what_is_written_is_read_back_exactly(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration
