"""Which decision an outcome that names a request key belongs to."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from bandit_platform.domain.event import CLOCK_TOLERANCE
from bandit_platform.domain.request_event import (
    Candidate,
    RequestEvent,
    RequestEventState,
    find_decision,
)
from tests.conftest import NOW

STATES = RequestEventState


def event(*, trusted: bool, unit: str | None = None) -> RequestEvent:
    return RequestEvent("e", "r", unit, "id", "accept", None, None, NOW, NOW, trusted)


def made(decision_id: str, **changed: Any) -> Candidate:
    fields: dict[str, Any] = {
        "decision_id": decision_id,
        "request": "r",
        "unit": "ann",
        "trusted": False,
        "decided_at": NOW - timedelta(minutes=1),
        "shown": True,
    }
    return Candidate(**{**fields, **changed})


SERVER = made("server", trusted=True)
ANN, BOB = made("ann"), made("bob", unit="bob")
HIDDEN = {"shown": False}


@pytest.mark.parametrize(
    ("report", "candidates", "expected"),
    [
        (event(trusted=True), [SERVER, ANN, BOB], "server"),
        (event(trusted=True, unit="bob"), [SERVER, ANN, BOB], "server"),
        (event(trusted=True), [ANN], "ann"),
        (event(trusted=True), [ANN, BOB], STATES.AMBIGUOUS),
        (event(trusted=True, unit="bob"), [ANN, BOB], "bob"),
        (event(trusted=True, unit="eve"), [ANN, BOB], STATES.NOT_SHOWN),
        (event(trusted=True), [made("server", trusted=True, **HIDDEN), ANN], "ann"),
        (event(trusted=True), [made("ann", **HIDDEN), BOB], "bob"),
        (event(trusted=True), [made("ann", **HIDDEN)], STATES.NOT_SHOWN),
        (event(trusted=True), [], STATES.UNKNOWN),
        (event(trusted=False, unit="ann"), [SERVER, ANN, BOB], "ann"),
        (event(trusted=False, unit="ann"), [SERVER], STATES.NOT_SHOWN),
        (event(trusted=False), [ANN], STATES.NOT_SHOWN),
        (event(trusted=False, unit="ann"), [made("ann", **HIDDEN), BOB], STATES.NOT_SHOWN),
    ],
)
def test_a_servers_decision_comes_first_then_the_only_one_shown(
    report: RequestEvent, candidates: list[Candidate], expected: str
) -> None:
    for order in itertools.permutations(candidates):
        decision_id, state = find_decision(report, order)
        assert (decision_id or state) == expected
        assert (decision_id is None) == (state is not STATES.FOUND)


def test_no_decision_made_after_the_outcome_is_meant() -> None:
    before = made("before", decided_at=NOW + CLOCK_TOLERANCE)
    after = made("after", unit="bob", decided_at=NOW + CLOCK_TOLERANCE + timedelta(microseconds=1))
    assert find_decision(event(trusted=True), [before, after])[0] == "before"
    assert find_decision(event(trusted=True), [after]) == (None, STATES.UNKNOWN)
    late = made("server", trusted=True, decided_at=NOW + timedelta(days=1))
    assert find_decision(event(trusted=True), [late, ANN])[0] == "ann"
