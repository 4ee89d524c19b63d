"""The questions a shop asks of the leaderboard, each answered in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.services.learning.tracked import LOGGING
from bandit_platform.services.reporting.baseline import uplifts_over
from bandit_platform.services.reporting.report_records import ExperimentReport, PolicyRow
from dashboards.policies.words import ALWAYS, ALWAYS_NOTHING, SOMETHING
from dashboards.text import COLLECTING, Shown, shown

_QUESTIONS = {
    ALWAYS_NOTHING: "What if nobody had been shown anything?",
    SOMETHING: "What if everybody had been shown an offer, any of them?",
}


@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """A question, and what would have been different from what was served."""

    policy: str
    question: str
    #: better, worse, unclear or collecting: the mark's name
    mark: str
    answer: str
    #: the policy's uplift over what was served
    uplift: Shown | None


def what_ifs(report: ExperimentReport) -> tuple[WhatIf, ...]:
    """Showing nothing to anyone, an offer to everyone, and each arm to everyone it suits."""
    forced = [row for row in report.policies if row.name == SOMETHING or _is_arm(row.name)]
    nothing = [row for row in report.policies if row.name == ALWAYS_NOTHING]
    uplifts = uplifts_over(report, LOGGING)
    made = []
    for row in [*nothing, *sorted(forced, key=lambda one: one.name != SOMETHING)]:
        pair = uplifts.get(row.name)
        printed = shown(pair.uplift, sign=True) if pair else None
        mark, answer = _answer(row, printed)
        made.append(
            WhatIf(
                policy=row.name,
                question=_question(row.name),
                mark=mark,
                answer=answer,
                uplift=printed if mark != "collecting" else None,
            )
        )
    return tuple(made)


def _is_arm(name: str) -> bool:
    return name.startswith(ALWAYS) and name != f"{ALWAYS}{NOTHING}"


def _question(name: str) -> str:
    return _QUESTIONS.get(name) or (
        f"What if everybody who may get it had been shown {name.removeprefix(ALWAYS)}?"
    )


def _answer(row: PolicyRow, printed: Shown | None) -> tuple[str, str]:
    if printed is None or printed.collecting or row.verdict == "cannot-evaluate":
        return "collecting", COLLECTING
    if printed.exact_lower > 0:
        return "better", "better than what was served"
    if printed.exact_upper < 0:
        return "worse", "worse than what was served"
    return "unclear", "not clear yet"
