"""Asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas 2021)."""

from __future__ import annotations

import math

from bandit_platform.ope.sequences.stream import Stream

INTERVAL = "asymptotic-cs"
LEAST_ROWS = 2000
"""Rows in the stream before bounds are shown: from row 100 on, 36 % of runs failed at 5 %."""
LARGEST_SHARE = 0.01
"""No row may hold more than this share of Σ(Z - Ẑ)²: some hundred rows must carry it."""


def asymptotic_reach(t: float, *, alpha: float, best_at: float) -> float:
    """Half width for a standard deviation of 1.

    √(2(t rho² + 1)/(t² rho²) · ln(√(t rho² + 1)/alpha)), which is least at t* for rho² = x/t*
    where x solves x = -2 ln alpha + ln(1 + x): 8.212 at alpha = 0.05.

    Args:
        t: rows or units so far, > 0.
        alpha: two-sided error, in (0, 1).
        best_at: t* at which the width should be least, > 0.
    """
    x = target = -2.0 * math.log(alpha)
    for _ in range(60):
        x = target + math.log1p(x)
    rho2 = x / best_at
    growth = t * rho2 + 1.0
    return math.sqrt(2.0 * growth / (t * t * rho2) * math.log(math.sqrt(growth) / alpha))


def burnt_in(stream: Stream) -> bool:
    """Enough rows, none of which dominates: rewarded rows and heavy weights both count here."""
    return stream.n >= LEAST_ROWS and stream.peak <= LARGEST_SHARE * stream.v


def asymptotic_bounds(stream: Stream, *, alpha: float, horizon: float) -> tuple[float, float]:
    """Mean(Z) plus or minus the standard deviation times the reach, on the scale of Z.

    Estimand: the running average of E[Z | past]. Narrower than the empirical-Bernstein bounds and
    free of the range and the weight bound, but valid only in the limit: show it labelled, and
    only when :func:`burnt_in`.

    Args:
        stream: at least one row.
        alpha: two-sided error.
        horizon: rows at which the bounds should be tightest.
    """
    mean = stream.z / stream.n
    reach = asymptotic_reach(stream.n, alpha=alpha, best_at=horizon)
    reach *= math.sqrt(stream.v / stream.n)
    return mean - reach, mean + reach
