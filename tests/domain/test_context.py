from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from bandit_platform.domain.context import ContextField, ContextSchema, validate_context
from bandit_platform.errors import ContextError

CANARY = "canary-7f3a"

_SCHEMA: TypeAdapter[Any] = TypeAdapter(dict[str, ContextField])


def declared(**fields: dict[str, Any]) -> ContextSchema:
    schema: ContextSchema = _SCHEMA.validate_python(fields)
    return schema


SCHEMA = declared(
    cart_value={"type": "number", "min": 0, "max": 1000},
    country={"type": "category"},
    device={"type": "category", "values": ["mobile", "desktop"]},
    returning={"type": "boolean"},
    cart_skus={"type": "set"},
    departments={"type": "set", "values": ["home", "garden"], "max_items": 2},
)


def refusal(raw: dict[str, Any], schema: ContextSchema = SCHEMA) -> dict[str, str]:
    with pytest.raises(ContextError) as caught:
        validate_context(schema, raw)
    assert all(str(problem) in str(caught.value) for problem in caught.value.problems)
    return {problem.path: problem.message for problem in caught.value.problems}


def test_a_fitting_context_comes_back_in_the_order_of_the_schema() -> None:
    context = validate_context(SCHEMA, {"returning": False, "country": "GB", "cart_value": 82})
    assert list(context.items()) == [("cart_value", 82.0), ("country", "GB"), ("returning", False)]
    assert type(context["cart_value"]) is float


def test_what_is_not_said_stays_absent_unless_required() -> None:
    assert validate_context(SCHEMA, {}) == {}
    schema = declared(
        country={"type": "category", "required": True}, age={"type": "number", "required": True}
    )
    assert refusal({}, schema) == {"context.country": "is required", "context.age": "is required"}


@pytest.mark.parametrize("value", [True, False, "82", "", [82], {"x": 1}, b"82", 1j])
def test_only_numbers_are_numbers(value: Any) -> None:
    assert refusal({"cart_value": value}) == {"context.cart_value": "must be a number"}


def test_none_is_a_field_that_is_not_there() -> None:
    none = dict.fromkeys([*SCHEMA, "undeclared"])
    assert validate_context(SCHEMA, none) == {}
    schema = declared(country={"type": "category", "required": True})
    assert refusal({"country": None}, schema) == {"context.country": "is required"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_are_finite(value: float) -> None:
    assert refusal({"cart_value": value}) == {"context.cart_value": "must be a finite number"}


def test_a_whole_number_too_large_for_a_float_is_refused() -> None:
    schema = declared(n={"type": "number"})
    assert refusal({"n": 10**400}, schema) == {"context.n": "must be a finite number"}


def test_bounds_are_included() -> None:
    assert validate_context(SCHEMA, {"cart_value": 0})["cart_value"] == 0.0
    assert validate_context(SCHEMA, {"cart_value": 1000})["cart_value"] == 1000.0
    assert refusal({"cart_value": -0.01}) == {"context.cart_value": "must be at least 0"}
    assert refusal({"cart_value": 1000.01}) == {"context.cart_value": "must be at most 1000"}


@pytest.mark.parametrize("value", [1, 1.5, True, ["GB"], b"GB"])
def test_only_text_is_a_category(value: Any) -> None:
    assert refusal({"country": value}) == {"context.country": "must be text"}


@pytest.mark.parametrize("value", [0, 1, "true", 1.0])
def test_only_true_and_false_are_booleans(value: Any) -> None:
    assert refusal({"returning": value}) == {"context.returning": "must be true or false"}


def test_text_has_at_most_256_characters() -> None:
    assert validate_context(SCHEMA, {"country": "x" * 256})["country"] == "x" * 256
    assert refusal({"country": "x" * 257}) == {
        "context.country": "must have at most 256 characters"
    }


def test_text_that_cannot_be_written_down_is_refused() -> None:
    assert set(refusal({"country": "\ud800"})) == {"context.country"}


def test_a_declared_list_of_values_is_the_only_choice() -> None:
    assert validate_context(SCHEMA, {"device": "mobile"}) == {"device": "mobile"}
    assert refusal({"device": "Mobile"}) == {"context.device": "is not one of the declared values"}


def test_more_than_fifty_keys_are_refused_at_once() -> None:
    assert refusal({f"k{i}": 1 for i in range(51)}) == {"context": "has more than 50 keys"}


def test_undeclared_keys_are_refused_and_counted() -> None:
    assert refusal({"email": "a@b.c"})["context"].startswith("1 undeclared key;")
    assert refusal({"email": "a@b.c", "name": "x"})["context"].startswith("2 undeclared keys;")


@pytest.mark.parametrize(
    "raw",
    [
        {CANARY: 1},
        {CANARY: CANARY},
        {"cart_value": CANARY},
        {"country": CANARY * 50},
        {"country": [CANARY]},
        {"device": CANARY},
        {"returning": CANARY},
        {"cart_skus": CANARY},
        {"cart_skus": [CANARY, 1]},
        {"cart_skus": [f"{CANARY}@shop.example"]},
        {"departments": [CANARY]},
    ],
)
def test_what_was_refused_is_never_repeated(raw: dict[str, Any]) -> None:
    with pytest.raises(ContextError) as caught:
        validate_context(SCHEMA, raw)
    told = [str(caught.value), repr(caught.value), *(str(p) for p in caught.value.problems)]
    assert not any(CANARY in text for text in told)


def test_every_problem_is_told_at_once() -> None:
    raw = {"email": "x", "cart_value": "x", "country": 1, "device": "tv", "returning": 0}
    assert set(refusal(raw)) == {
        "context",
        "context.cart_value",
        "context.country",
        "context.device",
        "context.returning",
    }


any_text = st.text(st.characters(exclude_categories=()), max_size=300)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.decimals(), any_text, st.binary()
)
objects = st.one_of(scalars, st.lists(scalars, max_size=2), st.dictionaries(any_text, scalars))


