"""Everything the pages of questions print, ready for their templates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from bandit_platform.domain.question import QuestionState, StoredQuestion
from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.evaluating.report import EvaluationReport, PolicyReport
from bandit_platform.services.asking.question_finding import policy_name
from bandit_platform.services.asking.questions import pinned_until
from bandit_platform.services.reporting.finding import validity
from bandit_platform.services.reporting.report_records import EstimateRow
from dashboards.charts.embedding import figure_json
from dashboards.questions.chart_tables import ChartTable, chart_tables
from dashboards.questions.figures import question_charts
from dashboards.text import Shown, duration, moment, shown

_STATES = {
    QuestionState.QUEUED: "waiting",
    QuestionState.RUNNING: "running",
    QuestionState.DONE: "answered",
    QuestionState.FAILED: "no answer",
    QuestionState.CANCELLED: "cancelled",
}
_READINGS = {
    "values": "The dot is what the policy would have brought per decision, the line how sure that "
    "is: all lines together hold the truth at the level stated above. Lines that overlap may still "
    "differ; read the uplift for that.",
    "uplifts": "A line wholly to the right of zero is better than the policy compared with, wholly "
    "to the left worse; one across zero is not clear yet.",
    "over-time": "The same uplifts as they stood when fewer decisions were known. They grow calm "
    "with time; a late turn says that something changed, in the shop or in who comes.",
    "weights": "A weight says for how many decisions one stands, because the policy would have "
    "made it so much likelier. Bars far to the right mean that a few shoppers decide the estimate.",
    "segments": "As the uplifts above, for each kind of shopper. With many lines some stand out by "
    "chance; they are corrected for that, so a line wholly on one side of zero may be named.",
}
_VERDICTS = {"ok": "sound", "caution": "with caution", "cannot-evaluate": "cannot be evaluated"}


@dataclass(frozen=True, kw_only=True)
class QuestionLine:
    """One question in the list, and at the top of its page."""

    question_id: str
    experiment: str
    who: str
    policies: str
    period: str
    #: the conditions on the context, in the words of the command; empty for none
    only: str
    state: str
    words: str
    is_open: bool
    #: percent, while it runs
    progress: int
    headline: str
    asked: str
    asked_at: str
    #: how long the answer took, or the question has been waiting
    took: str


@dataclass(frozen=True, kw_only=True)
class Column:
    """An estimator's column."""

    name: str
    #: kind of interval, and when it may be trusted
    interval: str
    validity: str


@dataclass(frozen=True, kw_only=True)
class ValuedPolicy:
    """One policy in the table of the answer."""

    policy: str
    words: str
    is_baseline: bool
    values: tuple[Shown, ...]
    uplift: Shown
    others: tuple[Shown, ...]
    ess: str
    exact_ess: float
    verdict: str
    mark: str
    why: tuple[str, ...]
    segments: tuple[SegmentLine, ...]


