"""Which of an experiment's interactions a question is about.

Rows are chosen by what was known when deciding (the moment, the context), never by what came of
it, so that every importance weight stays as good as it was and confidence sequences stay valid.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import isfinite
from zoneinfo import ZoneInfo

from bandit_platform.domain.context import Context, ContextSchema, ContextValue
from bandit_platform.errors import InputError

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_NUMBERS = re.compile(r"(?P<low>[^.]*(?:\.\d[^.]*)?)\.\.(?P<high>.*)")


@dataclass(frozen=True, kw_only=True)
class Where:
    """A condition on one context field.

    Attributes:
        field: name of the field, without ``context.``.
        text: the value, or for a number a range such as ``50..100`` (its upper end excluded).
        equals: the value; None for a range.
        low: lower end of the range, included.
        high: upper end of the range, excluded.
    """

    field: str
    text: str
    equals: ContextValue | None = None
    low: float | None = None
    high: float | None = None

    def holds(self, context: Context) -> bool:
        """Whether a context meets the condition: a set if it holds the value, none if missing."""
        value = context.get(self.field)
        if value is None:
            return False
        if isinstance(value, tuple):
            return self.equals in value
        if self.equals is not None:
            return value == self.equals and isinstance(value, bool) == isinstance(self.equals, bool)
        if isinstance(value, (bool, str)):
            return False
        return (self.low is None or self.low <= value) and (self.high is None or value < self.high)

    def __str__(self) -> str:
        return f"{self.field}={self.text}"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A period and conditions on the context; all must hold."""

    #: decided at or after this moment
    since: datetime | None = None
    #: decided before this moment
    until: datetime | None = None
    where: tuple[Where, ...] = ()

    def holds(self, context: Context) -> bool:
        """Whether a context meets every condition."""
        return all(each.holds(context) for each in self.where)


EVERYTHING = Selection()


def parse_selection(
    schema: ContextSchema,
    zone: str,
    *,
    since: str = "",
    until: str = "",
    where: Sequence[str] = (),
) -> Selection:
    """A selection from what somebody wrote.

    Args:
        schema: the experiment's declared context.
        zone: time zone of moments that name none.
        since: a day or a moment, ISO 8601; empty for the beginning.
        until: a day (which is included) or a moment (which is not); empty for no end.
        where: conditions such as ``country=GB`` or ``cart_value=50..100``.

    Raises:
        InputError: with the part that cannot be read.
    """
    first = parse_moment(since, zone, name="from") if since else None
    last = parse_moment(until, zone, name="to", whole_day=True) if until else None
    if first is not None and last is not None and first >= last:
        raise InputError("to: the period ends before it begins")
    return Selection(
        since=first, until=last, where=tuple(parse_where(schema, text) for text in where)
    )


def parse_moment(text: str, zone: str, *, name: str, whole_day: bool = False) -> datetime:
    """A day or a moment, in UTC.

    Args:
        text: ISO 8601; without an offset it is meant in ``zone``.
        zone: time zone.
        name: what it is for, for the error.
        whole_day: a day alone means its end.

    Raises:
        InputError: it is neither.
    """
    try:
        if _DAY.fullmatch(text):
            day = date.fromisoformat(text) + timedelta(days=1 if whole_day else 0)
            found = datetime.combine(day, time(), ZoneInfo(zone))
        else:
            found = datetime.fromisoformat(text)
            if found.tzinfo is None:
                found = found.replace(tzinfo=ZoneInfo(zone))
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError(
            f"{name}: give a day such as 2026-11-22 or a moment such as 2026-11-22T10:00"
        ) from None


def parse_where(schema: ContextSchema, text: str) -> Where:
    """A condition such as ``country=GB``, ``returning=true`` or ``cart_value=50..100``.

    For a set, ``cart_skus=MUG-1`` chooses the rows whose set holds the value.

    Raises:
        InputError: no such field, or its type takes no such value.
    """
    name, equals, value = text.partition("=")
    name = name.strip().removeprefix("context.")
    field = schema.get(name)
    if not equals or field is None:
        known = ", ".join(schema) or "none"
        raise InputError(f"where: give FIELD=VALUE with a declared context field: {known}")
    if field.type == "boolean":
        if value not in {"true", "false"}:
            raise InputError(f"where: {name} is true or false")
        return Where(field=name, text=value, equals=value == "true")
    if field.type == "number":
        return _number(name, value)
    if not value:
        raise InputError(f"where: {name} needs a value")
    return Where(field=name, text=value, equals=value)


def _number(name: str, text: str) -> Where:
    ends = _NUMBERS.fullmatch(text)
    try:
        if ends is None:
            return Where(field=name, text=text, equals=_finite(text))
        low, high = (_finite(end) if end else None for end in (ends["low"], ends["high"]))
    except ValueError:
        raise InputError(f"where: {name} is a number, or a range such as 50..100") from None
    if low is None and high is None:
        raise InputError(f"where: {name} is a number, or a range such as 50..100")
    return Where(field=name, text=text, low=low, high=high)


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(text)
    return number
