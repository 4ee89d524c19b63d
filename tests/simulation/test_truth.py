"""The simulator's stated truth is what its shoppers do."""

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest

from bandit_platform.domain.context import validate_context
from bandit_platform.domain.eligibility import eligible_arms
from bandit_platform.domain.event import Event
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.reward import AmountWeight, Reward, Worth, reward_of
from bandit_platform.services.launching.spec_files import read_spec_file
from bandit_platform.simulation.experiment_files import shipped_experiment
from bandit_platform.simulation.shopper import Shopper, shopper
from bandit_platform.simulation.ticket_shop import chances
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
    low, high = spec.reward_range
    assert optimal > max(singles.values()) + 0.052 * (high - low)
    assert optimal > np.mean(uniform) + 0.065 * (high - low)
    assert min(singles.values()) < 0 < singles["nothing"]


def test_the_arm_that_is_accepted_most_is_not_the_one_that_earns_most(
    spec: ExperimentSpec,
) -> None:
    contexts = [shopper(6, number).context for number in range(3000)]
    offers = spec.arm_keys[1:]
    accepted = {arm: np.mean([chances(each, arm).accept for each in contexts]) for arm in offers}
    earned = {
        arm: np.mean([expected_reward(each, arm, spec.worths[arm]) for each in contexts])
        for arm in offers
    }
    assert max(accepted, key=lambda arm: accepted[arm]) == "parking"
    assert max(earned, key=lambda arm: earned[arm]) == "vip-upgrade"


def test_values_and_costs_of_an_arm_change_its_true_worth(spec: ExperimentSpec) -> None:
    context = shopper(3, 5).context
    tree = chances(context, "merch")
    common = expected_reward(context, "merch", spec.worths["nothing"])
    bought = tree.accept * tree.purchase
    share = bought * tree.amount * (1.0 - tree.return_) * (0.5 - 0.15)
    own = expected_reward(context, "merch", spec.worths["merch"])
    assert own == pytest.approx(common + share - 2.0 * bought)


def test_no_event_without_an_amount_may_be_worth_a_share_of_it() -> None:
    worth = Worth(default=0.0, weights={"dismiss": AmountWeight(amount=0.1)}, costs={})
    with pytest.raises(TypeError, match="dismiss reports no amount"):
        expected_reward(shopper(3, 5).context, "merch", worth)
