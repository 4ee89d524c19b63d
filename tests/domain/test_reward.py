from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bandit_platform.domain.decision import Decision
from bandit_platform.domain.event import Event
from bandit_platform.domain.reward import Reward, RewardSpec, Worth, reward_of

SPEC = RewardSpec.model_validate(
    {
        "window": "1h",
        "range": [-1.0, 2.0],
        "default": 0.25,
        "accept": 0.5,
        "dismiss": -0.5,
        "purchase": {"amount": 0.01},
        "return": {"amount": -0.01},
    }
)

WORTH = Worth(default=SPEC.default, weights=SPEC.weights, costs={})
RANGE = (-1.0, 2.0)


@pytest.fixture
def report(
    make_decision: Callable[..., Decision], make_event: Callable[..., Event]
) -> Callable[..., Event]:
    """An event of one and the same decision."""
    decision = make_decision()

    def make(kind: str, **fields: Any) -> Event:
        return make_event(decision, type=kind, **fields)

    return make


def test_without_events_the_default_counts() -> None:
    assert reward_of([], WORTH, RANGE, None) == Reward(
        value=0.25, clipped=False, events=0, other_currency=0
    )


def test_events_add_their_weights_to_the_default(report: Callable[..., Event]) -> None:
    events = [report("accept"), report("dismiss"), report("dismiss"), report("accept")]
    assert reward_of(events, WORTH, RANGE, None).value == 0.25
    assert reward_of(events[:1], WORTH, RANGE, None) == Reward(
        value=0.75, clipped=False, events=1, other_currency=0, gross=0.5
    )


def test_amounts_are_multiplied(report: Callable[..., Event]) -> None:
    events = [
        report("purchase", amount=59.0, currency="GBP"),
        report("return", amount=20.0, currency="GBP"),
    ]
    reward = reward_of(events, WORTH, RANGE, "GBP")
    assert reward.value == pytest.approx(0.25 + 0.59 - 0.20)
    assert reward.events == 2


def test_types_without_a_weight_and_amounts_not_given_count_for_nothing(
    report: Callable[..., Event],
) -> None:
    events = [report("impression"), report("review", amount=5.0), report("purchase")]
    assert reward_of(events, WORTH, RANGE, "GBP") == reward_of([], WORTH, RANGE, "GBP")


@pytest.mark.parametrize(
    ("amount", "value", "clipped"),
    [
        (174.0, pytest.approx(1.99), False),
        (175.0, 2.0, False),
        (175.5, 2.0, True),
        (1e12, 2.0, True),
        (-125.0, -1.0, False),
        (-126.0, -1.0, True),
        (-1e12, -1.0, True),
    ],
)
def test_the_range_cuts_at_both_ends_and_says_so(
    report: Callable[..., Event], amount: float, value: Any, clipped: bool
) -> None:
    reward = reward_of([report("purchase", amount=amount)], WORTH, RANGE, None)
    assert reward.value == value
    assert reward.clipped is clipped


def test_the_sum_is_cut_not_each_event(report: Callable[..., Event]) -> None:
    events = [report("purchase", amount=1000.0), report("return", amount=1000.0)]
    assert reward_of(events, WORTH, RANGE, None) == Reward(
        value=0.25, clipped=False, events=2, other_currency=0, gross=10.0, taken_back=-10.0
    )


def test_amounts_of_another_currency_are_left_out_and_counted(
    report: Callable[..., Event],
) -> None:
    events = [
        report("purchase", amount=50.0, currency="GBP"),
        report("purchase", amount=50.0, currency="USD"),
        report("return", amount=50.0, currency="EUR"),
        report("accept", currency="USD"),
        report("impression", amount=1.0, currency="USD"),
    ]
    reward = reward_of(events, WORTH, RANGE, "GBP")
    assert reward.value == pytest.approx(0.25 + 0.5 + 0.5)
    assert reward.other_currency == 2
    assert reward.events == 2


def test_an_amount_without_a_currency_is_in_the_experiments(report: Callable[..., Event]) -> None:
    reward = reward_of([report("purchase", amount=50.0)], WORTH, RANGE, "GBP")
    assert reward.value == pytest.approx(0.75)
    assert reward.other_currency == 0


@pytest.mark.parametrize("weights", [{"accept": 1.0}, {"purchase": {"amount": 0.1}}])
def test_a_definition_comes_back_from_its_file_form(weights: dict[str, Any]) -> None:
    spec = RewardSpec.model_validate({"range": [0.0, 1.0], "currency": "GBP", **weights})
    assert RewardSpec.model_validate(spec.to_file()) == spec
