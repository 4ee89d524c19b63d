"""Floors of ``nothing`` and of the offers, by their properties."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit_platform.domain.floor import FloorTable, least_nothing, least_offer
from bandit_platform.domain.pmf import uniform_pmf, untrained_pmf, with_floor
from bandit_platform.domain.policy_spec import Candidate, ServingPolicy
from bandit_platform.domain.spec_file import parse_tables
from tests.domain.test_spec_faults import edited

DEFAULT = FloorTable(nothing=0.04, offers=0.02)

#: masses that leave room for what is learned
tables = st.builds(
    lambda sum_, share: FloorTable(
        nothing=max(sum_ * share, 0.001), offers=max(sum_ * (1 - share), 0.001)
    ),
    st.floats(0.002, 0.99),
    st.floats(0, 1),
)
floors = st.floats(0.001, 1.0) | tables


@st.composite
def distributions(draw: st.DrawFn) -> tuple[tuple[float, ...], int]:
    """Probabilities of some arms, and where ``nothing`` is among them."""
    mass = draw(st.lists(st.just(0.0) | st.floats(1e-9, 1.0), min_size=1, max_size=101).filter(any))
    total = math.fsum(mass)
    return tuple(each / total for each in mass), draw(st.integers(0, len(mass) - 1))


def test_without_a_floor_nothing_keeps_a_twenty_fifth() -> None:
    spec = parse_tables(edited())
    assert spec.policy.floor == spec.candidates[0].floor == DEFAULT
    assert ServingPolicy().floor == Candidate(name="a").floor == FloorTable()


def test_what_a_table_leaves_out_is_the_default() -> None:
    spec = parse_tables(edited((("policy", "floor"), {"nothing": 0.2})))
    assert spec.policy.floor == FloorTable(nothing=0.2, offers=0.02)
    assert spec.to_file()["policy"]["floor"] == {"nothing": 0.2, "offers": 0.02}
    assert parse_tables(edited((("policy", "floor"), 1))).policy.floor == 1.0


@given(distributions(), floors)
def test_every_arm_keeps_its_floor_and_all_sum_to_one(
    given_pmf: tuple[tuple[float, ...], int], floor: Any
) -> None:
    raw, nothing = given_pmf
    pmf = with_floor(raw, floor, nothing)
    offers = len(raw) - 1
    assert math.fsum(pmf) == pytest.approx(1.0, abs=1e-12)
    assert pmf[nothing] >= least_nothing(floor, offers) * (1 if offers else 1 - 1e-15)
    for place, chance in enumerate(pmf):
        assert place == nothing or chance >= least_offer(floor, offers)


@given(distributions(), floors)
def test_more_probable_offers_stay_more_probable(
    given_pmf: tuple[tuple[float, ...], int], floor: Any
) -> None:
    raw, nothing = given_pmf
    pmf = with_floor(raw, floor, nothing)
    ranked = sorted(
        (before, after)
        for place, (before, after) in enumerate(zip(raw, pmf, strict=True))
        if place != nothing
    )
    for (less, below), (more, above) in pairwise(ranked):
        assert below <= above
        assert less < more or below == above


@given(st.floats(0, 1), st.floats(0, 1), tables)
def test_the_more_the_model_gives_nothing_the_more_it_gets(
    one: float, other: float, floor: FloorTable
) -> None:
    low, high = sorted((one, other))
    below = with_floor((low, 1.0 - low), floor, 0)
    above = with_floor((high, 1.0 - high), floor, 0)
    assert below[0] <= above[0]


@given(distributions(), tables, st.integers(0, 100))
def test_the_position_of_nothing_changes_no_bit(
    given_pmf: tuple[tuple[float, ...], int], floor: FloorTable, to: int
) -> None:
    raw, nothing = given_pmf
    pmf = with_floor(raw, floor, nothing)
    order = [place for place in range(len(raw)) if place != nothing]
    to %= len(raw)
    order.insert(to, nothing)
    assert with_floor([raw[place] for place in order], floor, to) == tuple(
        pmf[place] for place in order
    )


def test_a_table_by_hand() -> None:
    floor = FloorTable(nothing=0.25, offers=0.125)
    assert with_floor((0.5, 0.5, 0.0), floor, 2) == (
        0.5 * 0.625 + 0.0625,
        0.5 * 0.625 + 0.0625,
        0.25,
    )
    exact = Fraction(1, 4) + Fraction(5, 8) * Fraction(1, 4)
    assert Fraction(with_floor((0.75, 0.25), floor, 1)[1]) == exact


@given(floors)
def test_where_no_offer_is_eligible_nothing_is_certain(floor: Any) -> None:
    assert with_floor((1.0,), floor, 0) == pytest.approx((1.0,), abs=1e-15)
    assert untrained_pmf(1, floor, 0) == (1.0,)


@given(distributions(), tables)
def test_a_log_without_nothing_gets_the_whole_mass_spread_evenly(
    given_pmf: tuple[tuple[float, ...], int], floor: FloorTable
) -> None:
    raw, _ = given_pmf
    assert with_floor(raw, floor, None) == with_floor(raw, floor.nothing + floor.offers, None)


@given(st.integers(1, 101), floors, st.integers(0, 100))
def test_before_a_model_is_there_arms_are_as_equal_as_the_floors_permit(
    size: int, floor: Any, nothing: int
) -> None:
    nothing %= size
    offers = size - 1
    pmf = untrained_pmf(size, floor, nothing)
    assert math.fsum(pmf) == pytest.approx(1.0, abs=1e-12)
    assert pmf[nothing] >= least_nothing(floor, offers) * (1 - 1e-15)
    others = {chance for place, chance in enumerate(pmf) if place != nothing}
    assert len(others) <= 1
    assert all(chance >= least_offer(floor, offers) * (1 - 1e-15) for chance in others)
    permitted = not isinstance(floor, FloorTable) or not offers
    if permitted or (1 / size >= floor.nothing * 1.001 and offers / size >= floor.offers * 1.001):
        assert pmf == uniform_pmf(size)


def test_modes_that_are_uniform_stay_so() -> None:
    arms = ("a", "nothing")
    floor = FloorTable(nothing=0.8, offers=0.1)
    assert ServingPolicy(floor=floor).untrained(arms) == pytest.approx((0.2, 0.8))
    for mode in ("uniform", "shadow"):
        policy = ServingPolicy.model_validate({"mode": mode, "floor": floor})
        assert policy.untrained(arms) == (0.5, 0.5)
