"""A decision log in memory: one row per decision, as numpy columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.reward_range import Floats

if TYPE_CHECKING:
    import pandas as pd

NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True, eq=False)
class DecisionLog:
    """Logged decisions in the order in which they were made.

    Attributes:
        arms: names of the k arms, in code order.
        arm: code of the logged arm, shape (n,).
        propensity: probability with which the logged arm was drawn, in (0, 1], shape (n,).
        reward: reward units, shape (n,).
        eligible: which arms the row could have got, shape (n, k); None where every arm could.
        pmf: the logging policy's probability of each arm, shape (n, k), 0 where not eligible;
            None where the log does not have it.
        targets: target policies' probabilities of the logged arm by policy name, shape (n,) each.
        context: context columns, n rows; None where the log has none.
        unit: unit identifiers, shape (n,); None where the log has none.
        moment: when each decision was made, shape (n,); None where the log does not say.
        estimated_propensity: propensities were estimated from the log, not recorded.
    """

    arms: tuple[str, ...]
    arm: npt.NDArray[np.int64]
    propensity: Floats
    reward: Floats
    eligible: npt.NDArray[np.bool_] | None = None
    pmf: Floats | None = None
    targets: Mapping[str, Floats] = field(default_factory=dict)
    context: pd.DataFrame | None = None
    unit: npt.NDArray[np.object_] | None = None
    moment: npt.NDArray[np.datetime64] | None = None
    estimated_propensity: bool = False

    def __post_init__(self) -> None:
        n, k = self.arm.shape[0], len(self.arms)
        for name, column in (("propensity", self.propensity), ("reward", self.reward)):
            if column.shape != (n,):
                raise EvaluationError(f"{name} has shape {column.shape} where ({n},) is needed")
        for name, table in (("eligible", self.eligible), ("pmf", self.pmf)):
            if table is not None and table.shape != (n, k):
                raise EvaluationError(f"{name} has shape {table.shape} where ({n}, {k}) is needed")
        good = (self.propensity > 0.0) & (self.propensity <= 1.0)
        if not good.all():
            row = int(np.argmin(good))
            raise EvaluationError(f"row {row}: propensity {self.propensity[row]} is not in (0, 1]")
        if n and not (int(self.arm.min()) >= 0 and int(self.arm.max()) < k):
            raise EvaluationError(f"an arm code is outside 0 … {k - 1}")

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> DecisionLog:
        """The decisions in a data frame with the columns of a decision-log file.

        Args:
            frame: ``arm``, ``propensity`` and ``reward``; optional ``decided_at`` (rows are taken
                in this order), ``eligible_arms``, ``pmf``, ``unit_id``, ``context.<name>`` and
                ``target.<policy>``.

        Raises:
            LogError: a column is missing or a row is bad; names the first one.
        """
        from bandit_platform.ope.logs.frame import log_of  # noqa: PLC0415 - pandas is slow to import

        return log_of(frame)

    def __len__(self) -> int:
        return int(self.arm.shape[0])

    def code(self, arm: str) -> int:
        """The code of an arm.

        Raises:
            EvaluationError: the log does not know the arm; names the arms it knows.
        """
        if arm not in self.arms:
            raise EvaluationError(f"arm {arm!r} is not in the log; it has {', '.join(self.arms)}")
        return self.arms.index(arm)

    @cached_property
    def eligible_count(self) -> Floats:
        """Number of eligible arms in each row, shape (n,)."""
        if self.eligible is None:
            return np.full(len(self), float(len(self.arms)))
        count: Floats = self.eligible.sum(axis=1).astype(np.float64)
        return count

    @cached_property
    def least_propensity(self) -> float:
        """Smallest propensity in the log: of any eligible arm with a PMF, else of a logged arm."""
        if len(self) == 0:
            return 1.0
        least = float(self.propensity.min())
        if self.pmf is not None:
            positive = self.pmf[self.pmf > 0.0]
            least = min(least, float(positive.min())) if positive.size else least
        return least

    def rows(self, chosen: npt.NDArray[np.bool_] | slice) -> DecisionLog:
        """The log of the chosen rows, in the same order and with the same arms."""
        return DecisionLog(
            arms=self.arms,
            arm=self.arm[chosen],
            propensity=self.propensity[chosen],
            reward=self.reward[chosen],
            eligible=None if self.eligible is None else self.eligible[chosen],
            pmf=None if self.pmf is None else self.pmf[chosen],
            targets={name: column[chosen] for name, column in self.targets.items()},
            context=None if self.context is None else self.context[chosen],
            unit=None if self.unit is None else self.unit[chosen],
            moment=None if self.moment is None else self.moment[chosen],
            estimated_propensity=self.estimated_propensity,
        )

    def recoded(self, arms: tuple[str, ...]) -> DecisionLog:
        """The same log with arms numbered by a longer list of names.

        Raises:
            EvaluationError: the list lacks an arm of the log.
        """
        if arms == self.arms:
            return self
        missing = set(self.arms) - set(arms)
        if missing:
            raise EvaluationError(f"no such arm: {', '.join(sorted(missing))}")
        place = np.array([arms.index(arm) for arm in self.arms], dtype=np.int64)
        eligible, pmf = None, None
        if self.eligible is not None:
            eligible = np.zeros((len(self), len(arms)), dtype=np.bool_)
            eligible[:, place] = self.eligible
        if self.pmf is not None:
            pmf = np.zeros((len(self), len(arms)))
            pmf[:, place] = self.pmf
        return replace(self, arms=arms, arm=place[self.arm], eligible=eligible, pmf=pmf)
