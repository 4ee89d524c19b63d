"""The simulator's stated truth is what its shoppers do."""

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest

from bandit_platform.domain.context import validate_context
from bandit_platform.domain.eligibility import eligible_arms
from bandit_platform.domain.event import Event
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.reward import Reward, reward_of
from bandit_platform.services.launching.spec_files import read_spec_file
from bandit_platform.simulation.experiment_files import shipped_experiment
from bandit_platform.simulation.shopper import Shopper, shopper
from bandit_platform.simulation.truth import Outcome, expected_reward, outcomes

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def spec() -> ExperimentSpec:
    return read_spec_file(shipped_experiment("confirmation_page"))


def _reward(happened: tuple[Outcome, ...], spec: ExperimentSpec, arm: str) -> Reward:
    events = [
        Event(
            decision_id="d",
            event_id=str(number),
            type=outcome.type,
            amount=outcome.amount,
            currency="GBP",
            occurred_at=NOW,
            received_at=NOW,
            trusted=False,
        )
        for number, outcome in enumerate(happened)
    ]
    return reward_of(events, spec.worths[arm], spec.reward_range, "GBP")


def test_a_shopper_is_the_same_however_often_asked() -> None:
    first, again = shopper(7, 123), shopper(7, 123)
    assert first == again
    assert outcomes(first, "merch") == outcomes(again, "merch")
    assert shopper(8, 123) != first
    assert shopper(7, 124) != first


def test_every_context_fits_the_declared_schema(spec: ExperimentSpec) -> None:
    for number in range(2000):
        someone = shopper(1, number)
        assert validate_context(spec.context, someone.context) == someone.context


def test_mean_rewards_are_the_stated_ones_and_nothing_is_clipped(spec: ExperimentSpec) -> None:
    shoppers = [shopper(3, number) for number in range(20_000)]
    for arm in spec.arm_keys:
        rewards = [_reward(outcomes(each, arm), spec, arm) for each in shoppers]
        assert not any(reward.clipped for reward in rewards)
        truth = np.array(
            [expected_reward(each.context, arm, spec.worths[arm]) for each in shoppers]
        )
        excess = np.array([reward.value for reward in rewards]) - truth
        assert abs(excess.mean()) < 4 * excess.std() / np.sqrt(len(excess))


@pytest.mark.parametrize("number", [0, 5, 11])
def test_mean_reward_of_one_context_is_the_stated_one(spec: ExperimentSpec, number: int) -> None:
    context = shopper(3, number).context
    for arm in spec.arm_keys:
        rewards = np.array(
            [
                _reward(
                    outcomes(Shopper(number=0, context=context, seed=seed), arm), spec, arm
                ).value
                for seed in range(8000)
            ]
        )
        error = rewards.std() / np.sqrt(len(rewards))
        assert abs(rewards.mean() - expected_reward(context, arm, spec.worths[arm])) < 4 * error


def test_every_event_type_happens(spec: ExperimentSpec) -> None:
    seen: Counter[str] = Counter()
    for number in range(3000):
        for arm in spec.arm_keys:
            seen.update(each.type for each in outcomes(shopper(5, number), arm))
    assert set(seen) == set(spec.event_types)


def test_some_are_best_left_alone_and_choosing_pays(spec: ExperimentSpec) -> None:
    best, uniform = [], []
    alone = 0
    by_arm: dict[str, list[float]] = {arm: [] for arm in spec.arm_keys}
    for number in range(4000):
        context = shopper(2, number).context
        eligible = eligible_arms(spec, context, NOW).arms
        worth = {arm: expected_reward(context, arm, spec.worths[arm]) for arm in eligible}
        alone += all(value < 0 for arm, value in worth.items() if arm != "nothing")
        best.append(max(worth, key=lambda arm: worth[arm]))
        uniform.append(sum(worth.values()) / len(worth))
        for arm in spec.arm_keys:
            by_arm[arm].append(worth.get(arm, worth["nothing"]))
    shares = {arm: best.count(arm) / len(best) for arm in spec.arm_keys}
    assert alone / len(best) > 0.25
    assert 0.30 <= shares["nothing"] <= 0.50
    assert all(share > 0.03 for share in shares.values())
    optimal = np.mean([max(values) for values in zip(*by_arm.values(), strict=True)])
    singles = {arm: np.mean(values) for arm, values in by_arm.items()}
    assert optimal > max(singles.values()) + 0.08
    assert optimal > np.mean(uniform) + 0.1
    assert min(singles.values()) < 0 < singles["nothing"]
