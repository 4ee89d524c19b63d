"""Pages of decisions: nothing missed, nothing twice, along an index."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from bandit_platform.domain.decision import Decision, Reason
from bandit_platform.storage import decision_search
from bandit_platform.storage.database import Database
from bandit_platform.storage.decision_search import Place, Search, search_decisions
from bandit_platform.storage.decisions import insert_decisions
from tests.conftest import NOW

KEY = "checkout-offers"


def stored(database: Database, decisions: list[Decision]) -> None:
    with database.write() as connection:
        insert_decisions(connection, decisions)


def walked(database: Database, search: Search, limit: int) -> list[Decision]:
    found: list[Decision] = []
    after: Place | None = None
    while True:
        with database.read() as connection:
            page = search_decisions(connection, search, after=after, limit=limit)
        assert len(page.decisions) <= limit
        found += page.decisions
        after = page.after
        if after is None:
            return found


def test_pages_give_every_decision_once_newest_first(
    database: Database, make_decision: Callable[..., Decision]
) -> None:
    made = [make_decision() for _ in range(20)]
    made += [make_decision(decided_at=NOW + timedelta(seconds=7)) for _ in range(9)]  # at once
    stored(database, [*made, make_decision(experiment="another")])
    expected = sorted(made, key=lambda d: (d.decided_at, d.decision_id), reverse=True)
    for limit in (1, 4, 29, 50):
        assert walked(database, Search(experiment=KEY), limit) == expected


@pytest.mark.parametrize("most", [3, 1000])
def test_narrowed_pages_give_what_fits_and_say_when_they_stopped_looking(
    database: Database,
    make_decision: Callable[..., Decision],
    monkeypatch: pytest.MonkeyPatch,
    most: int,
) -> None:
    monkeypatch.setattr(decision_search, "MOST_LOOKED_AT", most)
    made = [
        make_decision(
            unit="a" * 32 if number % 5 == 0 else f"{number:032x}",
            request_key="b" * 32 if number % 4 == 0 else None,
            arm="nothing" if number % 7 == 0 else "insurance",
            reason=Reason.HOLDOUT if number % 7 == 0 else Reason.POLICY,
        )
        for number in range(40)
    ]
    stored(database, [*made, make_decision(experiment="another", unit="a" * 32)])
    for sought, fits in (
        ({"arm": "nothing"}, lambda d: d.arm == "nothing"),
        ({"reason": "holdout"}, lambda d: d.reason is Reason.HOLDOUT),
        ({"unit": "a" * 32}, lambda d: d.unit == "a" * 32),
        ({"request": "b" * 32}, lambda d: d.request_key == "b" * 32),
        (
            {"request": "b" * 32, "unit": "a" * 32},
            lambda d: (d.request_key, d.unit) == ("b" * 32, "a" * 32),
        ),
        ({"unit": "a" * 32, "arm": "nothing"}, lambda d: (d.unit, d.arm) == ("a" * 32, "nothing")),
        ({"arm": "never"}, lambda _: False),
        (
            {"since": NOW + timedelta(seconds=10), "until": NOW + timedelta(seconds=20)},
            lambda d: 10 <= (d.decided_at - NOW).total_seconds() < 20,
        ),
    ):
        expected = [d for d in reversed(made) if fits(d)]
        assert walked(database, Search(experiment=KEY, **sought), 2) == expected
    with database.read() as connection:
        page = search_decisions(
            connection, Search(experiment=KEY, arm="never"), after=None, limit=5
        )
    assert (page.decisions, page.cut) == ((), most == 3)


@pytest.mark.parametrize(
    ("sought", "index"),
    [
        ({}, "decision_by_time"),
        ({"since": NOW, "until": NOW}, "decision_by_time"),
        ({"unit": "a" * 32}, "decision_by_unit"),
        ({"unit": "a" * 32, "since": NOW}, "decision_by_unit"),
        ({"request": "b" * 32}, "decision_by_request"),
        ({"request": "b" * 32, "unit": "a" * 32}, "decision_by_request"),
    ],
)
@pytest.mark.parametrize("after", [None, Place(moment=NOW, decision_id="00")])
def test_pages_are_read_along_an_index_and_never_sorted_whole(
    sqlite_database: Database, sought: dict[str, Any], index: str, after: Place | None
) -> None:
    search = Search(experiment=KEY, **sought)
    statement = decision_search.search_statement(search, after, 51)
    compiled = statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with sqlite_database.read() as connection:
        plan = [row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {compiled}"))]
    assert any(f"SEARCH decision USING INDEX {index}" in step for step in plan)
    assert not [step for step in plan if step.startswith("SCAN")]
    assert not [step for step in plan if "B-TREE FOR ORDER BY" in step]  # only ties may be sorted
