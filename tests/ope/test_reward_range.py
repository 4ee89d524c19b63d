from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit_platform.errors import EvaluationError, InputError
from bandit_platform.ope import RewardRange


def test_scale_maps_the_ends() -> None:
    assert RewardRange(low=-5, high=15).scale([-5, 0, 15]).tolist() == [0.0, 0.25, 1.0]


@given(st.floats(-100, 100), st.floats(0.001, 100), st.floats(0, 1))
def test_unscale_is_the_inverse(low: float, width: float, share: float) -> None:
    scale = RewardRange(low=low, high=low + width)
    reward = scale.clip(low + share * width)
    scaled = float(scale.scale([reward])[0])
    assert 0.0 <= scaled <= 1.0
    assert scale.unscale(scaled) == pytest.approx(reward, abs=1e-9)


def test_a_difference_has_no_offset() -> None:
    assert RewardRange(low=-5, high=15).unscale_difference(0.5) == 10.0


@pytest.mark.parametrize("bad", [1.0001, -0.1, np.nan, np.inf])
def test_reward_outside_the_range_names_its_row(bad: float) -> None:
    with pytest.raises(EvaluationError, match="row 2"):
        RewardRange(low=0, high=1).scale([0, 1, bad])


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (0, np.inf), (np.nan, 1)])
def test_impossible_range_is_refused(low: float, high: float) -> None:
    with pytest.raises(InputError):
        RewardRange(low=low, high=high)
