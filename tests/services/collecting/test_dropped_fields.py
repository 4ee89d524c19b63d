"""Undeclared fields of requests: counted as decisions arrive, and nothing else is kept of them."""

from __future__ import annotations

from typing import Any

from bandit_platform.domain.request_rules import RequestRules
from bandit_platform.services.reporting.report import experiment_report

CANARY = "canary-7f3a"


def test_decisions_are_counted_once_by_how_many_fields_they_lost(world: Any, spec: Any) -> None:
    world.launch(spec.model_copy(update={"request": RequestRules(unknown="drop")}))
    for fields in (0, 1, 2, 2):
        more = {f"{CANARY}-{number}": CANARY for number in range(fields)}
        world.decide(context={"cart_value": 80.0, **more})
    world.ingest()
    for again in range(2):
        counted = {
            row.name: row.value
            for row in world.rows("SELECT name, value FROM counter")
            if "dropped" in row.name
        }
        assert counted == {"dropped_fields": 3, "dropped_fields.1": 1, "dropped_fields.2": 2}
        if not again:
            world.run("DELETE FROM journal_position")  # the same journal is read again
            world.ingest()
    for table in ("decision", "counter", "exclusion"):
        assert CANARY not in repr(world.rows(f"SELECT * FROM {table}"))  # noqa: S608 - our names
    counts = experiment_report(world.database, spec.key, world.clock()).counts
    assert counts.with_dropped_fields == 3
    assert counts.dropped_fields == {"1": 1, "2": 2}
