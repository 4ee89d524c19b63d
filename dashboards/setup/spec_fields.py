"""An experiment as the fields of a form: tables in, flat names and texts out.

A field is called by its place: ``arms-0-when-1-value`` is the value of the second condition of the
first arm. :mod:`dashboards.setup.spec_reading` is the way back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from bandit_platform.domain.floor import FloorTable
from bandit_platform.domain.policy_spec import EXPLORATIONS
from bandit_platform.domain.reward import RESERVED
from dashboards.setup.spec_notation import list_text, scalar_text

Fields = dict[str, str]

OFFER_TEXTS = ("title", "url", "image", "text")
PARAMETERS = tuple(name for names in EXPLORATIONS.values() for name in names)
LISTED_OPERATORS = frozenset({"in", "not_in", "contains_any", "contains_none"})
#: what the tables leave to their defaults, as the form shows it
_EXPLORATION = {
    "exploration": "squarecb",
    "floor": FloorTable().model_dump(),
    "minimum_value": 0.0,
    "interactions": ["context*arm"],
    "learning_rate": 0.05,
}
_POLICY = {"mode": "learning", **_EXPLORATION, "publish_every": "1m"}
_REWARD = {"window": "7d", "default": 0.0}

#: the fields of a row that somebody adds
NEW_ROWS: Mapping[str, Fields] = {
    "context": {"name": "", "type": "category"},
    "arms": {"key": "", "value-0-type": "accept", "value-0-kind": "fixed"},
    "features": {"name": "", "kind": "number"},
    "when": {"field": "", "op": "gte"},
    "reward-weights": {"type": "", "kind": "fixed"},
    "value": {"type": "", "kind": "fixed"},
    "cost": {"type": "", "kind": "fixed"},
    "candidates": {
        "name": "",
        "exploration": "epsilon_greedy",
        "floor_kind": "table",
        "floor_nothing": "0.04",
        "floor_offers": "0.02",
        "minimum_value": "0",
        "interactions": "context*arm",
        "learning_rate": "0.05",
    },
    "report-segments": {"field": ""},
}


def fields_of(tables: Mapping[str, Any]) -> Fields:
    """The form's fields for the tables of an experiment file, which need not be valid."""
    return dict(_fields(tables))


