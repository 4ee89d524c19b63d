"""Sample-ratio test under propensities that vary from row to row, as an e-process."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bandit_platform.ope.reward_range import Floats
from bandit_platform.ope.running import CHUNK

_KAPPA = 50.0


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleRatio:
    """Evidence that rows of some arm are missing or doubled.

    E_t = Π q_i(A_i)/p_i(A_i) with q_i(a) ∝ p_i(a)(κ + S_{i-1}(a))/(κ + P_{i-1}(a)), κ = 50, S the
    counts and P the cumulated propensities of each arm. Under right propensities E is a
    martingale from 1, so it ever reaches 1/alpha with chance alpha at most (Ville).

    Attributes:
        counts: S, shape (arms,).
        expected: P, shape (arms,).
        log_e: ln E now.
        peak: greatest ln E so far.
        n: rows.
    """

    counts: Floats
    expected: Floats
    log_e: float = 0.0
    peak: float = 0.0
    n: int = 0

    @classmethod
    def empty(cls, arms: int) -> SampleRatio:
        """Before the first row."""
        return cls(counts=np.zeros(arms), expected=np.zeros(arms))

    def updated(self, arm: npt.NDArray[np.int64], pmf: Floats) -> SampleRatio:
        """The test after more rows.

        Args:
            arm: logged arms, shape (n,).
            pmf: the logging policy's probabilities, shape (n, arms).
        """
        state = self
        for start in range(0, arm.shape[0], CHUNK):
            state = state._advanced(arm[start : start + CHUNK], pmf[start : start + CHUNK])
        return state

    def _advanced(self, arm: npt.NDArray[np.int64], pmf: Floats) -> SampleRatio:
        rows = np.arange(arm.shape[0])
        drawn = np.zeros(pmf.shape)
        drawn[rows, arm] = 1.0
        counted, cumulated = drawn.cumsum(axis=0), pmf.cumsum(axis=0)
        ratio = (_KAPPA + self.counts + counted - drawn) / (
            _KAPPA + self.expected + cumulated - pmf
        )
        steps = np.log(ratio[rows, arm]) - np.log((pmf * ratio).sum(axis=1))
        path = self.log_e + steps.cumsum()
        return SampleRatio(
            counts=self.counts + counted[-1],
            expected=self.expected + cumulated[-1],
            log_e=float(path[-1]),
            peak=max(self.peak, float(path.max())),
            n=self.n + arm.shape[0],
        )

    def onward(self) -> SampleRatio:
        """Where rows after these start: the counts that bets are made from, and no evidence."""
        return SampleRatio(counts=self.counts, expected=self.expected, peak=-math.inf)

    def moved(self, counts: Floats, expected: Floats) -> SampleRatio:
        """Where rows start that come after more with these sums; for a :meth:`onward` only."""
        return replace(self, counts=self.counts + counts, expected=self.expected + expected)

    def joined(self, later: SampleRatio) -> SampleRatio:
        """The test on these rows and on later ones that started from :meth:`onward`."""
        return replace(
            later,
            log_e=self.log_e + later.log_e,
            peak=max(self.peak, self.log_e + later.peak),
            n=self.n + later.n,
        )

    def alarm(self, alpha: float) -> bool:
        """The evidence has once reached 1/alpha."""
        return self.peak >= math.log(1.0 / alpha)

    def chi_square_p(self) -> float:
        """P-value of Pearson's test that counts match the expected counts (one look only).

        Right for propensities that are the same in every row; 1 without enough rows.
        """
        from scipy import special  # noqa: PLC0415 - slow to import

        used = self.expected > 5.0
        if used.sum() < 2:
            return 1.0
        apart = (self.counts[used] - self.expected[used]) ** 2 / self.expected[used]
        return float(special.chdtrc(int(used.sum()) - 1, float(apart.sum())))
