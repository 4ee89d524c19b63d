"""Measure what a deployment needs: bytes a decision, memory a process, rows learned a second.

Everything runs in a temporary folder over SQLite, with the real journal, ingest, worker and
registry; times are processor time, so that other work on the machine does not count.

    python scripts/size_up.py --decisions 20000
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bandit_platform.bootstrap import Platform, Serving, build, build_serving, build_worker
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.services.serving.decide import Query
from bandit_platform.services.working.work import Worker
from bandit_platform.settings import Settings
from bandit_platform.web.bodies import EventItem

EXPERIMENTS = (1, 100, 1000)
WARM_UP = 500
MEGABYTE = 1_000_000


def spec(key: str, arms: int) -> str:
    """An experiment with so many arms beside nothing."""
    head = (
        f'key = "{key}"\nplacement = "checkout"\n[context]\ncart_value = {{ type = "number" }}\n'
        'country = { type = "category" }\nreturning = { type = "boolean" }\n'
        '[reward]\nwindow = "1h"\nrange = [-1.0, 1.0]\naccept = 1.0\n[policy]\nfloor = 0.1\n'
    )
    listed = "".join(
        f'[[arms]]\nkey = "arm-{n}"\nfeatures = {{ margin = {n}.5 }}\n'
        f'offer = {{ title = "Offer {n}", url = "https://shop.example/{n}" }}\n'
        for n in range(1, arms)
    )
    return head + listed


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The present moment."""
        return self.now


def visits(serving: Serving, clock: Clock, numbers: range) -> None:
    """Decisions, each tenth of them accepted."""
    for number in numbers:
        clock.now += timedelta(milliseconds=10)
        query = Query(
            unit_id=f"unit-{number}",
            context={
                "cart_value": 20.0 + number % 90,
                "country": ("GB", "US", "DE")[number % 3],
                "returning": number % 2 == 0,
            },
            request_key=f"order-{number}",
            eligible_arms=None,
            excluded_arms=(),
            defer_activation=False,
        )
        made = serving.decider.decide("size", query).decision
        if number % 10 == 0:
            report = EventItem(
                event_id="accepted",
                decision_id=made.decision_id,
                type="accept",
            )
            serving.recorder.record([report], trusted=True)


def finish(worker: Worker) -> float:
    """Rounds until there is nothing to do; seconds of processor time."""
    began = time.process_time()
    while worker.round():
        pass
    return time.process_time() - began


def traffic(folder: Path, decisions: int, arms: int) -> dict[str, Any]:
    """What decisions with an event each tenth time leave behind, and what learning them costs."""
    clock = Clock()
    settings = Settings(data_dir=folder, journal_segment_bytes=1 << 40)
    platform = build(settings, clock)
    platform.apply_experiment(parse_toml(spec("size", arms)))
    platform.change_state("size", Action.START)
    serving, worker = build_serving(settings, clock), build_worker(settings, clock)
    visits(serving, clock, range(WARM_UP))  # so that a model decides what is measured
    clock.now += timedelta(hours=2)
    finish(worker)
    serving.registry.refresh()
    before = sizes(platform, settings)
    visits(serving, clock, range(WARM_UP, WARM_UP + decisions))
    finish(worker)
    clock.now += timedelta(hours=2)
    took = finish(worker)
    serving.journal.close()
    serving.registry.close()
    serving.upkeep.close()
    after = sizes(platform, settings)
    platform.database.close()
    return {
        "arms": arms,
        "journal bytes a decision": round((after[0] - before[0]) / decisions),
        "database bytes a decision": round((after[1] - before[1]) / decisions),
        "rows matured and learned a second": round(decisions / took),
    }


def sizes(platform: Platform, settings: Settings) -> tuple[int, int]:
    """Bytes of journal and database."""
    platform.database.shrink()
    journal = sum(path.stat().st_size for path in settings.journal_dir.glob("*.jsonl"))
    return journal, (settings.data_dir / "bandit-platform.sqlite3").stat().st_size


def memory(folder: Path, experiments: int) -> dict[str, Any]:
    """Resident memory of a serving process that knows so many experiments of 20 arms."""
    settings = Settings(data_dir=folder)
    platform = build(settings)
    with closing(platform.database):
        for number in range(experiments):
            platform.apply_experiment(parse_toml(spec(f"e-{number}", 20)))
            platform.change_state(f"e-{number}", Action.START)
    program = (
        "from pathlib import Path; from bandit_platform.web.decision_app import serve_app; "
        "import os; app = serve_app(); "
        "print(int(Path('/proc/self/statm').read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE'))"
    )
    told = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program],
        env={**os.environ, **settings.to_environment()},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return {"experiments": experiments, "MB a serving process": round(int(told) / MEGABYTE)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--decisions", type=int, default=20_000)
    parser.add_argument("--format", choices=["table", "json"], default="table")
    asked = parser.parse_args()
    found: list[dict[str, Any]] = []
    for arms in (3, 10):
        with tempfile.TemporaryDirectory(prefix="bandit-platform-size-") as name:
            found.append(traffic(Path(name), asked.decisions, arms))
    for count in EXPERIMENTS:
        with tempfile.TemporaryDirectory(prefix="bandit-platform-size-") as name:
            found.append(memory(Path(name), count))
    if asked.format == "json":
        print(json.dumps(found, indent=2))
        return
    for figures in found:
        print(", ".join(f"{name}: {value:,}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
