"""The answer to a question as tables: one number a row, so that any program can pick."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.evaluating.report import EvaluationReport, PolicyReport
from dashboards.tables import Table, table_of


def result_table(report: EvaluationReport) -> Table:
    """Values and uplifts of every policy, and of its segments where there are any."""
    return table_of(row for one in report.policies for row in _rows(one))


def over_time_table(report: EvaluationReport) -> Table:
    """Every policy's sequences as the decisions came in."""
    return table_of(
        {
            "policy": one.policy,
            "rows": moment.rows,
            "moment": moment.moment or None,
            "what": what,
            **_numbers(estimate),
        }
        for one in report.policies
        for moment in one.over_time
        for what, estimate in (("value", moment.value), ("uplift", moment.uplift))
    )


def _rows(one: PolicyReport) -> Iterator[dict[str, Any]]:
    whole = {"policy": one.policy, "segment": "", "level": ""}
    facts = _facts(one)
    for name, estimate in one.estimates.items():
        yield {
            **whole,
            "what": "value",
            "over": "",
            "estimator": name,
            **_numbers(estimate),
            **facts,
        }
    uplift = one.uplift
    for name, estimate in (("", uplift.estimate), *uplift.others.items()):
        over = {"what": "uplift", "over": uplift.baseline, "estimator": name}
        yield {**whole, **over, **_numbers(estimate), **facts}
    for part in one.segments:
        place = {"policy": one.policy, "segment": part.column, "level": part.level}
        facts = _facts(part)
        yield {
            **place,
            "what": "value",
            "over": "",
            "estimator": "",
            **_numbers(part.value),
            **facts,
        }
        over = {"what": "uplift", "over": uplift.baseline, "estimator": ""}
        yield {**place, **over, **_numbers(part.uplift), **facts}


def _numbers(estimate: Estimate) -> dict[str, Any]:
    shown = estimate.to_dict()
    return {name: shown[name] for name in ("value", "lower", "upper", "interval", "n")}


def _facts(one: Any) -> dict[str, Any]:
    known = one.diagnostics
    return {
        "ess": known.ess,
        "max_weight": known.max_weight,
        "verdict": known.verdict,
        "why": "; ".join(known.why),
    }
