"""What a report says about segments and about policies over one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bandit_platform.services.reporting.report_records import EstimateRow


@dataclass(frozen=True, kw_only=True)
class SegmentRow:
    """One policy in one segment."""

    #: what the segment is called
    segment: str
    kind: Literal["value", "range", "missing", "other"]
    policy: str
    #: interactions of the segment that the policy was followed in
    n: int
    #: uplift over always showing nothing, with a confidence sequence of its own
    uplift: EstimateRow
    #: the same, for all segments of the experiment to hold together
    corrected: EstimateRow
    #: self-normalised value with its normal interval (valid at one look only)
    snips: EstimateRow
    #: effective sample size of the policy, and of always showing nothing
    ess: float
    nothing_ess: float
    #: ok, caution or cannot-evaluate
    verdict: str
    #: plain reasons for a verdict other than ok, each with what to do
    why: tuple[str, ...]
    #: interactions of the experiment before it was followed here; 0 from the first on
    before: int


@dataclass(frozen=True, kw_only=True)
class SegmentField:
    """One context field, cut into segments."""

    field: str
    #: the experiment names it under ``[report]``
    named: bool
    #: inner edges of its ranges, each belonging to the range above it; empty for values
    edges: tuple[float, ...]
    #: the experiment gives no ranges: the first numbers decide them, and are in no segment
    automatic: bool
    #: numbers still wanted before there are ranges; 0 when there are
    waiting: int
    #: interactions that decided the ranges
    spent: int
    rows: tuple[SegmentRow, ...]


@dataclass(frozen=True, kw_only=True)
class PairRow:
    """A policy's uplift over another one; the other way round its sign and ends turn."""

    policy: str
    baseline: str
    uplift: EstimateRow
    #: the same, for all policies of the leaderboard to hold together
    corrected: EstimateRow
    #: interactions of the experiment before the two were compared; 0 from the first on
    before: int
