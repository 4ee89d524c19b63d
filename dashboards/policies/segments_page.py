"""Everything the page of segments prints, ready for its template."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bandit_platform.services.evaluation.csv_cells import csv_text
from bandit_platform.services.learning.tracked import LOGGING, SERVING
from bandit_platform.services.reporting.comparison_records import SegmentField, SegmentRow
from bandit_platform.services.reporting.report_records import ExperimentReport
from dashboards.overview.page_head import PageHead, page_head
from dashboards.policies.findings import segments_finding
from dashboards.policies.page import Choice
from dashboards.policies.segment_lines import Forest, forest
from dashboards.policies.words import ALWAYS_NOTHING, policy_inline, policy_words

_COLUMNS = (
    "experiment",
    "field",
    "segment",
    "kind",
    "policy",
    "interactions",
    "uplift",
    "lower_corrected",
    "upper_corrected",
    "lower_95",
    "upper_95",
    "looks",
    "ess",
    "ess_nothing",
    "verdict",
    "why",
)


@dataclass(frozen=True, kw_only=True)
class SegmentsPage:
    """The segments of one field, for one policy."""

    head: PageHead
    #: what is known, as a sentence; empty where there is no segment
    finding: str
    #: None where the experiment declares no context field
    field: SegmentField | None
    fields: tuple[Choice, ...]
    policies: tuple[Choice, ...]
    policy: str
    policy_words: str
    forest: Forest
    #: level of each interval, so that all hold together
    level: str
    #: what the address asked for and there is not; empty for nothing
    missing: str


def segments_page(report: ExperimentReport, by: str | None, policy: str | None) -> SegmentsPage:
    """The page of an experiment's segments.

    Args:
        report: a whole one.
        by: the field; None for the first one.
        policy: whose uplift over nothing; None for the learned one, or else what was served.
    """
    by_name = {each.field: each for each in report.segments}
    field = by_name.get(by or "") or next(iter(report.segments), None)
    kinds = {row.name: row.kind for row in report.policies if row.name != ALWAYS_NOTHING}
    followed = {row.policy for each in report.segments for row in each.rows}
    names = [name for name in kinds if name in followed]
    chosen = policy if policy in names else _default(names)
    rows = tuple(row for row in field.rows if row.policy == chosen) if field else ()
    plot = forest(rows)
    inline = policy_inline(chosen, kinds.get(chosen, "fixed"))
    return SegmentsPage(
        head=page_head(report),
        finding=segments_finding(field.field, plot, inline) if field else "",
        field=field,
        fields=tuple(
            Choice(value=each.field, label=each.field, chosen=each is field)
            for each in report.segments
        ),
        policies=tuple(
            Choice(value=name, label=policy_words(name, kinds[name]), chosen=name == chosen)
            for name in names
        ),
        policy=chosen,
        policy_words=policy_words(chosen, kinds.get(chosen, "fixed")),
        forest=plot,
        missing=_missing(by, by_name, "field") or _missing(policy, names, "policy"),
        level=f"{100 * (1 - 0.05 / max(report.segment_looks, 1)):.2f}",
    )


def _missing(asked: str | None, known: Collection[str], what: str) -> str:
    return f"There is no {what} {asked} here." if asked and asked not in known else ""


def _default(names: list[str]) -> str:
    return SERVING if SERVING in names else LOGGING


def segments_csv(report: ExperimentReport, page: SegmentsPage) -> str:
    """The table behind the forest plot; no cell can become a formula."""
    field = page.field.field if page.field else ""
    return csv_text(_COLUMNS, [_cells(report, field, line.row) for line in page.forest.lines])


def _cells(report: ExperimentReport, field: str, row: SegmentRow) -> tuple[str | float | None, ...]:
    return (
        *(report.experiment, field, row.segment, row.kind, row.policy, row.n),
        *(row.corrected.value, row.corrected.lower, row.corrected.upper),
        *(row.uplift.lower, row.uplift.upper, report.segment_looks),
        *(row.ess, row.nothing_ess, row.verdict, "; ".join(row.why)),
    )
