"""What the first rows of a stream teach a confidence sequence before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bandit_platform.ope.reward_range import Floats
from bandit_platform.ope.running import CHUNK, running_sums

_SUMS = ("r", "g", "gg", "gr", "ggr", "ggrr")
_PRIOR_ROWS = 20.0


@dataclass(frozen=True, kw_only=True)
class TuningSums:
    """Sums over the tuning rows of gain g and scaled reward r.

    The gain is the factor before (r - c) in the pseudo-outcome: w for a value, w₁ - w₂ for an
    uplift. These sums give the pseudo-outcome's mean and variance for *any* offset c, so no row
    has to be kept.

    Attributes:
        n: number of tuning rows.
        r: Σr.
        g: Σg.
        gg: Σg².
        gr: Σgr.
        ggr: Σg²r.
        ggrr: Σg²r².
    """

    n: int = 0
    r: float = 0.0
    g: float = 0.0
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
            columns = (rc, gc, gc * gc, gr, gc * gr, gr * gr)
            carry = running_sums(carry, columns)[:, -1].tolist()
        return TuningSums(n=self.n + g.shape[0], **dict(zip(_SUMS, carry, strict=True)))

    def offset(self) -> float:
        """A predictable guess c in [0, 1] that keeps the pseudo-outcome's variance small.

        Var(g(R - c)) is least near c = Σg²r / Σg², an average of the rewards weighted by g². It
        is drawn towards the plain mean reward as if by 20 rows of average weight, because few
        heavy rows make a poor guess.
        """
        mean_reward = self.r / self.n if self.n else 0.5
        prior = _PRIOR_ROWS * self.gg / self.n if self.n else 0.0
        if self.gg <= 0.0:
            return min(max(mean_reward, 0.0), 1.0)
        guess = (self.ggr + prior * mean_reward) / (self.gg + prior)
        return min(max(guess, 0.0), 1.0)

    def moments(self, *, offset: float, base: float) -> tuple[float, float]:
        """Mean and variance over the tuning rows of Z = base + g(r - offset)."""
        if self.n == 0:
            return base, 0.0
        mean = (self.gr - offset * self.g) / self.n
        square = (self.ggrr - 2.0 * offset * self.ggr + offset * offset * self.gg) / self.n
        return base + mean, max(square - mean * mean, 0.0)

    def to_state(self) -> dict[str, float]:
        """Plain numbers that survive JSON exactly."""
        return {"n": self.n, **{name: getattr(self, name) for name in _SUMS}}

    @classmethod
    def from_state(cls, state: Mapping[str, float]) -> TuningSums:
        """The inverse of :meth:`to_state`."""
        return cls(n=int(state["n"]), **{name: float(state[name]) for name in _SUMS})
