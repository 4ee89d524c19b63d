"""What is missing on a page, and the one command that mends it."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from datetime import timedelta

from bandit_platform.domain.decision import Reason
from bandit_platform.domain.lifecycle import State
from bandit_platform.services.reporting.report_records import ExperimentReport
from dashboards.text import exact_duration, moment

_ENDED = frozenset({State.STOPPED, State.ARCHIVED})


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """A missing thing, why it matters and what to type."""

    title: str
    text: str
    command: str = ""


def guidance(
    report: ExperimentReport, service_url: str, window: timedelta | None
) -> Guidance | None:
    """What the experiment needs next; None when it has what it needs.

    Args:
        report: the experiment.
        service_url: where decisions are asked for, without a path.
        window: the experiment's reward window, where it is known.
    """
    counts = report.counts
    if report.state == State.DRAFT:
        return _draft(report)
    if counts.decisions == counts.by_reason.get(Reason.DRAFT, 0):
        return _undecided(report, service_url)
    if counts.interactions + counts.holdout_interactions == 0:
        return _immature(report, window)
    if counts.events == 0:
        return _eventless(service_url)
    if report.state == State.PAUSED:
        return _paused(report)
    served = next((row.uplift for row in report.policies if row.kind == "logging"), None)
    return _collecting(report) if served is None or served.collecting else None


def first_experiment() -> Guidance:
    """What to do where there is no experiment at all."""
    return Guidance(
        title="No experiment yet",
        text="An experiment says which offers there are, who may see them and what counts as "
        "reward. Make one here with “New experiment”, or apply a file; either appears as a draft, "
        "and no shopper sees anything before it is started.",
        command="bandit-platform experiment apply experiments/confirmation_page",
    )


def _draft(report: ExperimentReport) -> Guidance:
    return Guidance(
        title="This experiment has not been started",
        text="It is saved as a draft. Until it starts, every request for a decision is answered "
        "with nothing, and nothing is measured. “Checklist and start”, under Setup, says what is "
        "still open and starts it. The command line starts it without asking:",
        command=f"bandit-platform experiment start {shlex.quote(report.experiment)}",
    )


def _undecided(report: ExperimentReport, service_url: str) -> Guidance:
    if report.state == State.PAUSED:
        return _paused(report)
    if report.state != State.RUNNING:
        return Guidance(
            title="There is nothing to show",
            text="The experiment ended before anybody asked for a decision.",
            command=f"bandit-platform experiment show {shlex.quote(report.experiment)}",
        )
    return Guidance(
        title="Running, but no decision has been asked for",
        text="The shop asks for one each time it shows the page. Ask for the first one by hand; "
        "give the context fields that the experiment requires. SHOP_KEY is a key made by "
        "bandit-platform key create --role server --label shop.",
        command=_post(
            f"{service_url}/v1/experiments/{report.experiment}/decisions",
            {"unit_id": "shopper-1", "context": {}},
        ),
    )


def _immature(report: ExperimentReport, window: timedelta | None) -> Guidance:
    waiting = f"{report.counts.immature:,} wait for their reward window to end"
    text = (
        f"Decisions arrive, and {waiting}. A decision counts only when its window is over, "
        "however early its outcome is known; anything else would bias every estimate."
    )
    if window is not None and report.started_at is not None:
        ends = moment(report.started_at + window, report.time_zone)
        text += f" The window is {exact_duration(window)}, so none can mature before {ends}."
    else:
        text += " How long it is stands under window in the experiment's [reward] table."
    return Guidance(
        title="No decision has matured yet",
        text=text,
        command=f"bandit-platform experiment show {shlex.quote(report.experiment)}",
    )


def _eventless(service_url: str) -> Guidance:
    event = {"event_id": "event-1", "decision_id": "DECISION_ID", "type": "accept"}
    return Guidance(
        title="Decisions mature, but no event has arrived",
        text="Without events every reward is the default, so no policy can be told from another. "
        "Report what happened after a decision, with the decision_id that came with it and "
        "the shop's key.",
        command=_post(f"{service_url}/v1/events", {"events": [event]}),
    )


def _collecting(report: ExperimentReport) -> Guidance:
    if report.state in _ENDED:
        return _too_few(report)
    return Guidance(
        title="Collecting data",
        text=f"{report.counts.interactions:,} decisions of the policy traffic have matured. "
        "Estimates stay hidden until they can say something; the band over time begins there. "
        "Nothing needs doing but to let shoppers come. To follow it from the command line:",
        command=f"bandit-platform report {shlex.quote(report.experiment)}",
    )


def _too_few(report: ExperimentReport) -> Guidance:
    return Guidance(
        title="Too few decisions for an estimate",
        text=f"{report.counts.interactions:,} decisions of the policy traffic matured before the "
        "experiment ended, and no more are made. What was counted stands below. To go on, launch "
        "the definition under another key.",
        command=f"bandit-platform experiment show {shlex.quote(report.experiment)}",
    )


def _paused(report: ExperimentReport) -> Guidance:
    return Guidance(
        title="Paused",
        text="Every shopper gets nothing at the moment, and these answers are in no estimate. "
        "Events for earlier decisions still count.",
        command=f"bandit-platform experiment resume {shlex.quote(report.experiment)}",
    )


def _post(url: str, body: object) -> str:
    headers = "-H \"Authorization: Bearer $SHOP_KEY\" -H 'Content-Type: application/json'"
    data = shlex.quote(json.dumps(body))
    return f"curl {shlex.quote(url)} \\\n  {headers} \\\n  -d {data}"
