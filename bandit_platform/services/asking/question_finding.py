"""What an evaluation found, as a sentence."""

from __future__ import annotations

from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.evaluating.report import EvaluationReport, PolicyReport
from bandit_platform.services.reporting.finding import validity
from bandit_platform.services.reporting.rounding import bounds_text, interval_decimals, rounded

_WORDS = {
    "logging": "what was served",
    "uniform": "every arm equally likely",
    "serving": "the learned policy",
    "always-something": "always showing an offer",
    "always:nothing": "always showing nothing",
}


def policy_name(policy: str) -> str:
    """A policy in words, to stand inside a sentence."""
    kind, _, name = policy.partition(":")
    if policy in _WORDS:
        return _WORDS[policy]
    if kind == "always":
        return f"always showing {name}"
    if kind == "version":
        return f"model version {name}"
    return f"a policy learned from scratch ({name})" if kind == "learn" else policy


def question_finding(report: EvaluationReport) -> str:
    """The finding about the policies that were compared with the baseline."""
    others = [one for one in report.policies if one.policy != report.baseline]
    usable = [one for one in others if _is_usable(one)]
    if not others:
        return f"Only {policy_name(report.baseline)} was valued; there is nothing to compare."
    if not usable:
        why = next((reason for one in others for reason in one.diagnostics.why), "")
        return f"The data cannot answer this{': ' + why if why else ''}."
    best = max(usable, key=lambda one: one.uplift.estimate.value or 0.0)
    better = [one for one in usable if one.uplift.estimate.lower > 0]
    worse = [one for one in usable if one.uplift.estimate.upper < 0]
    if better:
        return _better(max(better, key=_value), report, len(better), len(others))
    if len(worse) == len(others):
        return (
            f"No policy asked about beats {policy_name(report.baseline)}: the closest is "
            f"{policy_name(best.policy)} with {_change(best.uplift.estimate)}."
        )
    return (
        f"Not clear yet: compared with {policy_name(report.baseline)}, "
        f"{policy_name(best.policy)} looks best with {_change(best.uplift.estimate)}."
    )


def _is_usable(one: PolicyReport) -> bool:
    estimate = one.uplift.estimate
    return (
        one.diagnostics.verdict != "cannot-evaluate"
        and estimate.value is not None
        and not estimate.collecting
    )


def _value(one: PolicyReport) -> float:
    return one.uplift.estimate.value or 0.0


def _better(best: PolicyReport, report: EvaluationReport, better: int, others: int) -> str:
    name = policy_name(best.policy)
    sentence = (
        f"{name[0].upper()}{name[1:]} would have brought {_change(best.uplift.estimate)} over "
        f"{policy_name(report.baseline)}"
    )
    if others > 1:
        sentence += (
            f"; {better} of {others} policies {'is' if better == 1 else 'are'} clearly better"
        )
    return f"{sentence}."


def _change(estimate: Estimate) -> str:
    decimals = interval_decimals(estimate.lower, estimate.upper)
    value = rounded(estimate.value or 0.0, decimals, sign=True)
    bounds = bounds_text(estimate.lower, estimate.upper)
    return f"{value} reward per decision ({bounds}, {validity(estimate.interval)})"
