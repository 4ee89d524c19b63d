"""Decisions as rows of the table, and back: the columns follow from the fields of a decision.

Each field of :class:`Decision`, and of the :class:`Draw` of the first slot, is a column of the same
name. Moments are microseconds, lists and objects JSON. NULL means a field's default, so that
absent fields take no space. Draws of further slots are one JSON list. Where the arms came with the
request, columns of the draw are as :mod:`bandit_platform.storage.compact_draws` writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, get_type_hints

from pydantic import TypeAdapter
from sqlalchemy import Row

from bandit_platform.domain.decision import Decision, Draw, Reason
from bandit_platform.domain.request_arms import ArmList
from bandit_platform.storage.compact_draws import (
    read_eligible,
    read_exclusions,
    read_pmf,
    write_eligible,
    write_exclusions,
    write_pmf,
)
from bandit_platform.storage.statements import ascii_json, from_micros, to_micros

#: counted when a decision is stored, and not stored with it
NOT_STORED = frozenset({"dropped_fields"})
#: the column of the draws after the first slot's
MORE_DRAWS = "more_draws"
_NO_LISTS: Mapping[str, ArmList] = MappingProxyType({})
_PLAIN = (str, int, float, bool)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Column:
    """How a field is written to its column and read from it."""

    name: str
    write: Callable[[Any], Any] | None
    read: Callable[[Any], Any] | None
    #: what NULL means, where a column may be NULL
    default: Any


def _columns(record: type, without: frozenset[str]) -> tuple[_Column, ...]:
    hints = get_type_hints(record)
    return tuple(
        _column(field.name, hints[field.name], field.default)
        for field in fields(record)
        if field.name not in without
    )


def _column(name: str, hint: Any, default: Any) -> _Column:
    required = default is MISSING
    write, read = _codec(hint, required=required)
    return _Column(name=name, write=write, read=read, default=None if required else default)


def _codec(
    hint: Any, *, required: bool
) -> tuple[Callable[[Any], Any] | None, Callable[[Any], Any] | None]:
    """How values of a type become a column's and back; None where they stay as they are."""
    if hint is datetime:
        return to_micros, from_micros
    if hint is Reason:
        return str, lru_cache(maxsize=64)(Reason)
    if any(hint == plain or hint == (plain | None) for plain in _PLAIN):
        return None, None
    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    validate = adapter.validator.validate_json  # of the adapter itself it takes half as long again

    def write(value: Any) -> str | None:
        if not value and not required:
            return None
        return ascii_json(adapter.dump_json(value, exclude_defaults=True))

    def read(text: str) -> Any:
        return validate(text, strict=True)

    if hint == tuple[str, ...]:  # few lists of arms come again and again
        return lru_cache(maxsize=4096)(write), lru_cache(maxsize=4096)(read)
    return write, read


class _ColumnReader:
    """Reads the fields of a record from the columns that begin at a position of a row."""

    def __init__(self, columns: tuple[_Column, ...], start: int) -> None:
        self._names = tuple(column.name for column in columns)
        self._place = slice(start, start + len(columns))
        #: columns whose values are not the field's, with how to read them and what NULL means
        self._converted = tuple(
            (column.name, column.read, column.default)
            for column in columns
            if column.read is not None or column.default is not None
        )

    def read(self, row: Row[Any], **known: Any) -> dict[str, Any]:
        """The fields, of which some may be known already.

        Raises:
            ValueError: a value is damaged.
        """
        found = dict(zip(self._names, row[self._place], strict=True))
        for name, read, default in self._converted:
            value = found[name]
            if name in known:
                continue
            if value is None:
                found[name] = default
            elif read is not None:
                try:
                    found[name] = read(value)
                except ValueError as error:
                    raise ValueError(f"column {name} is damaged") from error
        return {**found, **known} if known else found


_DECISION = _columns(Decision, NOT_STORED | {"draws"})
_DRAW = _columns(Draw, frozenset({"arms"}))
_READ_DECISION, _READ_DRAW = _ColumnReader(_DECISION, 0), _ColumnReader(_DRAW, len(_DECISION))
_PLACES = {column.name: place for place, column in enumerate(_DRAW, len(_DECISION))}
_MORE: TypeAdapter[tuple[Draw, ...]] = TypeAdapter(tuple[Draw, ...])
#: the columns, in the order of :func:`decision_values`
COLUMNS = (*(each.name for each in (*_DECISION, *_DRAW)), MORE_DRAWS)


def decision_values(decision: Decision) -> tuple[Any, ...]:
    """A decision as the values of :data:`COLUMNS`."""
    first = decision.draws[0]
    values: list[Any] = []
    for record, columns in ((decision, _DECISION), (first, _DRAW)):
        for column in columns:
            value = getattr(record, column.name)
            values.append(value if column.write is None else column.write(value))
    if first.arms is not None:
        _compact(values, first, first.arms)
    more = decision.draws[1:]
    values.append(ascii_json(_MORE.dump_json(more, exclude_defaults=True)) if more else None)
    return tuple(values)


def _compact(values: list[Any], draw: Draw, arms: ArmList) -> None:
    """Write the columns of a draw among a request's arms by their positions."""
    eligible = write_eligible(draw.eligible, arms)
    if eligible is not None:
        values[_PLACES["eligible"]] = eligible
    values[_PLACES["pmf"]] = write_pmf(draw.pmf)
    if draw.exclusions and arms.by_key.keys() >= draw.exclusions.keys():
        values[_PLACES["exclusions"]] = write_exclusions(draw.exclusions, arms)


def decision_row(decision: Decision) -> dict[str, Any]:
    """A decision as columns."""
    return dict(zip(COLUMNS, decision_values(decision), strict=True))


def decision_from(row: Row[Any], lists: Mapping[str, ArmList] = _NO_LISTS) -> Decision:
    """The decision of a row that begins with :data:`COLUMNS`.

    Args:
        row: of the table.
        lists: hash → the list of arms, at least the row's if it has one.

    Raises:
        ValueError: a value is damaged.
        TypeError: a value is missing, or of another type.
    """
    arms_hash = row[_PLACES["arms_hash"]]
    first = Draw(**_READ_DRAW.read(row)) if arms_hash is None else _among(row, lists.get(arms_hash))
    more = row[len(COLUMNS) - 1]
    draws = (first,) if more is None else (first, *_MORE.validate_json(more, strict=True))
    return Decision(**_READ_DECISION.read(row), draws=draws)


def _among(row: Row[Any], arms: ArmList | None) -> Draw:
    """The draw of a row whose arms came with the request."""
    compact: dict[str, Any] = {}
    eligible, pmf, exclusions = (row[_PLACES[each]] for each in ("eligible", "pmf", "exclusions"))
    if not pmf.startswith("["):
        compact["pmf"] = read_pmf(pmf)
    if not eligible.startswith("[") or (exclusions or "").startswith("["):
        if arms is None:
            raise ValueError("the arms of its request are not stored")
        if not eligible.startswith("["):
            compact["eligible"] = read_eligible(eligible, arms)
        if exclusions is not None and exclusions.startswith("["):
            compact["exclusions"] = read_exclusions(exclusions, arms)
    return Draw(**_READ_DRAW.read(row, **compact), arms=arms)