@given(st.dictionaries(st.one_of(st.sampled_from(list(SCHEMA)), any_text), objects, max_size=5))
def test_any_object_is_accepted_or_refused_never_a_crash(raw: dict[str, Any]) -> None:
    try:
        context = validate_context(SCHEMA, raw)
    except ContextError:
        return
    assert set(context) <= set(SCHEMA)
    assert all(type(value) in {float, str, bool, tuple} for value in context.values())


def test_a_set_is_sorted_and_holds_each_value_once() -> None:
    context = validate_context(SCHEMA, {"cart_skus": ["b", "a", "b", ""]})
    assert context == {"cart_skus": ("", "a", "b")}
    assert validate_context(SCHEMA, {"cart_skus": []}) == {"cart_skus": ()}


@pytest.mark.parametrize("value", ["mug", 1, True, {"mug": 1}, {"mug"}, b"mug"])
def test_only_a_list_is_a_set(value: Any) -> None:
    assert refusal({"cart_skus": value}) == {"context.cart_skus": "must be a list of texts"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["mug", 1], "each value must be text"),
        ([["mug"]], "each value must be text"),
        ([None], "each value must be text"),
        (["x" * 129], "each value must have at most 128 characters"),
        (["\ud800"], "each value must be valid Unicode text"),
        ([f"sku-{n}" for n in range(51)], "must have at most 50 different values"),
    ],
)
def test_the_values_of_a_set_are_few_short_texts(value: Any, message: str) -> None:
    assert refusal({"cart_skus": value}) == {"context.cart_skus": message}


def test_repeats_do_not_count_towards_the_size_of_a_set() -> None:
    full = [f"sku-{n}" for n in range(50)]
    assert len(validate_context(SCHEMA, {"cart_skus": full * 2})["cart_skus"]) == 50  # type: ignore[arg-type]


def test_a_set_may_declare_its_values_and_its_size() -> None:
    found = validate_context(SCHEMA, {"departments": ["home", "garden"]})
    assert found == {"departments": ("garden", "home")}
    assert refusal({"departments": ["home", "toys"]}) == {
        "context.departments": "holds a value that is not one of the declared values"
    }
    schema = declared(cart_skus={"type": "set", "max_items": 1})
    assert refusal({"cart_skus": ["a", "b"]}, schema) == {
        "context.cart_skus": "must have at most 1 different values"
    }


def test_personal_data_in_a_set_need_a_word_in_the_declaration() -> None:
    message = refusal({"cart_skus": ["mug", "jo@shop.example"]})["context.cart_skus"]
    assert message.startswith("holds a value that looks like an e-mail address")
    schema = declared(cart_skus={"type": "set", "allow_personal": True})
    assert validate_context(schema, {"cart_skus": ["jo@shop.example"]})
