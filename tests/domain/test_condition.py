from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bandit_platform.domain.condition import Condition, unmet_condition
from bandit_platform.domain.exclusion import Exclusion, ExclusionCode


def condition(**operators: Any) -> Condition:
    return Condition.model_validate(operators)


@pytest.mark.parametrize(
    ("operators", "holds", "fails"),
    [
        ({"eq": "GB"}, ["GB"], ["gb", "US", ""]),
        ({"eq": 5}, [5.0], [5.1, 0.0]),
        ({"eq": True}, [True], [False]),
        ({"eq": False}, [False], [True]),
        ({"eq": 0}, [0.0], [1.0]),
        ({"ne": "GB"}, ["US"], ["GB"]),
        ({"ne": False}, [True], [False]),
        ({"in": ["GB", "US"]}, ["GB", "US"], ["FR"]),
        ({"not_in": ["GB", "US"]}, ["FR"], ["GB", "US"]),
        ({"gt": 50}, [50.01], [50.0, 49.0]),
        ({"gte": 50}, [50.0], [49.99]),
        ({"lt": 50}, [49.99], [50.0]),
        ({"lte": 50}, [50.0], [50.01]),
        ({"gt": 0}, [1.0], [0.0]),
        ({"gte": 10, "lt": 20}, [10.0, 19.9], [9.9, 20.0]),
    ],
)
def test_operators(operators: dict[str, Any], holds: list[Any], fails: list[Any]) -> None:
    checked = condition(**operators)
    assert [checked.failure(value) for value in holds] == [None] * len(holds)
    assert all(checked.failure(value) for value in fails)


@pytest.mark.parametrize(
    ("operators", "value", "failure"),
    [
        ({"eq": "GB"}, "US", ("eq", "GB")),
        ({"ne": "GB"}, "GB", ("ne", "GB")),
        ({"in": ["GB", "US"]}, "FR", ("in", ("GB", "US"))),
        ({"not_in": ["GB"]}, "GB", ("not_in", ("GB",))),
        ({"gt": 50}, 1.0, ("gt", 50.0)),
        ({"gte": 49.5}, 1.0, ("gte", 49.5)),
        ({"lt": 50}, 60.0, ("lt", 50.0)),
        ({"lte": 50}, 60.0, ("lte", 50.0)),
        ({"eq": True}, False, ("eq", True)),
    ],
)
def test_a_failure_names_the_operator_and_its_limit(
    operators: dict[str, Any], value: Any, failure: tuple[str, Any]
) -> None:
    assert condition(**operators).failure(value) == failure


def test_a_condition_without_operators_is_refused() -> None:
    with pytest.raises(ValidationError, match="needs at least one of"):
        condition()
    with pytest.raises(ValidationError):
        condition(eq=None)


def test_all_fields_must_meet_their_conditions() -> None:
    conditions = {"cart_value": condition(gte=50), "country": condition(eq="GB")}
    assert unmet_condition(conditions, {"cart_value": 60.0, "country": "GB"}) is None
    code = ExclusionCode.CONDITION
    assert unmet_condition(conditions, {"cart_value": 60.0, "country": "US"}) == Exclusion(
        code=code, field="country", operator="eq", limit="GB"
    )
    missing = Exclusion(code=code, field="cart_value")
    assert unmet_condition(conditions, {"country": "GB"}) == missing
    assert unmet_condition({}, {}) is None


def test_a_long_list_is_named_by_its_field_and_operator() -> None:
    conditions = {"country": condition(**{"in": [f"C{n}" for n in range(21)]})}
    assert unmet_condition(conditions, {"country": "GB"}) == Exclusion(
        code=ExclusionCode.CONDITION, field="country", operator="in"
    )
