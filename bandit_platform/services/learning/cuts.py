"""How context fields are cut into segments: by value, or by ranges of a number.

A set is cut by the values that it contains: a row is in the segment of each, so these overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as attribute
from types import MappingProxyType

import numpy as np

from bandit_platform.domain.context import (
    BooleanField,
    CategoryField,
    ContextField,
    ContextValue,
    SetField,
)
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.ope.reward_range import Floats
from bandit_platform.services.learning.support import Source, WaitingValues

MOST_FIELDS = 12
"""Fields that are cut; those named under ``[report]`` come first."""
MOST_VALUES = 12
"""Values of a field with a segment of their own, the first ones with enough behind them (see
``support``); the rest are one together, and so is what a value counted before it had its own."""
NUMBERS_FOR_EDGES = 200
"""Numbers whose quarters become the ranges of a field without declared ones."""
MISSING = "missing"
OTHER = "other"
NONE = "none"
"""A set without any of the values that have a segment."""
_QUARTER_EDGES = 3
_VALUE, _RANGE, _MEMBER = "value:", "range:", "member:"


_FIXED = MappingProxyType({MISSING: "not given", OTHER: "other values", NONE: "none of these"})


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A field and how it is cut.

    Attributes:
        field: name in the context.
        number: cut into ranges; else by value.
        edges: inner edges of the ranges, each belonging to the range above it, as the experiment
            declares them; None where the first interactions decide.
        contains: a set, cut by the values that it contains.
        values: the values of a set that have a segment; None where the first interactions decide.
        closed: whether the definition names every value, and there is room for all of them.
    """

    field: str
    number: bool
    edges: tuple[float, ...] | None = None
    contains: bool = False
    values: tuple[str, ...] | None = None
    closed: bool = attribute(default=False, compare=False)


def cuts_of(spec: ExperimentSpec) -> tuple[Cut, ...]:
    """Every declared context field once, those named under ``[report]`` first."""
    made: dict[str, Cut] = {}
    for segment in spec.report.segments:
        named = {segment: None} if isinstance(segment, str) else segment
        for field, edges in named.items():
            made.setdefault(field, _cut(spec, field, edges))
    for field in spec.context:
        made.setdefault(field, _cut(spec, field, None))
    return tuple(made.values())[:MOST_FIELDS]


def _cut(spec: ExperimentSpec, field: str, listed: Sequence[float | str] | None) -> Cut:
    declared = spec.context[field]
    if isinstance(declared, SetField):
        values = _set_values(declared, listed)
        return Cut(
            field=field, number=False, contains=True, values=values, closed=values is not None
        )
    number = declared.type == "number"
    sorted_edges = tuple(sorted({float(edge) for edge in listed})) if listed else None
    return Cut(
        field=field,
        number=number,
        edges=sorted_edges if number else None,
        closed=_is_closed(declared),
    )


def _set_values(declared: SetField, listed: Sequence[float | str] | None) -> tuple[str, ...] | None:
    """The values of a set that the definition gives a segment, in its order."""
    values = declared.values if not listed else tuple(map(str, listed))
    if values is None or len(values) > MOST_VALUES:
        return None
    return tuple(dict.fromkeys(values))


def _is_closed(declared: ContextField) -> bool:
    if isinstance(declared, CategoryField):
        return declared.values is not None and len(declared.values) <= MOST_VALUES
    return isinstance(declared, BooleanField)


def most_segments(cut: Cut, spec: ExperimentSpec) -> int:
    """How many segments a field can come to have, one for missing values included."""
    field = spec.context[cut.field]
    missing = 0 if field.required else 1
    if isinstance(field, BooleanField):
        return 2 + missing
    if isinstance(field, CategoryField):
        if field.values is None or len(field.values) > MOST_VALUES:
            return MOST_VALUES + 1 + missing
        return len(field.values) + missing
    if isinstance(field, SetField):
        return (MOST_VALUES if cut.values is None else len(cut.values)) + 1 + missing
    edges = _QUARTER_EDGES if cut.edges is None else len(cut.edges)
    return edges + 1 + missing


