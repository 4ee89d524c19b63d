"""What an experiment has shown so far: one verdict and one sentence that says it."""

from __future__ import annotations

from enum import StrEnum

from bandit_platform.domain.lifecycle import State
from bandit_platform.services.reporting.report_records import EstimateRow
from bandit_platform.services.reporting.rounding import bounds_text, interval_decimals, rounded


class Verdict(StrEnum):
    """What is known about showing offers; the value is how it is said."""

    DRAFT = "Not started"
    NO_DATA = "No data yet"
    COLLECTING = "Collecting data"
    BETTER = "Better than nothing"
    WORSE = "Worse than nothing"
    UNCLEAR = "Not clear yet"
    TOO_FEW = "Too few data"
    LEFT_OPEN = "Not clear"


#: states after which no decision is added
_ENDED = frozenset({State.STOPPED, State.ARCHIVED})


def verdict(uplift: EstimateRow, state: str, decisions: int, interactions: int) -> Verdict:
    """What the uplift over nothing says at its confidence level."""
    if state == State.DRAFT:
        return Verdict.DRAFT
    if decisions == 0:
        return Verdict.NO_DATA
    ended = state in _ENDED
    if interactions == 0:
        return Verdict.COLLECTING
    if uplift.collecting or uplift.value is None:
        return Verdict.TOO_FEW if ended else Verdict.COLLECTING
    if uplift.lower > 0 or uplift.upper < 0:
        return Verdict.BETTER if uplift.lower > 0 else Verdict.WORSE
    return Verdict.LEFT_OPEN if ended else Verdict.UNCLEAR


def finding(
    uplift: EstimateRow, programme: EstimateRow, state: str, decisions: int, interactions: int
) -> str:
    """What is known, as a sentence a product manager can repeat.

    Args:
        uplift: the logging policy's uplift over always showing nothing, per decision.
        programme: the randomised uplift of policy units over holdout units, per unit.
        state: where the experiment stands.
        decisions: how many were asked for.
        interactions: how many of the policy traffic have matured.
    """
    said = verdict(uplift, state, decisions, interactions)
    if said is Verdict.DRAFT:
        return "Not started: no shopper gets an offer from this experiment yet."
    if said is Verdict.NO_DATA:
        return "No data yet: nobody has asked for a decision."
    if said in {Verdict.COLLECTING, Verdict.TOO_FEW}:
        return _collecting(said, programme, decisions, interactions)
    return _uplift(said, uplift) + _contradiction(said, programme)


def _collecting(said: Verdict, programme: EstimateRow, decisions: int, interactions: int) -> str:
    if interactions == 0:
        count = "1 decision" if decisions == 1 else f"{decisions:,} decisions"
        return f"Collecting data: {count} so far, and no reward window has ended yet."
    count = "1 interaction" if interactions == 1 else f"{interactions:,} interactions"
    sentence = (
        f"{said}: {count} so far, too few to say what showing offers brings."
        if said is Verdict.COLLECTING
        else f"{said}: {count} cannot say what showing offers brings, and no decision is added."
    )
    if programme.collecting or programme.value is None:
        return sentence
    return f"{sentence} Against the holdout: {_programme(programme)}."


def _uplift(said: Verdict, uplift: EstimateRow) -> str:
    decimals = interval_decimals(uplift.lower, uplift.upper)
    value = uplift.value or 0.0
    bounds = f"({bounds_text(uplift.lower, uplift.upper)}, {validity(uplift.interval)})"
    if said is Verdict.BETTER:
        change = rounded(value, decimals, sign=True)
        return f"Showing offers brought {change} reward per decision over showing nothing {bounds}."
    if said is Verdict.WORSE:
        loss = rounded(value, decimals, sign=True)
        return (
            f"Showing nothing would have been better: offers changed reward by {loss} "
            f"per decision {bounds}."
        )
    change = rounded(value, decimals, sign=True)
    return (
        f"{said}: showing offers changed reward by {change} per decision "
        f"over showing nothing {bounds}."
    )


def _contradiction(said: Verdict, programme: EstimateRow) -> str:
    if programme.collecting or programme.value is None:
        return ""
    opposed = programme.upper < 0 if said is Verdict.BETTER else programme.lower > 0
    if said in {Verdict.UNCLEAR, Verdict.LEFT_OPEN} or not opposed:
        return ""
    return f" The holdout says the opposite: {_programme(programme)}; check the data first."


def _programme(programme: EstimateRow) -> str:
    change = rounded(
        programme.value or 0.0, interval_decimals(programme.lower, programme.upper), sign=True
    )
    bounds = bounds_text(programme.lower, programme.upper)
    return f"{change} reward per unit ({bounds}, {validity(programme.interval)})"


def validity(interval: str) -> str:
    """When an interval may be trusted, by its method, in words."""
    if interval == "confidence-sequence":
        return "valid at every look"
    if interval == "asymptotic-cs":
        return "valid at every look once the sample is large"
    return "valid at one look only"
