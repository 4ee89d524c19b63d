"""Weight sums: the mergeable state of IPS, SNIPS, Cressie-Read and the effective sample size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.reward_range import Floats
from bandit_platform.ope.running import CHUNK, totals

_MOMENTS = ("w", "ww", "wr", "wwr", "wwrr")


def check_weights(weight: npt.ArrayLike, what: str = "weight") -> Floats:
    """Importance weights as floats.

    Raises:
        EvaluationError: a weight is negative or not finite; names the first row.
    """
    values = np.asarray(weight, dtype=np.float64)
    good = (values >= 0.0) & (values < np.inf)
    if not good.all():
        row = int(np.argmin(good))
        raise EvaluationError(f"row {row}: {what} {values.flat[row]} is not a finite number ≥ 0")
    return values


@dataclass(frozen=True, kw_only=True)
class WeightSums:
    """Sums over rows of products of importance weight w and reward r.

    The unit of r is the caller's (scaled to [0, 1] inside the accumulators). Adding rows is exact
    in the sense that any cutting of the same rows into batches gives the same bits; merging two
    states is equal to adding their rows up to rounding.

    Attributes:
        n: number of rows.
        w: Σw.
        ww: Σw².
        wr: Σwr.
        wwr: Σw²r.
        wwrr: Σw²r².
        w_max: largest w seen, 0 for no rows.
    """

    n: int = 0
    w: float = 0.0
    ww: float = 0.0
    wr: float = 0.0
    wwr: float = 0.0
    wwrr: float = 0.0
    w_max: float = 0.0

    def updated(self, weight: npt.ArrayLike, reward: npt.ArrayLike) -> WeightSums:
        """The state after more rows.

        Args:
            weight: shape (n,), finite, ≥ 0.
            reward: shape (n,), finite.

        Raises:
            EvaluationError: a weight is negative or not finite, or the shapes differ.
        """
        w = check_weights(weight)
        r = np.asarray(reward, dtype=np.float64)
        if w.shape != r.shape or w.ndim != 1:
            raise EvaluationError(f"weights {w.shape} and rewards {r.shape} must be equally long")
        return self.added(w, r)

    def added(self, w: Floats, r: Floats) -> WeightSums:
        """The state after more rows that the caller has already checked."""
        if w.shape[0] == 0:
            return self
        carry = [self.w, self.ww, self.wr, self.wwr, self.wwrr]
        for start in range(0, w.shape[0], CHUNK):
            wc, rc = w[start : start + CHUNK], r[start : start + CHUNK]
            wr = wc * rc
            carry = totals(carry, (wc, wc * wc, wr, wc * wr, wr * wr))
        sums = dict(zip(_MOMENTS, carry, strict=True))
        return WeightSums(n=self.n + w.shape[0], w_max=max(self.w_max, float(w.max())), **sums)

    def merged(self, other: WeightSums) -> WeightSums:
        """The state of both sets of rows together."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in _MOMENTS}
        return WeightSums(n=self.n + other.n, w_max=max(self.w_max, other.w_max), **sums)

    def to_state(self) -> dict[str, float]:
        """Plain numbers that survive JSON exactly."""
        return {"n": self.n, **{name: getattr(self, name) for name in (*_MOMENTS, "w_max")}}

    @classmethod
    def from_state(cls, state: Mapping[str, float]) -> WeightSums:
        """The inverse of :meth:`to_state`."""
        sums = {name: float(state[name]) for name in (*_MOMENTS, "w_max")}
        return cls(n=int(state["n"]), **sums)


@dataclass(frozen=True, kw_only=True)
class CrossSums:
    """Sums of products of two policies' weights on the same rows, for differences of SNIPS values.

    Attributes:
        ww: Σw₁w₂.
        wwr: Σw₁w₂r.
        wwrr: Σw₁w₂r².
    """

    ww: float = 0.0
    wwr: float = 0.0
    wwrr: float = 0.0

    def added(self, w1: Floats, w2: Floats, r: Floats) -> CrossSums:
        """The state after more rows, which the caller has already checked; shape (n,) each."""
        carry = [self.ww, self.wwr, self.wwrr]
        for start in range(0, w1.shape[0], CHUNK):
            rows = slice(start, start + CHUNK)
            ww = w1[rows] * w2[rows]
            wwr = ww * r[rows]
            carry = totals(carry, (ww, wwr, wwr * r[rows]))
        return CrossSums(ww=carry[0], wwr=carry[1], wwrr=carry[2])

    def merged(self, other: CrossSums) -> CrossSums:
        """The state of both sets of rows together."""
        return CrossSums(
            ww=self.ww + other.ww, wwr=self.wwr + other.wwr, wwrr=self.wwrr + other.wwrr
        )

    def to_state(self) -> dict[str, float]:
        """Plain numbers that survive JSON exactly."""
        return {"ww": self.ww, "wwr": self.wwr, "wwrr": self.wwrr}

    @classmethod
    def from_state(cls, state: Mapping[str, float]) -> CrossSums:
        """The inverse of :meth:`to_state`."""
        return cls(ww=float(state["ww"]), wwr=float(state["wwr"]), wwrr=float(state["wwrr"]))
