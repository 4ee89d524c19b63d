"""Durations as people write them: ``90s``, ``15m``, ``2h``, ``7d``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")


def parse_duration(text: str) -> timedelta:
    """The duration a text such as ``7d`` names.

    Raises:
        ValueError: the text is not a number followed by ms, s, m, h, d or w.
    """
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise ValueError('must be a duration such as "90s", "15m", "2h" or "7d"')
    try:
        return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
    except OverflowError:
        raise ValueError("is longer than any duration can be") from None


def format_duration(duration: timedelta) -> str:
    """The shortest text that :func:`parse_duration` reads back as the same duration."""
    for unit in ("w", "d", "h", "m", "s"):
        whole, rest = divmod(duration, timedelta(seconds=_UNITS[unit]))
        if whole and not rest:
            return f"{whole}{unit}"
    milliseconds, rest = divmod(duration, timedelta(milliseconds=1))
    return f"{milliseconds}.{rest.microseconds:03}ms" if rest else f"{milliseconds}ms"


def _coerce(value: Any) -> Any:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, timedelta):
        return value
    raise ValueError('must be a duration such as "90s", "15m", "2h" or "7d"')


Duration = Annotated[timedelta, BeforeValidator(_coerce), PlainSerializer(format_duration)]
