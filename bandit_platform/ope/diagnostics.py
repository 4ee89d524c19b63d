"""How far a set of importance weights can be trusted, and what to say about it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bandit_platform.ope.sums import WeightSums

Verdict = Literal["ok", "caution", "cannot-evaluate"]

LEAST_ESS = 10.0
"""Below this effective sample size nothing can be said."""
LOW_ESS = 200.0
"""Below this effective sample size estimates are to be read with caution."""
HIGH_SHARE = 0.05
"""One row holding more than this share of all weight calls for caution."""
LOW_SHARE_OF_ROWS = 0.01
"""An effective sample size below this share of the rows calls for caution."""
MEAN_WEIGHT_ERRORS = 5.0
"""A mean weight this many standard errors from 1 contradicts the propensities."""


@dataclass(frozen=True, kw_only=True)
class WeightDiagnostics:
    """Facts about one policy's weights and the verdict drawn from them.

    Attributes:
        n: rows.
        ess: effective sample size (Σw)²/Σw², in rows.
        max_weight: largest weight seen.
        mean_weight: Σw/n, which is 1 on average where propensities and support are right.
        largest_share: largest weight ÷ Σw.
        unsupported: share of rows in which the target policy's choice could not be logged.
        verdict: ok, caution or cannot-evaluate.
        why: plain reasons for a verdict other than ok, each with what to do.
    """

    n: int
    ess: float
    max_weight: float
    mean_weight: float
    largest_share: float
    unsupported: float
    verdict: Verdict
    why: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        return {**asdict(self), "why": list(self.why)}


def effective_sample_size(sums: WeightSums) -> float:
    """(Σw)²/Σw² in rows; 0 without weight."""
    return sums.w * sums.w / sums.ww if sums.ww > 0.0 else 0.0


def diagnose(
    sums: WeightSums, *, unsupported: float = 0.0, extra: tuple[str, ...] = ()
) -> WeightDiagnostics:
    """Judge a policy's weights.

    Args:
        sums: the policy's weight sums.
        unsupported: share of rows in which the target's arm was not among the eligible arms.
        extra: further reasons for caution, found elsewhere.
    """
    ess = effective_sample_size(sums)
    share = sums.w_max / sums.w if sums.w > 0.0 else 0.0
    fatal = _fatal(sums, ess, unsupported)
    mild = (*_mild(sums, ess, share, unsupported), *extra)
    verdict: Verdict = "cannot-evaluate" if fatal else "caution" if mild else "ok"
    return WeightDiagnostics(
        n=sums.n,
        ess=ess,
        max_weight=sums.w_max,
        mean_weight=sums.w / sums.n if sums.n else 0.0,
        largest_share=share,
        unsupported=unsupported,
        verdict=verdict,
        why=(*fatal, *mild),
    )


def _fatal(sums: WeightSums, ess: float, unsupported: float) -> tuple[str, ...]:
    if sums.n == 0:
        return ("there are no rows: wait for decisions to mature",)
    if sums.w <= 0.0:
        return (
            "no support: the logging policy never made a choice this policy would make; "
            "log with some probability on its arms first",
        )
    reasons = []
    if ess < LEAST_ESS:
        reasons.append(
            f"the effective sample size is {ess:.1f} rows of {sums.n}, too few for any statement; "
            "collect more rows or value a policy closer to the logging one"
        )
    if unsupported > 0.2:
        reasons.append(
            f"in {unsupported:.0%} of the rows the policy's choice was not among the eligible "
            "arms; restrict the log to rows where it was"
        )
    if sums.n >= 100 and ess >= LEAST_ESS and _mean_off(sums):
        reasons.append(
            f"the mean weight is {sums.w / sums.n:.3f} where 1 is due, far beyond chance: the "
            "propensities are wrong or the log lacks rows; check how propensities were recorded"
        )
    return tuple(reasons)


def _mild(sums: WeightSums, ess: float, share: float, unsupported: float) -> tuple[str, ...]:
    if sums.n == 0 or sums.w <= 0.0:
        return ()
    reasons = []
    if LEAST_ESS <= ess < max(LOW_ESS, LOW_SHARE_OF_ROWS * sums.n):
        reasons.append(
            f"the effective sample size is only {ess:.0f} rows of {sums.n}: collect more rows or "
            "raise the exploration floor"
        )
    if share > HIGH_SHARE:
        reasons.append(
            f"one row carries {share:.0%} of all weight: the estimate hangs on single rows"
        )
    if 0.0 < unsupported <= 0.2:
        reasons.append(
            f"in {unsupported:.1%} of the rows the policy's choice was not eligible; they count "
            "as reward at the low end of the range"
        )
    return tuple(reasons)


def _mean_off(sums: WeightSums) -> bool:
    mean = sums.w / sums.n
    spread = math.sqrt(max(sums.ww / sums.n - mean * mean, 0.0) / sums.n)
    return abs(mean - 1.0) > MEAN_WEIGHT_ERRORS * spread + 1e-6
