"""How far a set of importance weights can be trusted, and what to say about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from bandit_platform.ope.checks.pareto import HIGH_K
from bandit_platform.ope.estimators.sums import WeightSums
from bandit_platform.ope.sequences.stream import Stream

Verdict = Literal["ok", "caution", "cannot-evaluate"]

LEAST_ESS = 10.0
"""Below this effective sample size nothing can be said."""
LOW_ESS = 200.0
"""Below this effective sample size estimates are to be read with caution."""
HIGH_SHARE = 0.05
"""One row holding more than this share of all weight calls for caution."""
LOW_SHARE_OF_ROWS = 0.01
"""An effective sample size below this share of the rows calls for caution."""
HIGH_PEAK = 0.05
"""One row making more than this share of the variance calls for caution."""
MOST_UNSUPPORTED = 0.2
"""Share of rows without the policy's choice above which nothing can be said."""
HIGH_THIN = 0.5
"""Share of choices on arms logged at the floor above which caution is called for …"""
PLENTY_ESS = 1000.0
"""… unless the effective sample size is at least this."""
MEAN_WEIGHT_ERRORS = 5.0
"""A mean weight this many standard errors from 1 contradicts the propensities."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What an evaluation of a whole log knows beyond the sums of the weights.

    Attributes:
        mean_weight_bounds: confidence sequence of the mean weight, which is 1 where all is right.
        pareto_k: shape of the weights' upper tail; None where it has none.
        ess_by_arm: effective sample size of the rows of each arm.
        thin: share of the policy's choices on arms that the log has at or below the floor, or
            not at all.
        fatal: reasons found elsewhere why nothing can be said.
        mild: reasons found elsewhere for caution.
    """

    mean_weight_bounds: tuple[float, float] | None = None
    pareto_k: float | None = None
    ess_by_arm: Mapping[str, float] = field(default_factory=dict)
    thin: float = 0.0
    fatal: tuple[str, ...] = ()
    mild: tuple[str, ...] = ()


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
        evidence: what else is known; empty for a live accumulator.
    """

    n: int
    ess: float
    max_weight: float
    mean_weight: float
    largest_share: float
    unsupported: float
    verdict: Verdict
    why: tuple[str, ...]
    evidence: Evidence = field(default_factory=Evidence)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        made = asdict(self)
        evidence = made.pop("evidence")
        for name in ("mean_weight_bounds", "pareto_k", "ess_by_arm", "thin"):
            made[name] = evidence[name]
        if self.evidence.mean_weight_bounds is not None:
            made["mean_weight_bounds"] = list(self.evidence.mean_weight_bounds)
        return {**made, "why": list(self.why)}


def effective_sample_size(sums: WeightSums) -> float:
    """(Σw)²/Σw² in rows; 0 without weight."""
    return sums.w * sums.w / sums.ww if sums.ww > 0.0 else 0.0


def hangs_on_few_rows(stream: Stream) -> tuple[str, ...]:
    """Caution where one row's pseudo-outcome is a large part of the variance of them all.

    Rare rewards show here, whatever the weights: with ten rewarded rows each carries a tenth.
    """
    if stream.n < 50 or stream.peak <= HIGH_PEAK * stream.v:
        return ()
    return (
        f"one row makes {stream.peak / stream.v:.0%} of the estimate's variance: too few rows of "
        "this policy were rewarded; collect more",
    )


def diagnose(
    sums: WeightSums, *, unsupported: float = 0.0, evidence: Evidence | None = None
) -> WeightDiagnostics:
    """Judge a policy's weights.

    Args:
        sums: the policy's weight sums.
        unsupported: share of rows in which the target's arm was not among the eligible arms.
        evidence: what an evaluation of a whole log knows besides.
    """
    known = evidence or Evidence()
    ess = effective_sample_size(sums)
    share = sums.w_max / sums.w if sums.w > 0.0 else 0.0
    fatal = (*_fatal(sums, ess, unsupported, known), *known.fatal)
    mild = (*_mild(sums, ess, share, unsupported), *_more(known, ess), *known.mild)
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
        evidence=known,
    )


def _fatal(sums: WeightSums, ess: float, unsupported: float, known: Evidence) -> tuple[str, ...]:
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
    if unsupported > MOST_UNSUPPORTED:
        reasons.append(
            f"in {unsupported:.0%} of the rows the policy's choice was not among the eligible "
            "arms; restrict the log to rows where it was"
        )
    if _contradicts(sums, ess, unsupported, known):
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
    if 0.0 < unsupported <= MOST_UNSUPPORTED:
        reasons.append(
            f"in {unsupported:.1%} of the rows the policy's choice was not eligible; they count "
            "as reward at the low end of the range"
        )
    return tuple(reasons)


def _more(known: Evidence, ess: float) -> tuple[str, ...]:
    reasons = []
    if known.pareto_k is not None and known.pareto_k > HIGH_K:
        reasons.append(
            f"the weights have a heavy tail (Pareto k {known.pareto_k:.2f}, above {HIGH_K}): rare "
            "rows yet to come can move the estimate; raise the exploration floor"
        )
    if known.thin > HIGH_THIN and ess < PLENTY_ESS:
        reasons.append(
            f"{known.thin:.0%} of the policy's choices are arms that the log has only at the floor "
            "or not at all: log more of those arms"
        )
    return tuple(reasons)


def _contradicts(sums: WeightSums, ess: float, unsupported: float, known: Evidence) -> bool:
    """The mean weight cannot be 1: by its confidence sequence, else by five standard errors."""
    if known.mean_weight_bounds is not None:
        low, high = known.mean_weight_bounds
        return not low <= 1.0 <= high
    if sums.n < 100 or ess < LEAST_ESS or unsupported > 0.0:
        return False
    mean = sums.w / sums.n
    spread = math.sqrt(max(sums.ww / sums.n - mean * mean, 0.0) / sums.n)
    return abs(mean - 1.0) > MEAN_WEIGHT_ERRORS * spread + 1e-6
