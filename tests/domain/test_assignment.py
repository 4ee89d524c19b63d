from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from bandit_platform.domain.assignment import draw, draw_seed, in_holdout
from bandit_platform.domain.keyed_hash import fraction

UNITS = [f"unit-{i}" for i in range(20_000)]


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_the_holdout_has_the_declared_share_of_units(secret: bytes, share: float) -> None:
    held = sum(in_holdout(secret, "e", unit, share) for unit in UNITS)
    deviation = math.sqrt(len(UNITS) * share * (1 - share))
    assert abs(held - len(UNITS) * share) < 4 * deviation


def test_a_unit_is_always_on_the_same_side(secret: bytes) -> None:
    first = [in_holdout(secret, "e", unit, 0.3) for unit in UNITS[:200]]
    assert first == [in_holdout(secret, "e", unit, 0.3) for unit in UNITS[:200]]
    assert {True, False} == set(first)


def test_no_share_holds_nobody_out(secret: bytes) -> None:
    assert not any(in_holdout(secret, "e", unit, 0.0) for unit in UNITS)


def test_a_larger_share_keeps_those_already_held_out(secret: bytes) -> None:
    small = {unit for unit in UNITS[:2000] if in_holdout(secret, "e", unit, 0.1)}
    large = {unit for unit in UNITS[:2000] if in_holdout(secret, "e", unit, 0.2)}
    assert small < large


@pytest.mark.parametrize(
    ("other_secret", "other_experiment"),
    [(None, "another"), (b"another secret of at least 32 bytes!", "e")],
)
def test_holdouts_of_different_experiments_and_deployments_are_independent(
    secret: bytes, other_secret: bytes | None, other_experiment: str
) -> None:
    pairs = Counter(
        (
            in_holdout(secret, "e", unit, 0.3),
            in_holdout(other_secret or secret, other_experiment, unit, 0.3),
        )
        for unit in UNITS
    )
    table = [[pairs[left, right] for right in (True, False)] for left in (True, False)]
    assert stats.chi2_contingency(table).pvalue > 1e-4


def test_the_draw_knows_nothing_of_the_holdout(secret: bytes) -> None:
    """The same name hashed for both purposes: the draws of the held out are spread as all are."""
    held = [unit for unit in UNITS if in_holdout(secret, "e", unit, 0.2)]
    points = [fraction(bytes.fromhex(draw_seed(secret, "e", unit))) for unit in held]
    assert stats.kstest(points, "uniform").pvalue > 1e-4


def test_a_seed_is_sixteen_hexadecimal_characters_fixed_by_its_names(secret: bytes) -> None:
    seed = draw_seed(secret, "e", "decision")
    assert seed == draw_seed(secret, "e", "decision")
    assert len(bytes.fromhex(seed)) == 8
    assert seed != draw_seed(secret, "e", "decision-2")
    assert seed != draw_seed(secret, "f", "decision")
    assert seed != draw_seed(b"x" * 32, "e", "decision")


@pytest.mark.parametrize(
    "pmf", [(0.25, 0.25, 0.25, 0.25), (0.9, 0.05, 0.05), (0.01, 0.99), (0.0, 0.3, 0.0, 0.7)]
)
def test_arms_are_drawn_as_often_as_the_pmf_says(secret: bytes, pmf: tuple[float, ...]) -> None:
    drawn = Counter(draw(pmf, draw_seed(secret, "e", name)) for name in UNITS)
    seen = np.array([drawn[i] for i in range(len(pmf))])
    wanted = np.array(pmf) * len(UNITS)
    assert seen[wanted == 0].sum() == 0
    assert stats.chisquare(seen[wanted > 0], wanted[wanted > 0]).pvalue > 1e-4


def test_arms_share_out_the_seeds_in_their_order() -> None:
    pmf = (0.5, 0.25, 0.25)
    assert [draw(pmf, f"{first:02x}" + "0" * 14) for first in (0x00, 0x7F, 0x80, 0xBF, 0xC0)] == [
        0,
        0,
        1,
        1,
        2,
    ]


weights = st.lists(
    st.one_of(st.just(0.0), st.floats(min_value=1e-12, max_value=1.0)), min_size=1, max_size=12
).filter(any)


@given(weights, st.binary(min_size=8, max_size=8))
@example([0.1] * 10, b"\xff" * 8)  # ten tenths add up to less than one
@example([0.1] * 10 + [0.0], b"\xff" * 8)
@example([1.0, 0.0], b"\xff" * 8)
@example([0.0, 1.0], bytes(8))
def test_a_draw_always_hits_an_arm_that_can_be_hit(mass: list[float], seed: bytes) -> None:
    total = math.fsum(mass)
    pmf = [each / total for each in mass]
    assert pmf[draw(pmf, seed.hex())] > 0
