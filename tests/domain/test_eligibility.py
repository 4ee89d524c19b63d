from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bandit_platform.domain.eligibility import eligible_arms
from bandit_platform.domain.exclusion import Exclusion, ExclusionCode
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.request_arms import ArmList, KnownArm
from bandit_platform.domain.spec_file import parse_tables

NOON = datetime(2026, 12, 10, 12, tzinfo=UTC)


def experiment(**arms: dict[str, Any]) -> ExperimentSpec:
    return parse_tables(
        {
            "key": "k",
            "placement": "cart",
            "context": {
                "cart_value": {"type": "number"},
                "country": {"type": "category"},
                "cart_skus": {"type": "set"},
            },
            "arms": [{"key": key, **arm} for key, arm in arms.items()],
            "reward": {"range": [0.0, 1.0], "accept": 1.0},
        }
    )


def test_arms_come_in_the_order_of_the_file_after_nothing() -> None:
    spec = experiment(zebra={}, apple={}, mango={})
    found = eligible_arms(spec, {}, NOON, only=["mango", "zebra", "apple"])
    assert found.arms == ("nothing", "zebra", "apple", "mango")
    assert found.excluded == {}


@pytest.mark.parametrize("listed", [[], ["nothing"], ["a"]])
def test_nothing_is_eligible_whatever_a_request_says(listed: list[str]) -> None:
    spec = experiment(a={}, b={})
    assert eligible_arms(spec, {}, NOON, only=listed).arms[0] == "nothing"
    assert eligible_arms(spec, {}, NOON, without=listed).arms[0] == "nothing"
    assert eligible_arms(spec, {}, NOON, only=[], without=["nothing", "a", "b"]).arms == (
        "nothing",
    )


def test_a_request_may_allow_and_rule_out_arms() -> None:
    spec = experiment(a={}, b={}, c={})
    found = eligible_arms(spec, {}, NOON, only=["a", "b"], without=["b"])
    assert found.arms == ("nothing", "a")
    assert found.excluded == {
        "b": Exclusion(code=ExclusionCode.EXCLUDED_BY_REQUEST),
        "c": Exclusion(code=ExclusionCode.NOT_REQUESTED),
    }


def test_allowing_no_arm_is_not_the_same_as_allowing_all() -> None:
    spec = experiment(a={})
    assert eligible_arms(spec, {}, NOON, only=[]).arms == ("nothing",)
    assert eligible_arms(spec, {}, NOON, only=None).arms == ("nothing", "a")


def test_an_arm_is_eligible_from_its_start_until_just_before_its_end() -> None:
    starts, ends = NOON, NOON + timedelta(hours=1)
    spec = experiment(a={"starts_at": starts, "ends_at": ends})
    instant = timedelta(microseconds=1)
    assert eligible_arms(spec, {}, starts - instant).excluded == {
        "a": Exclusion(code=ExclusionCode.NOT_STARTED, moment=starts)
    }
    assert eligible_arms(spec, {}, starts).arms == ("nothing", "a")
    assert eligible_arms(spec, {}, ends - instant).arms == ("nothing", "a")
    assert eligible_arms(spec, {}, ends).excluded == {
        "a": Exclusion(code=ExclusionCode.ENDED, moment=ends)
    }


def test_conditions_say_why_an_arm_is_out() -> None:
    spec = experiment(a={"when": {"cart_value": {"gte": 50}, "country": {"in": ["GB", "US"]}}})
    assert eligible_arms(spec, {"cart_value": 50.0, "country": "GB"}, NOON).arms == ("nothing", "a")
    too_small = {"field": "cart_value", "operator": "gte", "limit": 50.0}
    elsewhere = {"field": "country", "operator": "in", "limit": ("GB", "US")}
    for context, about in (
        ({"cart_value": 49.0, "country": "GB"}, too_small),
        ({"cart_value": 50.0, "country": "FR"}, elsewhere),
        ({"country": "GB"}, {"field": "cart_value"}),
        ({}, {"field": "cart_value"}),
    ):
        found = eligible_arms(spec, context, NOON)
        assert found.arms == ("nothing",)
        assert found.excluded == {"a": Exclusion(code=ExclusionCode.CONDITION, **about)}


def test_every_arm_is_either_eligible_or_has_a_reason() -> None:
    spec = experiment(
        a={}, b={"starts_at": NOON + timedelta(1)}, c={"when": {"country": {"eq": "GB"}}}, d={}
    )
    found = eligible_arms(spec, {}, NOON, without=["d"])
    assert set(found.arms) | set(found.excluded) == set(spec.arm_keys)
    assert not set(found.arms) & set(found.excluded)


def test_an_arm_stays_away_from_carts_that_hold_its_sku() -> None:
    spec = experiment(mug={"sku": "MUG-1", "not_if_in": "cart_skus"}, pen={"sku": "PEN-1"})
    found = eligible_arms(spec, {"cart_skus": ("MUG-1", "PEN-1")}, NOON)
    assert found.arms == ("nothing", "pen")
    assert found.excluded == {"mug": Exclusion(code=ExclusionCode.IN_CART, field="cart_skus")}
    for cart in ({"cart_skus": ("MUG-10", "UG-1")}, {"cart_skus": ()}, {}):
        assert eligible_arms(spec, cart, NOON).arms == ("nothing", "mug", "pen")


def test_arms_of_the_file_keep_their_rules_among_those_of_a_request() -> None:
    spec = experiment(
        mug={"sku": "MUG-1", "not_if_in": "cart_skus"},
        pen={"starts_at": NOON + timedelta(1)},
        cap={"when": {"country": {"eq": "GB"}}},
    )
    arms = ArmList(tuple(KnownArm.of(key, {}) for key in (*spec.arm_keys[1:], "brought")))
    context = {"cart_skus": ("MUG-1",), "country": "US"}
    found = eligible_arms(spec, context, NOON, arms=arms)
    assert found.arms == ("nothing", "brought")
    assert found.excluded == eligible_arms(spec, context, NOON).excluded
    assert [why.code for why in found.excluded.values()] == ["in_cart", "not_started", "condition"]
    allowed = eligible_arms(spec, {"country": "GB"}, NOON + timedelta(1), arms=arms)
    assert allowed.arms == arms.keys


@pytest.mark.parametrize(
    ("condition", "fits", "fails"),
    [
        ({"contains": "MUG-1"}, [("MUG-1",), ("A", "MUG-1")], [(), ("MUG-10",)]),
        ({"contains_any": ["A", "B"]}, [("A",), ("B", "C")], [(), ("C",)]),
        ({"contains_none": ["A", "B"]}, [(), ("C",)], [("A",), ("B", "C")]),
        ({"contains": "A", "contains_none": ["B"]}, [("A", "C")], [("A", "B"), ("C",)]),
    ],
)
def test_conditions_on_a_cart(condition: dict[str, Any], fits: list[Any], fails: list[Any]) -> None:
    spec = experiment(a={"when": {"cart_skus": condition}})
    for cart in fits:
        assert eligible_arms(spec, {"cart_skus": cart}, NOON).arms == ("nothing", "a")
    for cart in fails:
        why = eligible_arms(spec, {"cart_skus": cart}, NOON).excluded["a"]
        assert why.code is ExclusionCode.CONDITION
        assert (why.field, why.operator in condition) == ("cart_skus", True)
    missing = Exclusion(code=ExclusionCode.CONDITION, field="cart_skus")
    assert eligible_arms(spec, {}, NOON).excluded == {"a": missing}
