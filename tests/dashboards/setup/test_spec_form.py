"""The form and the file say the same: spec → fields → spec is the identity."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bandit_platform.domain.policy_spec import EXPLORATIONS
from bandit_platform.domain.spec_file import parse_tables, parse_toml
from bandit_platform.domain.spec_text import to_toml
from dashboards.setup.editor import from_form
from dashboards.setup.spec_fields import fields_of
from dashboards.setup.spec_reading import read_form

NUMBERS = st.floats(-1e9, 1e9) | st.integers(-1000, 1000).map(float)
KEYS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True).filter(
    lambda key: key != "nothing"
)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True)
#: a browser sends line breaks as it likes, so none but plain ones are drawn
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), max_size=12)
EVENTS = st.from_regex(r"[a-z][a-z_-]{0,8}", fullmatch=True).filter(
    lambda name: name not in {"window", "default", "range", "currency", "weights"}
)
JSON = st.recursive(
    st.booleans() | NUMBERS | TEXTS | st.integers(-(10**9), 10**9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)


LABELS = st.from_regex(r"[A-Za-z]( ?[A-Za-z]){0,8}", fullmatch=True)


def worths(least: float) -> st.SearchStrategy[dict[str, Any]]:
    """What an arm's outcomes are worth or cost."""
    number = st.floats(least, 1e6)
    amount = st.builds(lambda n: {"amount": n}, number)
    most = st.builds(lambda n, most: {"amount": n, "max": most}, number, st.floats(1, 1e6))
    return st.dictionaries(EVENTS, number | amount | most, max_size=2)


@st.composite
def explorations(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(sorted(EXPLORATIONS)))
    taken = draw(st.sets(st.sampled_from(sorted(EXPLORATIONS[name]))))
    return {
        "exploration": name,
        "parameters": {each: draw(st.floats(0, 1)) for each in sorted(taken)},
        "floor": draw(
            st.floats(0.001, 1)
            | st.fixed_dictionaries(
                {}, optional={"nothing": st.floats(0.001, 0.5), "offers": st.floats(0.001, 0.45)}
            )
        ),
        "minimum_value": draw(st.just(0.0) | st.floats(0, 100)),
        "learning_rate": draw(st.floats(0.01, 10)),
        "interactions": draw(
            st.lists(st.sampled_from(["context*arm", "arm*arm", "context*context*arm"]), max_size=2)
        ),
    }


@st.composite
def fields_of_context(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["number", "category", "boolean", "set"]))
    field: dict[str, Any] = {"type": kind, "required": draw(st.booleans())}
    if kind == "number":
        bounds = sorted(draw(st.tuples(NUMBERS, NUMBERS)))
        field |= dict(zip(("min", "max"), bounds, strict=True)) if draw(st.booleans()) else {}
    if kind == "category" and draw(st.booleans()):
        field["values"] = draw(st.lists(TEXTS, max_size=3))
    if kind == "set":
        field["max_items"] = draw(st.integers(1, 50))
    if kind != "boolean":
        field["allow_personal"] = draw(st.booleans())
    return field


