"""Reading the leaderboard against any of its policies."""

from __future__ import annotations

from dataclasses import replace

from bandit_platform.errors import InputError
from bandit_platform.services.learning.tracked import ALWAYS_NOTHING
from bandit_platform.services.reporting.compare import turned
from bandit_platform.services.reporting.comparison_records import PairRow, SegmentField
from bandit_platform.services.reporting.report_records import ExperimentReport


def check_baseline(report: ExperimentReport, baseline: str) -> None:
    """Refuse a baseline that is not on the leaderboard.

    Raises:
        InputError: there is no such policy; names those there are.
    """
    names = [row.name for row in report.policies]
    if baseline not in names and (names or baseline != ALWAYS_NOTHING):
        known = ", ".join(names) or "none yet"
        raise InputError(f"no policy {baseline!r} on the leaderboard; policies: {known}")


def field_of(report: ExperimentReport, name: str) -> SegmentField:
    """One field's segments.

    Raises:
        InputError: the experiment declares no such field; names those it does.
    """
    for field in report.segments:
        if field.field == name:
            return field
    known = ", ".join(each.field for each in report.segments) or "none"
    raise InputError(f"no field {name!r} under [context]; fields: {known}")


def uplifts_over(report: ExperimentReport, baseline: str) -> dict[str, PairRow]:
    """Policy → its uplift over the baseline, for every policy that is compared with it.

    Each is a sequence of its own on the rows of both, never a difference of two intervals.
    """
    found = {}
    for pair in report.pairwise:
        if pair.baseline == baseline:
            found[pair.policy] = pair
        elif pair.policy == baseline:
            found[pair.baseline] = _turned(pair)
    return found


def _turned(pair: PairRow) -> PairRow:
    """The same sequence read the other way round."""
    return replace(
        pair,
        policy=pair.baseline,
        baseline=pair.policy,
        uplift=turned(pair.uplift),
        corrected=turned(pair.corrected),
    )