def value_keys(
    values: Sequence[ContextValue | None],
    sources: Sequence[Source],
    known: Sequence[str],
    waiting: WaitingValues | None,
) -> list[str]:
    """Each row's segment where a field is cut by value.

    Args:
        values: the field in each row, None where it is missing.
        sources: whose word each of them is.
        known: segments there are already, in the order they were first seen.
        waiting: values without a segment, which it takes in; None where every value may have one.
    """
    names = dict.fromkeys(key for key in known if key.startswith(_VALUE))
    found: dict[tuple[type, ContextValue | None], str] = {(type(None), None): MISSING}
    keys = []
    for value, source in zip(values, sources, strict=True):
        same = (value.__class__, value)  # True equals 1.0, but is another value
        key = found.get(same)
        if key is None:
            key = f"{_VALUE}{_text(value)}"
            full = len(names) >= MOST_VALUES
            if key in names or (not full and (waiting is None or waiting.takes_place(key, source))):
                names[key] = None
                found[same] = key
            else:
                key = OTHER
                if full:
                    found[same] = key
        keys.append(key)
    return keys


def member_rows(
    values: Sequence[ContextValue | None],
    sources: Sequence[Source],
    known: Sequence[str],
    waiting: WaitingValues | None,
    listed: Sequence[str] | None,
) -> dict[str, list[int]]:
    """Segment → the rows in it, where a set is cut by the values that it contains.

    Args:
        values: as in :func:`value_keys`.
        sources: as in :func:`value_keys`.
        known: as in :func:`value_keys`.
        waiting: as in :func:`value_keys`.
        listed: the values that have a segment; None where the first ones get theirs.
    """
    names = {key for key in known if key.startswith(_MEMBER)}
    rows: dict[str, list[int]] = {}
    for row, (value, source) in enumerate(zip(values, sources, strict=True)):
        if not isinstance(value, tuple):
            rows.setdefault(MISSING, []).append(row)
            continue
        found = False
        for text in value if listed is None else (each for each in listed if each in value):
            key = f"{_MEMBER}{text}"
            if listed is None and key not in names:
                full = len(names) >= MOST_VALUES
                if full or waiting is None or not waiting.takes_place(key, source):
                    continue
                names.add(key)
            rows.setdefault(key, []).append(row)
            found = True
        if not found:
            rows.setdefault(NONE, []).append(row)
    return rows


def range_keys(numbers: Floats, edges: Sequence[float]) -> list[str]:
    """Each row's segment where a field is cut into ranges; NaN is missing."""
    places = np.searchsorted(np.array(edges), numbers, side="right")
    return [
        MISSING if missing else f"{_RANGE}{place}"
        for place, missing in zip(places.tolist(), np.isnan(numbers).tolist(), strict=True)
    ]


def numbers_of(values: Sequence[ContextValue | None]) -> Floats:
    """The values as numbers; NaN where a value is missing or no number."""
    return np.array(
        [
            float("nan") if value is None or isinstance(value, (bool, str, tuple)) else value
            for value in values
        ],
        dtype=np.float64,
    )


def found_edges(numbers: Sequence[float]) -> tuple[float, ...]:
    """Edges at the quarters of the first numbers, to three digits and each once.

    Every number is rounded before: edges that people can read are worth more than equal counts.
    """
    quarters = np.quantile(np.array(numbers), [0.25, 0.5, 0.75])
    return tuple(sorted({float(f"{edge:.3g}") for edge in quarters}))


def label_of(key: str, edges: Sequence[float]) -> str:
    """What a segment is called."""
    if key in _FIXED:
        return _FIXED[key]
    kind, _, value = key.partition(":")
    if kind == "member":
        return f"contains {value}"
    if kind == "value":
        return value
    place, shown = int(key.removeprefix(_RANGE)), [f"{edge:,g}" for edge in edges]
    if place == 0:
        return f"below {shown[0]}"
    if place == len(shown):
        return f"{shown[-1]} and more"
    return f"{shown[place - 1]} to below {shown[place]}"


def kind_of(key: str) -> str:
    """value, range, missing or other."""
    kind = key.partition(":")[0]
    return {"member": "value", NONE: OTHER}.get(kind, kind)


def _text(value: ContextValue | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):  # the field was a set once
        return ", ".join(value)
    return value if isinstance(value, str) else f"{value:g}"