@st.composite
def conditions(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    condition: dict[str, Any] = {}
    if kind == "set":
        for operator in ("contains_any", "contains_none"):
            if draw(st.booleans()):
                condition[operator] = draw(st.lists(TEXTS, min_size=1, max_size=3))
        return condition or {"contains": draw(TEXTS)}
    values = {"number": NUMBERS, "category": TEXTS, "boolean": st.booleans()}[kind]
    for operator in ("eq", "ne"):
        if draw(st.booleans()):
            condition[operator] = draw(values)
    for operator in ("in", "not_in"):
        if draw(st.booleans()):
            condition[operator] = draw(st.lists(values, max_size=3))
    if kind == "number" and draw(st.booleans()):
        condition["gte"] = draw(NUMBERS)
    return condition or {"eq": draw(values)}


@st.composite
def carts(draw: st.DrawFn, context: dict[str, Any]) -> dict[str, Any]:
    sets = sorted(name for name, field in context.items() if field["type"] == "set")
    if not draw(st.booleans()):
        return {}
    sku = {"sku": draw(TEXTS.filter(bool))}
    return {**sku, "not_if_in": draw(st.sampled_from(sets))} if sets else sku


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    context = draw(st.dictionaries(NAMES, fields_of_context(), max_size=3))
    arms = [
        {
            "key": key,
            "features": draw(st.dictionaries(NAMES, NUMBERS | TEXTS | st.booleans(), max_size=2)),
            "offer": draw(
                st.dictionaries(
                    st.sampled_from(["title", "url", "text", "badge"]), JSON, max_size=3
                )
            ),
            "when": {
                name: draw(conditions(context[name]["type"]))
                for name in draw(st.sets(st.sampled_from(sorted(context))))
            }
            if context
            else {},
            **draw(carts(context)),
            "value": draw(worths(-1e6)),
            "cost": draw(worths(0.0)),
            **(
                {"advertiser": draw(LABELS), "category": draw(LABELS)}
                if draw(st.booleans())
                else {}
            ),
            **({"starts_at": "2026-12-01T00:00:00+01:00"} if draw(st.booleans()) else {}),
        }
        for key in draw(st.lists(KEYS, min_size=1, max_size=3, unique=True))
    ]
    weights = draw(
        st.dictionaries(
            EVENTS, NUMBERS | NUMBERS.map(lambda n: {"amount": n}), min_size=1, max_size=3
        )
    )
    numbers = sorted(name for name, field in context.items() if field["type"] == "number")
    segments: list[Any] = list(draw(st.sets(st.sampled_from(sorted(context))))) if context else []
    segments += [{name: [1.0, 2.5]} for name in numbers]
    segments += [
        {name: draw(st.lists(TEXTS, min_size=1, max_size=3))}
        for name, field in sorted(context.items())
        if field["type"] == "set"
    ]
    segments += [{name: [] for name in numbers}]
    tables = {
        "key": draw(KEYS),
        "placement": draw(KEYS),
        "owner": draw(TEXTS.filter(lambda text: "\n" not in text)),
        "hypothesis": draw(TEXTS),
        "context": context,
        "arms": arms,
        "reward": {
            "range": [-2.0, 1.5],
            "window": draw(st.sampled_from(["90s", "7d", "150.5ms"])),
            **({"currency": "EUR"} if draw(st.booleans()) else {}),
            **weights,
        },
        "policy": {"mode": draw(st.sampled_from(["learning", "shadow"])), **draw(explorations())},
        "candidates": [
            {"name": name, **draw(explorations())}
            for name in draw(st.lists(KEYS.map("c-{}".format), max_size=2, unique=True))
        ],
        "events": {"secret_only": sorted(weights)[:1]},
        "request": {
            "unknown": draw(st.sampled_from(["refuse", "drop"])),
            "lenient": draw(st.booleans()),
        },
        "report": {"time_zone": "Europe/London", "segments": segments},
    }
    if draw(st.booleans()):
        tables["holdout"] = {"share": draw(st.floats(0, 0.5))}
    return tables


@settings(max_examples=60)
@given(specs())
def test_form_and_toml_read_back_as_the_spec_they_were_made_of(tables: dict[str, Any]) -> None:
    spec = parse_tables(tables)
    reading = read_form(fields_of(spec.to_file()))
    assert reading.problems == ()
    assert parse_tables(reading.tables).to_json() == spec.to_json()
    assert parse_toml(to_toml(spec.to_file())).to_json() == spec.to_json()


def test_what_is_typed_as_toml_fills_the_form(spec_text: str) -> None:
    tables = tomllib.loads(spec_text)
    assert parse_tables(read_form(fields_of(tables)).tables) == parse_tables(tables)


def test_a_wrong_worth_is_shown_at_its_field_of_the_form() -> None:
    fields = {
        "key": "page",
        "placement": "cart",
        "arms-0-key": "lounge",
        "arms-0-value-0-type": "accept",
        "arms-0-value-0-kind": "fixed",
        "arms-0-value-0-value": "much",
        "arms-0-cost-0-type": "accept",
        "arms-0-cost-0-kind": "fixed",
        "arms-0-cost-0-value": "-1",
        "arms-0-cost-1-type": "purchase",
        "arms-0-cost-1-kind": "amount",
        "arms-0-cost-1-value": "0.1",
        "arms-0-cost-1-max": "0",
        "arms-0-category": "x" * 65,
    }
    errors = from_form(fields).errors
    assert set(errors) == {
        "arms-0-value-0-value",
        "arms-0-cost-1-max",
        "arms-0-category",
    }
    fixed = {
        **fields,
        "arms-0-value-0-value": "3",
        "arms-0-cost-1-max": "50",
        "arms-0-category": "",
    }
    assert from_form(fixed).errors == {
        "arms-0-cost-0-type": "accept must be at least 0: it is subtracted from the reward"
    }
    spec = from_form({**fixed, "arms-0-cost-0-value": "1"}).spec
    assert spec is not None
    assert spec.reward_range == (-5.0, 2.0)