@dataclass(frozen=True, kw_only=True)
class SegmentLine:
    """One policy in one segment."""

    name: str
    value: Shown
    uplift: Shown
    ess: str
    verdict: str
    why: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ChartPart:
    """A chart as the template places it."""

    key: str
    title: str
    note: str
    json: Markup
    room: str
    #: the numbers behind it; None where they stand in another table of the page
    table: ChartTable | None
    #: how a product manager reads it
    reading: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer, every number already in words."""

    finding: str
    n: str
    period: str
    as_of: str
    command: str
    baseline: str
    columns: tuple[Column, ...]
    #: estimators of the uplift beside the first
    others: tuple[str, ...]
    uplift_validity: str
    policies: tuple[ValuedPolicy, ...]
    level: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    charts: tuple[ChartPart, ...]


def question_line(asked: StoredQuestion, zone: str, now: datetime) -> QuestionLine:
    """A question as the list shows it.

    Args:
        asked: the question.
        zone: time zone of its experiment.
        now: the present moment.
    """
    question, end = asked.question, asked.finished_at or now
    return QuestionLine(
        question_id=asked.question_id,
        experiment=question.experiment,
        who=asked.asked_by.name,
        policies=", ".join(question.policies),
        period=asked_period(question.since, question.until),
        only=" and ".join(question.where),
        state=asked.state,
        words=_STATES[asked.state],
        is_open=asked.state.is_open,
        progress=progress(asked),
        headline=asked.headline or f"{asked.error[:1].upper()}{asked.error[1:]}",
        asked=moment(asked.created_at, zone),
        asked_at=asked.created_at.isoformat(),
        took=duration(max(end - (asked.started_at or asked.created_at), timedelta())),
    )


def progress(asked: StoredQuestion) -> int:
    """How far the work is, in percent; an answer that is not stored yet is never complete."""
    if asked.state is QuestionState.DONE:
        return 100
    return min(99, int(100 * asked.done / asked.total)) if asked.total else 0


def asked_period(since: str, until: str) -> str:
    """The period as it was asked for."""
    if not since and not until:
        return "all data"
    begin = f"from {since.replace('T', ' ')}" if since else ""
    end = f"to {until.replace('T', ' ')}" if until else ""
    return " ".join(part for part in (begin, end) if part)


def answer(asked: StoredQuestion, report: EvaluationReport, zone: str) -> Answer:
    """The answer of a question as its page prints it."""
    first = report.policies[0]
    known = report.diagnostics
    begin, end = (
        datetime.fromisoformat(known[name]).astimezone(UTC)
        for name in ("decided_from", "decided_until")
    )
    tables = chart_tables(report, zone)
    return Answer(
        finding=asked.headline,
        n=f"{report.n:,}",
        period=f"{moment(begin, zone)} to {moment(end, zone)}",
        as_of=moment(asked.started_at, zone),
        command=asked.question.command(pinned_until(asked.question, zone, known["decided_until"])),
        baseline=report.baseline,
        columns=tuple(
            Column(name=name, interval=one.interval, validity=validity(one.interval))
            for name, one in first.estimates.items()
        ),
        others=tuple(first.uplift.others),
        uplift_validity=validity(_some_uplift(report)),
        policies=tuple(_policy(one, report) for one in report.policies),
        level=f"{100 * (1 - report.alpha):g}",
        facts=_facts(report),
        notes=report.notes,
        charts=tuple(
            ChartPart(
                key=chart.key,
                title=chart.title,
                note=chart.note,
                json=figure_json(chart.figure),
                room=_room(chart.lines),
                table=tables.get(chart.key),
                reading=_READINGS[chart.key],
            )
            for chart in question_charts(report, zone)
        ),
    )


def _some_uplift(report: EvaluationReport) -> str:
    for one in report.policies:
        if one.policy != report.baseline:
            return one.uplift.estimate.interval
    return report.policies[0].uplift.estimate.interval


def _policy(one: PolicyReport, report: EvaluationReport) -> ValuedPolicy:
    known = one.diagnostics
    return ValuedPolicy(
        policy=one.policy,
        words=policy_name(one.policy),
        is_baseline=one.policy == report.baseline,
        values=tuple(_shown(each) for each in one.estimates.values()),
        uplift=_shown(one.uplift.estimate, sign=True),
        others=tuple(_shown(each, sign=True) for each in one.uplift.others.values()),
        ess=f"{known.ess:,.0f}",
        exact_ess=known.ess,
        verdict=_VERDICTS[known.verdict],
        mark={"ok": "better", "caution": "unclear"}.get(known.verdict, "worse"),
        why=known.why,
        segments=tuple(
            SegmentLine(
                name=f"{each.column} = {each.level}",
                value=_shown(each.value),
                uplift=_shown(each.uplift, sign=True),
                ess=f"{each.diagnostics.ess:,.0f}",
                verdict=_VERDICTS[each.diagnostics.verdict],
                why=each.diagnostics.why,
            )
            for each in one.segments
        ),
    )


def _shown(estimate: Estimate, *, sign: bool = False) -> Shown:
    row = EstimateRow(
        value=estimate.value,
        lower=estimate.lower,
        upper=estimate.upper,
        interval=estimate.interval,
        n=estimate.n,
        collecting=estimate.collecting,
    )
    return shown(row, sign=sign)


def _facts(report: EvaluationReport) -> tuple[tuple[str, str], ...]:
    known = report.diagnostics
    drawn = ", ".join(f"{arm} {count:,}" for arm, count in known["arms"].items())
    ratio = "alarm: rows of some arm are missing or doubled; see to the data first"
    wrong = ", ".join(known["miscalibrated_arms"])
    low, high = report.reward_range.low, report.reward_range.high
    return (
        ("Decisions valued", f"{report.n:,}"),
        ("Mean reward as served", f"{known['mean_reward']:.4g}"),
        ("Rewards declared between", f"{low:g} and {high:g}".replace("-", "\N{MINUS SIGN}")),
        ("Error of each interval", f"{report.alpha_per_policy:.4g}"),
        ("Least propensity", f"{known['least_propensity']:.4g}"),
        ("Drawn", drawn),
        ("Arms as often as they should be", ratio if known["sample_ratio"]["alarm"] else "yes"),
        ("Propensities true", f"not those of {wrong}" if wrong else "yes"),
    )


def _room(lines: int) -> str:
    """Name of the height that a chart of so many lines needs."""
    for most in (3, 6, 10, 16):
        if 0 < lines <= most:
            return f"lines-{most}"
    return "lines-24" if lines else ""
