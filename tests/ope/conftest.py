from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from bandit_platform.ope.logs.log import DecisionLog


@dataclass(frozen=True, kw_only=True)
class Rows:
    weight: Any
    baseline: Any
    reward: Any
    bound: float


@pytest.fixture
def rows() -> Callable[..., Rows]:
    """Weights of two policies and rewards in [-1, 3], logged with a floor of 0.1 on three arms."""

    def make(n: int, seed: int = 0) -> Rows:
        rng = np.random.default_rng(seed)
        pmf = np.full((n, 3), 0.1)
        pmf[np.arange(n), rng.integers(0, 3, n)] = 0.8
        arm = (pmf.cumsum(1) < rng.random((n, 1))).sum(1).clip(max=2)
        p = pmf[np.arange(n), arm]
        reward = rng.choice([-1.0, 0.0, 0.3, 3.0], n, p=[0.1, 0.6, 0.2, 0.1])
        return Rows(weight=(arm == 2) / p, baseline=(arm == 0) / p, reward=reward, bound=10.0)

    return make


@pytest.fixture
def small_log() -> DecisionLog:
    return DecisionLog(
        arms=("a", "b", "nothing"),
        arm=np.array([0, 1, 2, 0]),
        propensity=np.array([0.5, 0.25, 0.25, 0.8]),
        reward=np.array([1.0, 0.0, 0.5, 0.0]),
    )
