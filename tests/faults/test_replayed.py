"""The same records again, 30 % of them twice and in another order: the same tables and report."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bandit_platform.domain.event import Event
from bandit_platform.journal.header import header_line
from bandit_platform.journal.records import parse_line
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.storage.database import Database

KEY = "checkout-offers"
SEGMENT = 40
TABLES = (
    "decision",
    "event",
    "interaction",
    "policy_state",
    "model_state",
    "unit_total",
    "counter",
    "timeline",
    "immature",
    "quality",
    "metric_state",
    "metric_day",
    "exclusion",
    "rollup",
    "skipped",
)


def journal_lines(folder: Path) -> list[bytes]:
    """The records of every segment, without the headers."""
    found = []
    for path in folder.glob("*.jsonl"):
        header, *lines = path.read_bytes().splitlines(True)
        assert header == header_line()
        found += lines
    return found


def replay(world: Any, lines: Iterable[bytes]) -> None:
    """Ingest lines as they come, some at a time, while reward windows are open; then settle."""
    lines = list(lines)
    world.folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(lines), SEGMENT):
        path = world.folder / f"{start:06d}.jsonl"
        path.write_bytes(header_line() + b"".join(lines[start : start + SEGMENT]))
        world.ingest()
    world.settle()
    world.learn()


def content(world: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the tables that records lead to."""
    return {
        name: sorted((tuple(row) for row in world.rows(f"SELECT * FROM {name}")), key=repr)  # noqa: S608 - our own names
        for name in TABLES
    }


def report(world: Any) -> dict[str, Any]:
    found = asdict(experiment_report(world.database, KEY, world.clock()))
    return {name: value for name, value in found.items() if "blob" not in name}


def test_duplicates_in_any_order_change_nothing(
    lite: Any, make_world: Callable[..., Any], tmp_path: Path, spec: Any
) -> None:
    lite.launch(spec)
    lite.traffic(150)
    now = lite.clock.now
    lines = journal_lines(lite.folder)
    for path in lite.folder.glob("*.jsonl"):
        path.unlink()
    chance = random.Random(7)
    again = lines + [line for line in lines if chance.random() < 0.3]
    chance.shuffle(again)
    assert any(isinstance(parse_line(line), Event) for line in again)
    results = []
    for number, order in enumerate((lines, again)):
        lite.clock.now = now
        path = tmp_path / f"replay-{number}.sqlite3"
        database = Database(f"sqlite:///{path}")
        database.migrate()
        world = make_world(database, lite.clock, f"replay-{number}")
        lite.clock.now = now.replace(hour=9)
        world.launch(spec)
        lite.clock.now = now
        replay(world, order)
        results.append((content(world), report(world)))
    (first, first_report), (second, second_report) = results
    for name in TABLES:
        assert first[name] == second[name], name
    assert first_report == second_report
    assert len(first["interaction"]) == 150
