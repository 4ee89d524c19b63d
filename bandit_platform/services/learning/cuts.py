"""How context fields are cut into segments: by value, or by ranges of a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as attribute

import numpy as np

from bandit_platform.domain.context import (
    BooleanField,
    CategoryField,
    ContextField,
    ContextValue,
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
_QUARTER_EDGES = 3
_VALUE, _RANGE = "value:", "range:"


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A field and how it is cut.

    Attributes:
        field: name in the context.
        number: cut into ranges; else by value.
        edges: inner edges of the ranges, each belonging to the range above it, as the experiment
            declares them; None where the first interactions decide.
        closed: whether the definition names every value, and there is room for all of them.
    """

    field: str
    number: bool
    edges: tuple[float, ...] | None = None
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


def _cut(spec: ExperimentSpec, field: str, edges: Sequence[float] | None) -> Cut:
    number = spec.context[field].type == "number"
    sorted_edges = tuple(sorted({float(edge) for edge in edges})) if edges else None
    return Cut(
        field=field,
        number=number,
        edges=sorted_edges if number else None,
        closed=_is_closed(spec.context[field]),
    )


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
            float("nan") if value is None or isinstance(value, (bool, str)) else value
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
    if key == MISSING:
        return "not given"
    if key == OTHER:
        return "other values"
    if key.startswith(_VALUE):
        return key.removeprefix(_VALUE)
    place, shown = int(key.removeprefix(_RANGE)), [f"{edge:,g}" for edge in edges]
    if place == 0:
        return f"below {shown[0]}"
    if place == len(shown):
        return f"{shown[-1]} and more"
    return f"{shown[place - 1]} to below {shown[place]}"


def kind_of(key: str) -> str:
    """value, range, missing or other."""
    return key.partition(":")[0]


def _text(value: ContextValue | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:g}"