def _fields(tables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("key", "placement", "owner", "hypothesis"):
        yield name, str(tables.get(name, ""))
    yield "arms_from", str(tables.get("arms_from", "file"))
    for i, (name, field) in enumerate(_table(tables.get("context")).items()):
        yield from _context_row(f"context-{i}", name, _table(field))
    for i, arm in enumerate(_rows(tables.get("arms"))):
        yield from _arm_rows(f"arms-{i}", arm)
    yield from _reward(_table(tables.get("reward")))
    policy = {**_POLICY, **_table(tables.get("policy"))}
    yield "policy-mode", str(policy["mode"])
    yield "policy-publish_every", str(policy["publish_every"])
    yield from _exploration("policy", policy)
    for i, candidate in enumerate(_rows(tables.get("candidates"))):
        yield f"candidates-{i}-name", str(candidate.get("name", ""))
        yield from _exploration(f"candidates-{i}", {**_EXPLORATION, **candidate})
    yield "holdout-share", _shown(_table(tables.get("holdout")).get("share"))
    yield "events-secret_only", _listed(_table(tables.get("events")).get("secret_only"))
    report = _table(tables.get("report"))
    request = _table(tables.get("request"))
    yield "request-unknown", str(request.get("unknown", "refuse"))
    if request.get("lenient"):
        yield "request-lenient", "on"
    yield "report-time_zone", str(report.get("time_zone", "UTC"))
    for i, segment in enumerate(_sequence(report.get("segments"))):
        yield from _segment_row(f"report-segments-{i}", segment)


def _context_row(row: str, name: str, field: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield f"{row}-name", name
    yield f"{row}-type", str(field.get("type", ""))
    for flag in ("required", "allow_personal"):
        if field.get(flag):
            yield f"{row}-{flag}", "on"
    for bound in ("min", "max", "max_items"):
        yield f"{row}-{bound}", _shown(field.get(bound))
    values = field.get("values")
    yield f"{row}-values", "[]" if values == [] else _listed(values)


def _arm_rows(row: str, arm: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield f"{row}-key", str(arm.get("key", ""))
    offer = dict(_table(arm.get("offer")))
    for name in OFFER_TEXTS:
        if _is_plain(name, offer.get(name)):
            yield f"{row}-{name}", offer.pop(name)
    yield f"{row}-more", json.dumps(offer, ensure_ascii=False, indent=2) if offer else ""
    for i, (name, value) in enumerate(_table(arm.get("features")).items()):
        yield f"{row}-features-{i}-name", name
        yield f"{row}-features-{i}-kind", _kind(value)
        yield f"{row}-features-{i}-value", scalar_text(value)
    conditions = [
        (name, operator, wanted)
        for name, condition in _table(arm.get("when")).items()
        for operator, wanted in _table(condition).items()
    ]
    for i, (name, operator, wanted) in enumerate(conditions):
        yield f"{row}-when-{i}-field", name
        yield f"{row}-when-{i}-op", operator
        listed = operator in LISTED_OPERATORS
        yield f"{row}-when-{i}-value", (_listed(wanted) or "[]") if listed else _shown(wanted)
    for name in ("starts_at", "ends_at", "sku", "not_if_in", "advertiser", "category"):
        yield f"{row}-{name}", _shown(arm.get(name))
    for name in ("value", "cost"):
        worth = arm.get(name)
        single = isinstance(worth, (int, float)) and not isinstance(worth, bool)
        yield from _weights(f"{row}-{name}", {"accept": worth} if single else _table(worth))


def _is_plain(name: str, value: Any) -> bool:
    """Whether a part of the offer can stand in a field of its own, unchanged."""
    if not isinstance(value, str) or not value or "\r" in value:
        return False
    return name == "text" or "\n" not in value


def _reward(reward: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    known = {**_REWARD, **reward}
    for name in ("window", "default", "currency"):
        yield f"reward-{name}", _shown(known.get(name))
    bounds = _sequence(reward.get("range"))
    for place, name in enumerate(("low", "high")):
        yield f"reward-range_{name}", _shown(bounds[place]) if place < len(bounds) else ""
    weights = {name: value for name, value in reward.items() if name not in RESERVED}
    yield from _weights("reward-weights", weights)


def _weights(prefix: str, weights: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for i, (name, weight) in enumerate(weights.items()):
        multiple = isinstance(weight, Mapping)
        yield f"{prefix}-{i}-type", name
        yield f"{prefix}-{i}-kind", "amount" if multiple else "fixed"
        yield f"{prefix}-{i}-value", _shown(weight.get("amount") if multiple else weight)
        if multiple:
            yield f"{prefix}-{i}-max", _shown(weight.get("max"))


def _exploration(row: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield f"{row}-exploration", str(table["exploration"])
    yield from _floor(row, table["floor"])
    yield f"{row}-minimum_value", _shown(table["minimum_value"])
    yield f"{row}-interactions", _listed(table["interactions"])
    yield f"{row}-learning_rate", _shown(table["learning_rate"])
    for name, value in _table(table.get("parameters")).items():
        yield f"{row}-{name}", _shown(value)


def _floor(row: str, floor: Any) -> Iterator[tuple[str, str]]:
    if isinstance(floor, Mapping):
        yield f"{row}-floor_kind", "table"
        for name, value in {**FloorTable().model_dump(), **floor}.items():
            yield f"{row}-floor_{name}", _shown(value)
    else:
        yield f"{row}-floor_kind", "number"
        yield f"{row}-floor", _shown(floor)


def _segment_row(row: str, segment: Any) -> Iterator[tuple[str, str]]:
    if isinstance(segment, Mapping):
        cuts = list(segment.values())
        if len(segment) == 1 and cuts[0]:
            yield f"{row}-field", str(next(iter(segment)))
            yield f"{row}-cuts", _listed(cuts[0])
        else:
            yield f"{row}-field", json.dumps(dict(segment))
    else:
        yield f"{row}-field", str(segment)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, (int, float)) else "text"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    return scalar_text(value)


def _listed(value: Any) -> str:
    return list_text(_sequence(value))


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in _sequence(value) if isinstance(item, Mapping)]


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()
