"""What must be known of a whole log before its rows are evaluated in order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.reward_range import Floats


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Counts and extremes of a log; parts of a log merge.

    Rewards enter only to be compared with the declared range, never to set it.

    Attributes:
        n: rows.
        arms: names of all arms that occur, sorted.
        least: smallest propensity: of any eligible arm where PMFs are logged, else of a logged arm.
        fewest: least number of eligible arms in a row; None where rows do not say.
        least_reward: smallest reward, in reward units.
        most_reward: greatest reward, in reward units.
        low: smallest propensity with which each arm was logged, by arm.
        high: greatest propensity with which each arm was logged, by arm.
        has_pmf: every row has the logging policy's whole PMF.
        estimated: the propensities were estimated, not recorded.
    """

    n: int
    arms: tuple[str, ...]
    least: float
    fewest: int | None
    least_reward: float
    most_reward: float
    low: dict[str, float]
    high: dict[str, float]
    has_pmf: bool
    estimated: bool

    @classmethod
    def of(cls, log: DecisionLog) -> Survey:
        """The survey of one log, or of one part of it."""
        low = np.full(len(log.arms), np.inf)
        high = np.zeros(len(log.arms))
        np.minimum.at(low, log.arm, log.propensity)
        np.maximum.at(high, log.arm, log.propensity)
        seen = [code for code in range(len(log.arms)) if high[code] > 0.0]
        return cls(
            n=len(log),
            arms=log.arms,
            least=log.least_propensity,
            fewest=None if log.eligible is None else int(log.eligible_count.min(initial=1e9)),
            least_reward=float(log.reward.min(initial=np.inf)),
            most_reward=float(log.reward.max(initial=-np.inf)),
            low={log.arms[code]: float(low[code]) for code in seen},
            high={log.arms[code]: float(high[code]) for code in seen},
            has_pmf=log.pmf is not None,
            estimated=log.estimated_propensity,
        )

    def merged(self, other: Survey) -> Survey:
        """The survey of both parts together."""
        low, high = dict(self.low), dict(self.high)
        for arm, value in other.low.items():
            low[arm] = min(low.get(arm, value), value)
            high[arm] = max(high.get(arm, 0.0), other.high[arm])
        counts = [count for count in (self.fewest, other.fewest) if count is not None]
        return Survey(
            n=self.n + other.n,
            arms=tuple(sorted({*self.arms, *other.arms})),
            least=min(self.least, other.least),
            fewest=min(counts, default=None),
            least_reward=min(self.least_reward, other.least_reward),
            most_reward=max(self.most_reward, other.most_reward),
            low=low,
            high=high,
            has_pmf=self.has_pmf and other.has_pmf,
            estimated=self.estimated or other.estimated,
        )

    def constant_pmf(self) -> Floats | None:
        """The PMF of a logging policy that never changes, shape (arms,); None where it does."""
        if self.fewest is not None and self.fewest < len(self.arms):
            return None
        if set(self.low) != set(self.arms) or self.low != self.high:
            return None
        pmf = np.array([self.low[arm] for arm in self.arms])
        return pmf if abs(float(pmf.sum()) - 1.0) < 1e-6 else None
