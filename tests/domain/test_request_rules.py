from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.domain.request_rules import (
    RequestRules,
    as_boolean,
    as_number,
    as_set,
    as_text,
)
from tests.domain.test_context import SCHEMA

DROP = RequestRules(unknown="drop")
LENIENT = RequestRules(lenient=True)


def test_by_default_a_request_is_read_as_it_is() -> None:
    assert RequestRules().strict
    assert not DROP.strict
    assert not LENIENT.strict
    raw = {"cart_value": "82.50", "other": 1}
    assert RequestRules().adapted(SCHEMA, raw) == (raw, 0)


def test_undeclared_fields_are_dropped_and_counted_up_to_fifty() -> None:
    raw = {"cart_value": "82.50", "email": "a@b.c", "nested": {"x": [1]}, "absent": None}
    assert DROP.adapted(SCHEMA, raw) == ({"cart_value": "82.50"}, 2)
    assert DROP.adapted(SCHEMA, {f"k{n}": n for n in range(200)}) == ({}, 50)


def test_a_lenient_experiment_coerces_declared_fields_only() -> None:
    raw = {"cart_value": "82.50", "country": 44, "returning": "1", "other": "1"}
    assert LENIENT.adapted(SCHEMA, raw) == (
        {"cart_value": 82.5, "country": "44", "returning": True, "other": "1"},
        0,
    )


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("82.50", 82.5),
        (" 7 ", 7.0),
        ("-1.5e3", -1500.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("", None),
        ("  ", None),
        ("82,50", "82,50"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("٣", "٣"),
        ("12 GBP", "12 GBP"),
        (True, True),
        (7, 7),
        (None, None),
        ([], []),
    ],
)
def test_decimal_numbers_in_text_become_numbers(value: Any, number: Any) -> None:
    assert as_number(value) == number
    assert type(as_number(value)) is type(number)


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        ("true", True),
        ("1", True),
        ("false", False),
        ("0", False),
        (1, True),
        (0, False),
        (1.0, True),
        ("", None),
        (True, True),
        ("yes", "yes"),
        ("True", "True"),
        (2, 2),
        (None, None),
        ([1], [1]),
    ],
)
def test_few_texts_and_numbers_become_booleans(value: Any, truth: Any) -> None:
    assert as_boolean(value) == truth
    assert type(as_boolean(value)) is type(truth)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (8841, "8841"),
        (-1, "-1"),
        (8841.0, "8841"),
        (2**53 - 1, "9007199254740991"),
        (2**53, 2**53),
        (10**5000, 10**5000),
        (1.5, 1.5),
        (float("inf"), float("inf")),
        (True, True),
        ("8841", "8841"),
        (None, None),
    ],
    ids=lambda value: str(type(value)),
)
def test_whole_numbers_that_everybody_writes_alike_become_text(value: Any, text: Any) -> None:
    assert as_text(value) == text
    assert type(as_text(value)) is type(text)


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (["A", 12, 7.0, None, ""], ["A", "12", "7"]),
        ({"0": "A", "2": "B"}, ["A", "B"]),
        ({}, []),
        ("A", ["A"]),
        (12, ["12"]),
        ("", []),
        (None, None),
        (True, True),
        ({"sku": "A"}, {"sku": "A"}),
        ([["A"], 1.5], [["A"], 1.5]),
    ],
)
def test_lists_as_templates_send_them_become_lists_of_texts(value: Any, texts: Any) -> None:
    assert as_set(value) == texts
