"""What the first rows of a stream teach a confidence sequence before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bandit_platform.ope.reward_range import Floats
from bandit_platform.ope.running import CHUNK, totals

_SUMS = ("r", "rr", "g", "size", "gg", "gr", "ggr", "ggrr")
_PRIOR_ESS = 25.0
_PRIOR_SQUARES = 1.0


@dataclass(frozen=True, kw_only=True)
class TuningSums:
    """Sums over the tuning rows of gain g and scaled reward r.

    The gain is the factor before (r - c) in the pseudo-outcome: w for a value, w₁ - w₂ for an
    uplift. These sums give the pseudo-outcome's mean and variance for *any* offset c, so no row
    has to be kept.

    Attributes:
        n: number of tuning rows.
        r: Σr.
        rr: Σr².
        g: Σg.
        size: Σ|g|.
        gg: Σg².
        gr: Σgr.
        ggr: Σg²r.
        ggrr: Σg²r².
    """

    n: int = 0
    r: float = 0.0
    rr: float = 0.0
    g: float = 0.0
    size: float = 0.0
    gg: float = 0.0
    gr: float = 0.0
    ggr: float = 0.0
    ggrr: float = 0.0

    def updated(self, g: Floats, r: Floats) -> TuningSums:
        """The sums after more rows, independent of how rows are cut into batches."""
        carry = [getattr(self, name) for name in _SUMS]
        for start in range(0, g.shape[0], CHUNK):
            gc, rc = g[start : start + CHUNK], r[start : start + CHUNK]
            gr = gc * rc
            columns = (rc, rc * rc, gc, np.abs(gc), gc * gc, gr, gc * gr, gr * gr)
            carry = totals(carry, columns)
        return TuningSums(n=self.n + g.shape[0], **dict(zip(_SUMS, carry, strict=True)))

    def merged(self, other: TuningSums) -> TuningSums:
        """The sums over both sets of rows."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in _SUMS}
        return TuningSums(n=self.n + other.n, **sums)

    @property
    def ess(self) -> float:
        """(Σ|g|)²/Σg²: how many rows' worth of information about the target the gains hold."""
        return self.size * self.size / self.gg if self.gg > 0.0 else 0.0

    def offset(self) -> float:
        """A predictable guess c in [0, 1] that keeps the pseudo-outcome's variance small.

        Var(g(R - c)) is least near c = Σg²r / Σg², the mean reward weighted by g². Where few rows
        carry the weight that is a poor guess, so it is drawn towards the plain mean reward as if
        by rows of an effective sample size of 25.
        """
        if self.n == 0:
            return 0.5
        mean = self.r / self.n
        weighted = self.ggr / self.gg if self.gg > 0.0 else mean
        guess = self._blend(weighted, mean)
        return min(max(guess, 0.0), 1.0)

    def mean(self, *, offset: float, base: float) -> float:
        """Mean over the tuning rows of Z = base + g(r - offset)."""
        return base + (self.gr - offset * self.g) / self.n if self.n else base

    def variance(self, *, offset: float) -> float:
        """A guess of Var(g(R - offset)), never 0 merely because no reward has occurred yet.

        Σg²(r - c)²/n, drawn (as in :meth:`offset`) towards the product of the mean of g² and the
        mean of (r - c)² over all rows, the latter with one squared reward range added.
        """
        if self.n == 0:
            return 1.0
        square = self.ggrr - 2.0 * offset * self.ggr + offset * offset * self.gg
        plain = self.rr - 2.0 * offset * self.r + offset * offset * self.n
        apart = (max(plain, 0.0) + _PRIOR_SQUARES) / (self.n + _PRIOR_SQUARES)
        return self._blend(max(square, 0.0) / self.n, self.gg / self.n * apart)

    def _blend(self, weighted: float, plain: float) -> float:
        return (self.ess * weighted + _PRIOR_ESS * plain) / (self.ess + _PRIOR_ESS)

    def to_state(self) -> dict[str, float]:
        """Plain numbers that survive JSON exactly."""
        return {"n": self.n, **{name: getattr(self, name) for name in _SUMS}}

    @classmethod
    def from_state(cls, state: Mapping[str, float]) -> TuningSums:
        """The inverse of :meth:`to_state`."""
        return cls(n=int(state["n"]), **{name: float(state[name]) for name in _SUMS})
