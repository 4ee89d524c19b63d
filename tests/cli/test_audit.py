"""``bandit-platform audit``: exit 0 where everything follows from what is stored, 1 where not."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.bootstrap import build, build_serving, build_worker
from bandit_platform.domain.lifecycle import Action
from bandit_platform.services.serving.query import Query
from bandit_platform.settings import Settings
from tests.support.databases import place_database

KEY = "checkout-offers"


@pytest.fixture
def database(tmp_path: Path, spec: Any, clock: Any) -> Path:
    """Ten stored decisions."""
    settings = Settings(data_dir=place_database(tmp_path / "data"), refresh_seconds=3600)
    platform = build(settings, clock)
    platform.apply_experiment(spec)
    platform.change_state(KEY, Action.START)
    serving = build_serving(settings, clock)
    for number in range(10):
        query = Query(
            unit_id=f"unit-{number}",
            context={"country": "GB"},
            request_key=None,
            eligible_arms=None,
            excluded_arms=(),
            defer_activation=False,
        )
        serving.decider.decide(KEY, query)
    serving.journal.close()
    serving.registry.close()
    serving.upkeep.close()
    build_worker(settings, clock).round()
    platform.database.close()
    return settings.data_dir / "bandit-platform.sqlite3"


def test_all_is_well(run: Any, database: Path) -> None:
    ran = run("audit", KEY)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("10 decisions checked, ")
    assert ran.out.endswith("; 0 differ.\n")
    found = json.loads(run("audit", KEY, "--format", "json").out)
    assert (found["checked"], found["mismatches"]) == (10, [])
    later = run("audit", KEY, "--since", "2099-01-01")
    assert (later.status, later.out[:11]) == (0, "0 decisions")


def test_one_changed_row_is_named_and_fails(run: Any, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        (victim,) = connection.execute(
            "SELECT decision_id FROM decision WHERE reason = 'uniform' LIMIT 1"
        ).fetchone()
        connection.execute(
            "UPDATE decision SET propensity = propensity / 2 WHERE decision_id = ?", (victim,)
        )
        connection.commit()
    ran = run("audit", KEY)
    assert ran.status == 1
    assert "; 1 differ." in ran.out
    assert f"  {victim}: " in ran.out
    found = run("audit", KEY, "--format", "json")
    assert found.status == 1
    assert [each["decision_id"] for each in json.loads(found.out)["mismatches"]] == [victim]


def test_an_unknown_experiment_is_a_slip(run: Any, database: Path) -> None:
    assert run("audit", "another").status == 2
