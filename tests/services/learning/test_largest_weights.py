"""No importance weight exceeds the largest one that a policy is said to have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.floor import FloorTable
from bandit_platform.domain.pmf import with_floor
from bandit_platform.domain.spec_file import parse_tables
from bandit_platform.policies import fixed
from bandit_platform.policies.mixture import mixture
from bandit_platform.services.learning.tracked import largest_weight, tracked_policies
from bandit_platform.services.learning.weight_bounds import WeightBound
from tests.domain.test_floor import floors

SLACK = 1 + 1e-9


def spec_of(offers: int, floor: Any, mode: str = "learning") -> ExperimentSpec:
    written = floor.model_dump() if isinstance(floor, FloorTable) else floor
    return parse_tables(
        {
            "key": "k",
            "placement": "p",
            "arms": [{"key": f"a{n}"} for n in range(offers)],
            "reward": {"range": [0.0, 1.0], "accept": 1.0},
            "policy": {"floor": written, "mode": mode},
            "candidates": [{"name": "other", "exploration": "softmax"}],
        }
    )


def most(spec: ExperimentSpec) -> dict[str, float]:
    bound = WeightBound.of_spec(spec)
    return {policy.name: largest_weight(policy, bound) for policy in tracked_policies(spec)}


@given(
    st.integers(1, 8),
    floors,
    st.sampled_from(["learning", "frozen", "shadow", "uniform"]),
    st.data(),
)
@example(3, 0.1, "learning", None)
@example(3, FloorTable(), "learning", None)
@example(1, FloorTable(nothing=0.2, offers=0.7), "learning", None)
def test_whatever_is_eligible_and_whatever_a_model_prefers(
    offers: int, floor: Any, mode: str, data: Any
) -> None:
    spec = spec_of(offers, floor, mode)
    bounds = most(spec)
    keys = [arm.key for arm in spec.arms]
    kept = keys if data is None else data.draw(st.lists(st.sampled_from(keys), unique=True))
    place = 0 if data is None else data.draw(st.integers(0, len(kept)))
    eligible = (*kept[:place], "nothing", *kept[place:])
    logged = [spec.policy.untrained(eligible)]
    if mode in {"learning", "frozen"}:
        logged += [
            with_floor(fixed.always(arm, eligible), spec.policy.floor, place) for arm in eligible
        ]
    targets = {
        "uniform": fixed.uniform(eligible),
        **{f"always:{arm}": fixed.always(arm, eligible) for arm in spec.arm_keys},
    }
    if offers > 1:
        targets["always-something"] = fixed.something(eligible)
    for propensities in logged:
        for name, target in targets.items():
            for wanted, logged_chance in zip(target, propensities, strict=True):
                assert wanted / logged_chance <= bounds[name] * SLACK, (name, eligible)
        for learned in ("serving", "other"):
            if learned in bounds:  # which may give any arm a probability of almost 1
                assert 1.0 / min(propensities) <= bounds[learned] * SLACK


@pytest.mark.parametrize(("floor", "nothing", "others"), [(0.2, 25.0, 25.0), (0.005, 1000, 1000)])
def test_a_number_is_shared_by_all_arms(floor: float, nothing: float, others: float) -> None:
    bounds = most(spec_of(4, floor))
    assert bounds["always:nothing"] == pytest.approx(nothing)
    assert bounds["always:a0"] == bounds["serving"] == pytest.approx(others)


def test_a_table_makes_the_weights_of_nothing_small_however_many_offers_there_are() -> None:
    bounds = most(spec_of(20, FloorTable()))
    assert bounds["always:nothing"] == pytest.approx(25.0)
    assert bounds["always:a0"] == bounds["other"] == pytest.approx(1000.0)
    assert bounds["always-something"] == pytest.approx(50.0)
    assert bounds["logging"] == 1.0


@given(st.integers(1, 8), floors, floors, st.floats(0.001, 0.999), st.data())
def test_under_a_mixture_of_two_policies(
    offers: int, champion: Any, challenger: Any, share: float, data: Any
) -> None:
    bound = WeightBound.mixed(offers, [(1.0 - share, champion), (share, challenger)])
    keys = [f"a{number}" for number in range(offers)]
    kept = data.draw(st.lists(st.sampled_from(keys), unique=True))
    place = data.draw(st.integers(0, len(kept)))
    eligible = (*kept[:place], "nothing", *kept[place:])
    shown = [data.draw(st.sampled_from(eligible)) for _ in range(2)]
    first, second = (
        with_floor(fixed.always(arm, eligible), floor, place)
        for arm, floor in zip(shown, (champion, challenger), strict=True)
    )
    logged = mixture(first, second, share)
    for position, arm in enumerate(eligible):
        least = bound.least_propensity(len(kept), nothing=arm == "nothing")
        assert logged[position] * SLACK >= least
        assert 1.0 / logged[position] <= bound.largest * SLACK
        assert 1.0 / len(eligible) / logged[position] <= bound.largest_uniform * SLACK
    assert 1.0 / logged[place] <= bound.largest_nothing * SLACK
    for target, chance in zip(fixed.something(eligible), logged, strict=True):
        assert target / chance <= bound.largest_something * SLACK
