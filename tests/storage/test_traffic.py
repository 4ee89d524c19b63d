"""How many decisions are asked for in a day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bandit_platform.domain.decision import Decision
from bandit_platform.storage import traffic
from bandit_platform.storage.database import Database
from bandit_platform.storage.decisions import insert_decisions
from bandit_platform.storage.traffic import decisions_per_day

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


def per_day(database: Database, made: list[Decision]) -> float:
    with database.write() as connection:
        insert_decisions(connection, made)
    with database.read() as connection:
        return decisions_per_day(connection, made[0].experiment, NOW)


@pytest.mark.parametrize(("number", "expected"), [(9, 9), (10, 10), (11, 240), (20, 240)])
def test_a_day_is_counted_while_it_can_be_and_judged_by_pace_from_there(
    number: int,
    expected: int,
    database: Database,
    make_decision: Callable[..., Decision],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(traffic, "_MOST", 10)
    made = [make_decision(decided_at=NOW - timedelta(minutes=6 * i)) for i in range(1, number + 1)]
    old = make_decision(decided_at=NOW - timedelta(hours=25))
    assert per_day(database, [*made, old]) == pytest.approx(expected)
