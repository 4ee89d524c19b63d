"""What an arm says its outcomes are worth, the range that follows, and what is locked."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit_platform.domain.event import Event
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.revision import (
    changes,
    is_felt,
    locked_changes,
    with_range_in_force,
)
from bandit_platform.domain.reward import AmountWeight, Reward, reward_of
from bandit_platform.domain.spec_file import parse_tables, parse_toml
from bandit_platform.domain.spec_text import to_toml
from bandit_platform.errors import SpecError

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)

FILE = """
key = "page"
placement = "confirmation"

[[arms]]
key = "lounge"
value = { accept = 12.0 }
cost = 4.5
advertiser = "Lounges Ltd"
category = "upgrade"

[[arms]]
key = "cover"
value = { purchase = { amount = 0.35, max = 100.0 } }
cost = { impression = 0.02, purchase = { amount = 0.05, max = 100.0 } }

[[arms]]
key = "shirt"

[reward]
currency = "GBP"
accept = 2.0
purchase = { amount = 0.1, max = 100.0 }
dismiss = -0.5
return = { amount = -0.1, max = 100.0 }
"""


@pytest.fixture
def spec() -> ExperimentSpec:
    return parse_toml(FILE)


@pytest.fixture
def tables(spec: ExperimentSpec) -> dict[str, Any]:
    return copy.deepcopy(spec.to_file())


def event(kind: str, amount: float | None = None, currency: str | None = None) -> Event:
    return Event(
        decision_id="d",
        event_id=f"{kind}-{amount}",
        type=kind,
        amount=amount,
        currency=currency,
        occurred_at=NOON,
        received_at=NOON,
        trusted=True,
    )


def reward(spec: ExperimentSpec, arm: str, *events: Event) -> Reward:
    return reward_of(events, spec.worth_of(arm), spec.reward_range, spec.reward.currency)


def problems(tables: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(SpecError) as caught:
        parse_tables(tables)
    return {each.path: each.message for each in caught.value.problems}


def test_an_arms_value_takes_the_place_of_the_weight_for_that_event_type(
    spec: ExperimentSpec,
) -> None:
    accepted = event("accept")
    assert reward(spec, "lounge", accepted).value == 12.0 - 4.5
    assert reward(spec, "shirt", accepted).value == 2.0
    assert reward(spec, "cover", accepted).value == 2.0  # says nothing of an accept
    assert reward(spec, "nothing", accepted).value == 2.0
    assert reward(spec, "lounge", event("dismiss")).value == -0.5


def test_amounts_count_by_the_arms_share_and_costs_are_subtracted(spec: ExperimentSpec) -> None:
    bought = [event("impression"), event("purchase", 40.0, "GBP"), event("return", 10.0)]
    found = reward(spec, "cover", *bought)
    assert found.value == pytest.approx(0.35 * 40 - 0.02 - 0.05 * 40 - 0.1 * 10)
    assert (found.gross, found.taken_back) == (pytest.approx(14.0), pytest.approx(-1.0))
    assert found.costs == pytest.approx(2.02)
    assert found.events == 3
    assert reward(spec, "shirt", *bought).value == pytest.approx(4.0 - 1.0)


def test_the_greatest_amount_that_counts_cuts_the_amount_and_is_counted_as_a_clip(
    spec: ExperimentSpec,
) -> None:
    assert reward(spec, "shirt", event("purchase", 100.0)) == Reward(
        value=10.0, clipped=False, events=1, other_currency=0, gross=10.0
    )
    beyond = reward(spec, "shirt", event("purchase", 300.0))
    assert (beyond.value, beyond.clipped) == (10.0, True)
    assert reward(spec, "shirt", event("purchase", -5.0)).value == 0.0


def test_a_foreign_amount_leaves_the_fixed_parts_of_an_event(tables: dict[str, Any]) -> None:
    tables["arms"][1]["cost"] = {"purchase": 1.0}
    spec = parse_tables(tables)
    found = reward(spec, "cover", event("purchase", 40.0, "USD"))
    assert (found.value, found.other_currency, found.events) == (-1.0, 1, 1)


def test_the_range_is_what_the_worths_allow(spec: ExperimentSpec) -> None:
    # cover: 2 + 35 - 5 for accept and purchase; -0.5 - 10 - 0.02 for dismiss, return, impression
    assert spec.reward_range == (-10.52, 32.0)
    assert spec.reward.range is None


def test_a_stated_range_is_kept(tables: dict[str, Any]) -> None:
    tables["reward"]["range"] = [-1.0, 5.0]
    spec = parse_tables(tables)
    assert spec.reward_range == (-1.0, 5.0)
    found = reward(spec, "lounge", event("accept"))
    assert (found.value, found.clipped) == (5.0, True)


def test_sums_of_fractions_are_no_clips() -> None:
    spec = parse_tables(
        {
            "key": "page",
            "placement": "cart",
            "arms": [{"key": "a", "value": {"accept": 0.1, "review": 0.2, "referral": 0.3}}],
            "reward": {},
        }
    )
    for order in (("accept", "review", "referral"), ("referral", "review", "accept")):
        assert not reward(spec, "a", *map(event, order)).clipped


def test_without_a_greatest_amount_the_range_must_be_stated(tables: dict[str, Any]) -> None:
    del tables["arms"][1]["value"]["purchase"]["max"]
    assert problems(tables) == {
        "reward.range": "is missing. It is calculated only if every amount has a max: "
        "state it, or give purchase of cover a max, such as { amount = 0.15, max = 200.0 }"
    }


@pytest.mark.parametrize(
    ("field", "value", "path", "words"),
    [
        ("cost", {"accept": -1.0}, "cost", "accept must be at least 0"),
        ("cost", {"purchase": {"amount": -0.1}}, "cost", "purchase must be at least 0"),
        ("value", {"No Type": 1.0}, "value", "lower-case words"),
        ("value", {"accept": float("inf")}, "value", "accept must be a finite number"),
        ("value", {"purchase": {"amount": 0.1, "max": 0}}, "value.purchase.max", "greater than 0"),
        ("value", "a lot", "value", "dictionary"),
        ("advertiser", " Lounges", "advertiser", "pattern"),
        ("category", "x" * 65, "category", "at most 64"),
    ],
)
def test_a_worth_that_makes_no_sense_is_refused_with_its_place(
    tables: dict[str, Any], field: str, value: Any, path: str, words: str
) -> None:
    tables["arms"][0][field] = value
    assert words in problems(tables)[f"arms[0].{path}"]


def test_arms_alone_may_say_what_is_worth_anything() -> None:
    tables = {
        "key": "page",
        "placement": "cart",
        "arms": [{"key": "a", "value": 3}, {"key": "b", "cost": {"impression": 0.1}}],
        "reward": {},
        "events": {"secret_only": ["impression"]},
    }
    spec = parse_tables(tables)
    assert spec.event_types == ("accept", "impression")
    assert spec.reward_range == (-0.1, 3.0)
    tables["arms"] = [{"key": "a"}]
    tables["events"] = {}
    assert "needs at least one event type" in problems(tables)["reward"]


def test_a_file_reads_back_as_it_was_written(spec: ExperimentSpec) -> None:
    text = to_toml(spec.to_file())
    assert parse_toml(text) == spec
    assert parse_toml(text).to_json() == spec.to_json()
    assert "cost = { accept = 4.5 }" in text
    assert "value = { purchase = { amount = 0.35, max = 100.0 } }" in text
    assert "range" not in text


def locked(before: ExperimentSpec, tables: dict[str, Any]) -> list[str]:
    after = with_range_in_force(before, parse_tables(tables))
    return [change.path for change, _ in locked_changes(changes(before, after))]


def test_a_started_experiment_keeps_what_its_arms_are_worth(
    spec: ExperimentSpec, tables: dict[str, Any]
) -> None:
    tables["arms"][0]["value"]["accept"] = 11.0
    tables["arms"][0]["cost"] = {}
    tables["arms"][2]["value"] = {"accept": 1.0}
    assert locked(spec, tables) == [
        "arms.lounge.value.accept",
        "arms.lounge.cost.accept",
        "arms.shirt.value.accept",
    ]


def test_a_new_arm_brings_its_own_worth_and_an_old_one_may_go(
    spec: ExperimentSpec, tables: dict[str, Any]
) -> None:
    tables["arms"].append({"key": "parking", "value": {"accept": 6.0}, "cost": {"accept": 1.0}})
    assert locked(spec, tables) == []
    del tables["arms"][1]  # the one that made the range so wide
    assert locked(spec, tables) == []
    after = with_range_in_force(spec, parse_tables(tables))
    assert after.reward_range == spec.reward_range
    assert with_range_in_force(after, parse_tables(tables)) == after  # applied again, no change


def test_a_new_arm_beyond_the_range_is_refused_unless_the_range_is_stated(
    spec: ExperimentSpec, tables: dict[str, Any]
) -> None:
    tables["arms"].append({"key": "cruise", "value": {"accept": 60.0}})
    ((change, why),) = locked_changes(changes(spec, parse_tables(tables)))
    assert change.path == "reward.range"
    assert "state the range in force as reward.range" in why
    tables["reward"]["range"] = list(spec.reward_range)
    assert locked(spec, tables) == []


def test_labels_may_change_and_no_chart_marks_them(
    spec: ExperimentSpec, tables: dict[str, Any]
) -> None:
    tables["arms"][0]["advertiser"] = "Another"
    tables["arms"][0]["category"] = "travel"
    found = changes(spec, parse_tables(tables))
    assert [change.path for change in found] == [
        "arms.lounge.advertiser",
        "arms.lounge.category",
    ]
    assert not any(map(is_felt, found))
    assert locked_changes(found) == ()


TYPES = ("accept", "dismiss", "purchase", "return", "impression")
WEIGHTS = st.dictionaries(
    st.sampled_from(TYPES),
    st.floats(-50, 50) | st.builds(lambda amount: {"amount": amount}, st.floats(-2, 2)),
    min_size=1,
)
EVENTS = st.lists(
    st.builds(
        event,
        st.sampled_from(TYPES),
        st.none() | st.floats(-1000, 1000),
        st.sampled_from([None, "GBP", "USD"]),
    ),
    max_size=8,
)


@given(weights=WEIGHTS, happened=EVENTS, default=st.floats(-1, 1))
def test_without_values_of_arms_the_reward_is_the_sum_of_the_weights(
    weights: dict[str, Any], happened: list[Event], default: float
) -> None:
    spec = parse_tables(
        {
            "key": "page",
            "placement": "cart",
            "arms": [{"key": "a"}],
            "reward": {"range": [-100.0, 100.0], "default": default, "currency": "GBP", **weights},
        }
    )
    total = default
    for each in happened:
        weight = spec.reward.weights.get(each.type)
        if isinstance(weight, AmountWeight):
            if each.amount is not None and each.currency in {None, "GBP"}:
                total += weight.amount * each.amount
        elif weight is not None:
            total += weight
    expected = min(max(total, -100.0), 100.0)
    for arm in ("a", "nothing"):
        assert reward(spec, arm, *happened).value == expected


@given(
    values=st.dictionaries(st.sampled_from(TYPES), st.floats(-50, 50), min_size=1),
    costs=st.dictionaries(st.sampled_from(TYPES), st.floats(0, 50)),
    happened=st.sets(st.sampled_from(TYPES)),
)
def test_no_reward_leaves_the_range_that_was_worked_out(
    values: dict[str, float], costs: dict[str, float], happened: set[str]
) -> None:
    spec = parse_tables(
        {
            "key": "page",
            "placement": "cart",
            "arms": [{"key": "a", "value": values, "cost": costs}, {"key": "b"}],
            "reward": {"accept": 1.0, "dismiss": -1.0},
        }
    )
    for arm in spec.arm_keys:
        assert not reward(spec, arm, *map(event, happened)).clipped
