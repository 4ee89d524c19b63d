"""A shop's request for a decision, and the answer to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bandit_platform.domain.caller import INTERNAL, Caller
from bandit_platform.domain.decision import Decision
from bandit_platform.domain.record import record
from bandit_platform.domain.request_arms import SentArms


@record
class Query:
    """A shop's request for a decision."""

    unit_id: str
    context: Mapping[str, Any]
    request_key: str | None
    eligible_arms: tuple[str, ...] | None
    excluded_arms: tuple[str, ...]
    defer_activation: bool
    caller: Caller = INTERNAL
    #: undeclared fields that were taken out of the context
    dropped_fields: int = 0
    #: arms that the request brought; None where it brought none
    arms: SentArms | None = None
    #: one purchase, and one page view, as the shop names them
    session_id: str | None = None
    page_id: str | None = None
    #: what the shop's own system would have shown
    baseline_arms: tuple[str, ...] = ()


@record
class Answer:
    """The answer to the shop."""

    decision: Decision
    offer: Mapping[str, Any] | None
    #: False when a repeated request key got the stored decision
    new: bool
