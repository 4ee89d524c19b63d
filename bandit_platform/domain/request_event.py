"""An outcome reported for a request key, and how its decision is found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from bandit_platform.domain.event import CLOCK_TOLERANCE, Event


class RequestEvent(NamedTuple):
    """One reported outcome that names its decision by experiment and request key."""

    experiment: str
    #: hash of the request key
    request: str
    #: pseudonym of the unit, where the report names one
    unit: str | None
    event_id: str
    type: str
    amount: float | None
    currency: str | None
    occurred_at: datetime
    received_at: datetime
    #: sent by a server with a secret key, not by a browser
    trusted: bool

    def of(self, decision_id: str) -> Event:
        """The same outcome of a known decision."""
        return Event(decision_id, *self[3:])


class RequestEventState(StrEnum):
    """How far the decision of an outcome has been found."""

    #: decisions made before the outcome may still be on their way into the database
    WAITING = "waiting"
    FOUND = "found"
    #: no decision before the outcome has the request key
    UNKNOWN = "unknown"
    #: there are decisions, and none of them was shown
    NOT_SHOWN = "not_shown"
    #: several decisions were shown, and none of them is a server's
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A decision made under a request key."""

    decision_id: str
    request: str
    unit: str
    trusted: bool
    decided_at: datetime
    #: answered to the shopper, and activated if it was deferred
    shown: bool


def find_decision(
    event: RequestEvent, candidates: Iterable[Candidate]
) -> tuple[str | None, RequestEventState]:
    """The decision that an outcome belongs to, and why there is none.

    A server's report belongs to the decision that a server asked for, else to the only one that a
    page showed (to that unit, if the report names one). A page's report belongs to the decision
    that a page showed to that unit. An outcome never belongs to a decision made after it.

    Args:
        event: the outcome.
        candidates: all decisions under its request key.
    """
    latest = event.occurred_at + CLOCK_TOLERANCE
    causes = [each for each in candidates if each.decided_at <= latest]
    shown = [each for each in causes if each.shown]
    servers = [each for each in shown if each.trusted] if event.trusted else []
    pages = [
        each for each in shown if not each.trusted and event.unit in _names(each, event.trusted)
    ]
    chosen = servers or pages
    if len(chosen) == 1:
        return chosen[0].decision_id, RequestEventState.FOUND
    if chosen:
        return None, RequestEventState.AMBIGUOUS
    return None, RequestEventState.NOT_SHOWN if causes else RequestEventState.UNKNOWN


def _names(candidate: Candidate, trusted: bool) -> tuple[str | None, ...]:
    """What a report may say of the unit; a page must name it."""
    return (candidate.unit, None) if trusted else (candidate.unit,)
