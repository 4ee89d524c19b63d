"""The three numbers an empirical-Bernstein confidence sequence keeps, and the bound they give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from bandit_platform.ope.reward_range import Floats
from bandit_platform.ope.running import CHUNK, running_sums
from bandit_platform.ope.sequences.mixture import boundary, tuned_rho

LEAST_TIME = 1.0


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is known about Z before the stream starts; fixed from then on.

    Attributes:
        rows: how many rows the guess of the mean is worth, ≥ 1.
        total: that guess times those rows.
        variance: guess of Var(Z), which tunes the boundary.
        least: least value the mean of Z can have.
        most: greatest value the mean of Z can have.
    """

    rows: float
    total: float
    variance: float
    least: float
    most: float


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Sums of a pseudo-outcome Z whose conditional mean is the estimand.

    Attributes:
        n: rows.
        z: ΣZ.
        v: Σ(Z - Ẑ)², Ẑ the running mean before the row, clipped to where the mean can lie.
        peak: the largest single (Z - Ẑ)².
    """

    n: int = 0
    z: float = 0.0
    v: float = 0.0
    peak: float = 0.0

    def walked(self, outcome: Floats, prior: Prior) -> tuple[Stream, Floats, Floats]:
        """The stream after more rows, with ΣZ and Σ(Z - Ẑ)² after each of them.

        Any cutting of the rows into batches gives the same bits.

        Args:
            outcome: Z, shape (m,), m ≥ 1.
            prior: the same at every call.
        """
        z_path = running_sums(self.z, outcome)
        before = np.arange(self.n, self.n + outcome.shape[0], dtype=np.float64)
        before += prior.rows
        guess = z_path[:-1] + prior.total
        guess /= before
        np.minimum(np.maximum(guess, prior.least, out=guess), prior.most, out=guess)
        miss = np.subtract(outcome, guess, out=guess)
        miss *= miss
        v_path = running_sums(self.v, miss)
        stream = Stream(
            n=self.n + outcome.shape[0],
            z=float(z_path[-1]),
            v=float(v_path[-1]),
            peak=max(self.peak, float(miss.max())),
        )
        return stream, z_path[1:], v_path[1:]

    def updated(self, outcome: Floats, prior: Prior) -> Stream:
        """As :meth:`walked`, keeping nothing but the state."""
        stream = self
        for start in range(0, outcome.shape[0], CHUNK):
            stream = stream.walked(outcome[start : start + CHUNK], prior)[0]
        return stream

    def onward(self) -> Stream:
        """Where rows after these start: the predictor's sums, and nothing of the squares."""
        return Stream(n=self.n, z=self.z)

    def joined(self, later: Stream) -> Stream:
        """The stream of these rows and of later ones that started from :meth:`onward`."""
        return replace(later, v=self.v + later.v, peak=max(self.peak, later.peak))

    @classmethod
    def from_state(cls, state: Mapping[str, float]) -> Stream:
        """The inverse of ``dataclasses.asdict``."""
        return cls(
            n=int(state["n"]),
            z=float(state["z"]),
            v=float(state["v"]),
            peak=float(state["peak"]),
        )


def margin(
    n: Floats, v: Floats, *, span: float, variance: float, horizon: float, alpha: float
) -> Floats:
    """How far below mean(Z) the one-sided bound lies: B u(V/B²)/t.

    Args:
        n: rows so far, shape (m,), > 0.
        v: Σ(Z - Ẑ)² so far, shape (m,).
        span: B with Z - Ẑ ≥ -B at every row.
        variance: guess of Var(Z), made before the stream started.
        horizon: rows at which the bound should be tightest.
        alpha: one-sided error.
    """
    best_at = max(horizon * variance / span**2, LEAST_TIME)
    rho = tuned_rho(best_at=best_at, alpha=alpha)
    reach: Floats = span * boundary(v / span**2, rho=rho, alpha=alpha) / n
    return reach
