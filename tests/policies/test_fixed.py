from __future__ import annotations

import pytest

from bandit_platform.domain.spec_file import parse_tables
from bandit_platform.policies import fixed
from bandit_platform.policies.learned import cost_of

ELIGIBLE = ("nothing", "a", "b", "c")


def test_uniform_shares_equally() -> None:
    assert fixed.uniform(ELIGIBLE) == (0.25, 0.25, 0.25, 0.25)
    assert fixed.uniform(("nothing",)) == (1.0,)


def test_something_is_any_offer_and_nothing_only_where_there_is_none() -> None:
    assert fixed.something(ELIGIBLE) == pytest.approx((0.0, 1 / 3, 1 / 3, 1 / 3))
    assert fixed.something(("b", "nothing")) == (1.0, 0.0)
    assert fixed.something(("nothing",)) == (1.0,)


@pytest.mark.parametrize(
    ("arm", "eligible", "pmf"),
    [
        ("b", ELIGIBLE, (0.0, 0.0, 1.0, 0.0)),
        ("nothing", ELIGIBLE, (1.0, 0.0, 0.0, 0.0)),
        ("b", ("nothing", "a"), (1.0, 0.0)),
        ("retired", ELIGIBLE, (1.0, 0.0, 0.0, 0.0)),
        ("b", ("b", "nothing"), (1.0, 0.0)),
        ("c", ("b", "nothing"), (0.0, 1.0)),
    ],
)
def test_always_one_arm_shows_nothing_where_it_cannot(
    arm: str, eligible: tuple[str, ...], pmf: tuple[float, ...]
) -> None:
    assert fixed.always(arm, eligible) == pmf


def test_costs_are_the_only_place_where_rewards_change_their_sign() -> None:
    spec = parse_tables(
        {
            "key": "page",
            "placement": "cart",
            "arms": [{"key": "upgrade"}],
            "reward": {"range": [-1.0, 3.0], "default": 1.0, "accept": 1.0},
        }
    )
    assert cost_of(1.0, spec) == 0.0
    assert cost_of(3.0, spec) == -0.5
    assert cost_of(-1.0, spec) == 0.5
