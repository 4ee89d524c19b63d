"""A minimum value makes offers rarer, and only that."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit_platform.domain.floor import FloorTable
from bandit_platform.domain.pmf import with_floor
from bandit_platform.domain.policy_spec import EXPLORATIONS, Exploration
from bandit_platform.policies.exploration import Explorer, arm_probabilities
from bandit_platform.policies.features import FeatureText
from bandit_platform.policies.learned import LearnedPolicy, cost_of, explorer_for
from tests.policies.test_exploration_rules import examples, rules

values = st.floats(0.0, 10.0)
scores = st.lists(st.floats(-10.0, 10.0), min_size=1, max_size=12)


def explored(
    rule: Exploration, value: float, given_scores: list[float], learned: int, nothing: int
) -> tuple[float, ...]:
    explorer = Explorer(rule.model_copy(update={"minimum_value": value}))
    return explorer.pmf(given_scores, learned, nothing)


@given(rules, scores, examples, st.tuples(values, values), st.integers(0, 11))
def test_raising_it_makes_no_offer_more_probable(
    rule: Exploration,
    given_scores: list[float],
    learned: int,
    pair: tuple[float, float],
    at: int,
) -> None:
    nothing = at % len(given_scores)
    low, high = sorted(pair)
    before = explored(rule, low, given_scores, learned, nothing)
    after = explored(rule, high, given_scores, learned, nothing)
    assert after[nothing] >= before[nothing] - 1e-12
    for place, (less, more) in enumerate(zip(after, before, strict=True)):
        assert place == nothing or less <= more + 1e-12


@given(rules, scores, examples, st.integers(0, 11))
def test_zero_changes_no_bit(
    rule: Exploration, given_scores: list[float], learned: int, at: int
) -> None:
    nothing = at % len(given_scores)
    plain = arm_probabilities(rule, given_scores, examples=learned)
    assert explored(rule, 0.0, given_scores, learned, nothing) == with_floor(
        plain, rule.floor, nothing
    )


@given(rules, scores, examples, values, st.integers(0, 11))
def test_it_is_the_rule_on_offers_that_bring_so_much_less(
    rule: Exploration, given_scores: list[float], learned: int, value: float, at: int
) -> None:
    """The rules equal Vowpal Wabbit's on the same scores, so this one does on lowered scores."""
    nothing = at % len(given_scores)
    quarters = [round(4 * score) / 4 for score in given_scores]  # sums of these are exact
    value = round(4 * value) / 4
    lowered = [score - value * (place != nothing) for place, score in enumerate(quarters)]
    plain = arm_probabilities(rule, lowered, examples=learned)
    assert explored(rule, value, quarters, learned, nothing) == pytest.approx(
        with_floor(plain, rule.floor, nothing), abs=1e-14
    )


@pytest.mark.parametrize("name", list(EXPLORATIONS))
def test_it_is_in_reward_units(name: str, spec: Any) -> None:
    """An offer that brings 0.3 more than nothing does not beat it at a minimum value of 0.4."""
    text = FeatureText(spec)
    policy = LearnedPolicy.fresh(Exploration(exploration=name, learning_rate=0.5))
    eligible = ("insurance", "nothing")
    lines = text.lines({}, eligible)
    explorer = explorer_for(policy.exploration, spec)
    for number in range(2000):
        position = number % 2
        policy.predict_and_learn(
            lines,
            explorer,
            1,
            position=position,
            cost=cost_of(0.3 if position == 0 else 0.0, spec),
            interaction=number,
        )
    shares = {}
    for value in (0.2, 0.4):
        limited = policy.exploration.model_copy(
            update={"minimum_value": value, "floor": FloorTable()}
        )
        shares[value] = policy.pmf(lines, explorer_for(limited, spec), 1)[0]
    assert shares[0.2] > 0.5 > shares[0.4] >= 0.02
