"""What an evaluation keeps of the log itself, whatever the target policies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bandit_platform.ope.checks.calibration import ArmCalibration
from bandit_platform.ope.checks.sample_ratio import SampleRatio
from bandit_platform.ope.evaluating.plan import Plan
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.reward_range import Floats

ALPHA = 0.001
"""Error of each check of the propensities; a false alarm would discard a good log."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LogState:
    """Counts and checks of the propensities.

    Attributes:
        n: rows.
        reward: Σ reward, in reward units.
        least_reward: smallest reward seen.
        most_reward: greatest reward seen.
        counts: rows by logged arm, shape (arms,).
        arms: calibration by arm; None where PMFs are not known.
        ratio: sample-ratio test; None where PMFs are not known.
    """

    n: int
    reward: float
    least_reward: float
    most_reward: float
    counts: npt.NDArray[np.int64]
    arms: ArmCalibration | None
    ratio: SampleRatio | None

    @classmethod
    def empty(cls, plan: Plan) -> LogState:
        """Before the first row."""
        names = plan.survey.arms
        known = plan.survey.has_pmf or plan.survey.constant_pmf() is not None
        return cls(
            n=0,
            reward=0.0,
            least_reward=float("inf"),
            most_reward=float("-inf"),
            counts=np.zeros(len(names), dtype=np.int64),
            arms=ArmCalibration.empty(arms=names, horizon=plan.horizon, alpha=ALPHA)
            if known
            else None,
            ratio=SampleRatio.empty(len(names)) if known else None,
        )

    def updated(self, log: DecisionLog, pmf: Floats | None) -> LogState:
        """The state after more rows.

        Args:
            log: the rows.
            pmf: the logging policy's probabilities, shape (n, arms); None where not known.
        """
        state = replace(
            self,
            n=self.n + len(log),
            reward=self.reward + float(log.reward.sum()),
            least_reward=min(self.least_reward, float(log.reward.min())),
            most_reward=max(self.most_reward, float(log.reward.max())),
            counts=self.counts + np.bincount(log.arm, minlength=self.counts.size),
        )
        if pmf is None or self.arms is None or self.ratio is None:
            return state
        return replace(
            state,
            arms=self.arms.updated(log.arm, pmf),
            ratio=self.ratio.updated(log.arm, pmf),
        )

    def onward(self, plan: Plan) -> LogState:
        """Where rows after these start."""
        ratio = None if self.ratio is None else self.ratio.onward()
        return replace(LogState.empty(plan), ratio=ratio)

    def joined(self, later: LogState) -> LogState:
        """The state of these rows and of later ones that started from :meth:`onward`."""
        arms, ratio = self.arms, self.ratio
        if arms is not None and later.arms is not None:
            arms = arms.merged(later.arms)
        if ratio is not None and later.ratio is not None:
            ratio = ratio.joined(later.ratio)
        return LogState(
            n=self.n + later.n,
            reward=self.reward + later.reward,
            least_reward=min(self.least_reward, later.least_reward),
            most_reward=max(self.most_reward, later.most_reward),
            counts=self.counts + later.counts,
            arms=arms,
            ratio=ratio,
        )

    def alarms(self, plan: Plan) -> tuple[str, ...]:
        """What is wrong with the propensities, in plain words."""
        found = []
        if self.arms is not None and (wrong := self.arms.failed()):
            found.append(
                f"the arm {', '.join(wrong)} was drawn more or less often than its propensities "
                "permit: propensities are recorded wrongly or rows are missing"
            )
        if self.ratio is not None and self.ratio.alarm(ALPHA):
            found.append(
                "the sample-ratio test found rows of some arm missing or doubled: look for "
                "decisions lost or filtered after the draw"
            )
        elif self.ratio is not None and plan.survey.constant_pmf() is not None:
            p = self.ratio.chi_square_p()
            if p < ALPHA:
                found.append(
                    f"the arms' counts contradict their constant propensities (chi-square "
                    f"p = {p:.1g}): look for decisions lost or filtered after the draw"
                )
        return tuple(found)

    def wide_range(self, plan: Plan) -> tuple[str, ...]:
        """A note where the declared range is far wider than the rewards that occurred."""
        seen = self.most_reward - self.least_reward
        if self.n < 1000 or seen >= 0.25 * plan.scale.width:
            return ()
        return (
            f"rewards lie in [{self.least_reward:g}, {self.most_reward:g}] but the declared range "
            f"is [{plan.scale.low:g}, {plan.scale.high:g}]: if larger rewards cannot occur, a "
            "tighter range narrows every confidence sequence",
        )

    def facts(self, plan: Plan) -> dict[str, Any]:
        """The log's part of the report."""
        facts: dict[str, Any] = {
            "mean_reward": self.reward / self.n if self.n else None,
            "least_propensity": plan.survey.least,
            "floor": plan.floor if plan.declared_floor else None,
            "interval_method": plan.interval,
            "tuning_rows": plan.tuning_rows,
            "arms": {
                arm: int(count) for arm, count in zip(plan.survey.arms, self.counts, strict=True)
            },
        }
        if self.ratio is not None and self.arms is not None:
            facts["sample_ratio"] = {
                "log_e": self.ratio.log_e,
                "peak": self.ratio.peak,
                "alarm": self.ratio.alarm(ALPHA),
            }
            facts["miscalibrated_arms"] = list(self.arms.failed())
        return facts
