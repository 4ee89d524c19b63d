"""Measure what a deployment needs: bytes a decision, memory a process, rows learned a second.

Everything runs in a temporary folder over SQLite, with the real journal, ingest, worker and
registry; times are processor time, so that other work on the machine does not count. The memory is
that of experiments with 20 arms and a learned model, with two candidates each in `work`.

    python scripts/size_up.py                          # some minutes
    python scripts/size_up.py --experiments 1 1000     # the full size
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from many_models import (
    MEGABYTE,
    decide,
    make_experiments,
    peak,
    processor_seconds,
    query,
    resident,
    running,
    wait_for_models,
    wait_until_idle,
)

from bandit_platform.bootstrap import Platform, Serving, build, build_serving, build_worker
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.policies.vowpal import VowpalModel
from bandit_platform.services.serving.query import Query
from bandit_platform.services.working.work import Worker
from bandit_platform.settings import Settings
from bandit_platform.storage.experiments import experiment_heads
from bandit_platform.web.bodies import EventItem

WARM_UP = 500
#: what 1,000 experiments of 20 arms may take
SERVING_MEGABYTES = 1600
WORKER_MEGABYTES = 1500
#: how much larger `work` may be after three times the decisions
GROWTH = 1.1
IDLE_SECONDS = 10


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


def serving_memory(settings: Settings, keys: list[str]) -> dict[str, Any]:
    """What a serving process needs for experiments with a learned model each.

    All are asked in random order, and no model may be loaded for a request.
    """
    before, began = resident(), time.process_time()
    serving = build_serving(settings)
    took, loads = time.process_time() - began, count_loads()
    draw = random.Random(7)
    reasons: set[str] = set()
    for number in range(3):
        for key in draw.sample(keys, len(keys)):
            reasons.add(serving.decider.decide(key, query(number, draw)).decision.reason)
    began = time.process_time()
    serving.registry.refresh()
    refresh = time.process_time() - began
    if reasons != {"policy"} or loads:
        raise SystemExit(f"reasons {reasons}, {len(loads)} models loaded for requests")
    return {
        "experiments with a model of 20 arms": len(keys),
        "MB a serving process": round(peak() / MEGABYTE),
        "MB without them": round(before / MEGABYTE),
        "limit in MB for 1000": SERVING_MEGABYTES,
        "seconds to load": round(took, 1),
        "ms a refresh": round(1000 * refresh),
        "models loaded for requests": len(loads),
    }


def count_loads() -> list[bytes]:
    """Grows by an entry whenever a model is loaded from now on."""
    loads: list[bytes] = []
    load = VowpalModel.load

    def counted(blob: bytes) -> VowpalModel:
        loads.append(blob)
        return load(blob)

    VowpalModel.load = counted  # type: ignore[method-assign, assignment]
    return loads


def learning_memory(settings: Settings, keys: list[str], decisions: int) -> dict[str, Any]:
    """What `work` needs to learn the models of many experiments, with two candidates each."""
    decide(settings, keys, decisions)
    with running("work", settings) as process:
        took = wait_for_models(settings, len(keys))
        wait_until_idle(process)
        used = processor_seconds(process)
        time.sleep(IDLE_SECONDS)
        idle = processor_seconds(process) - used
        return {
            "experiments": len(keys),
            "decisions": decisions,
            "MB of work": round(peak(process) / MEGABYTE),
            "limit in MB for 1000": WORKER_MEGABYTES,
            "seconds until each has a model": round(took),
            "share of a processor when idle": round(idle / IDLE_SECONDS, 3),
        }


def growing_memory(folder: Path, decisions: int) -> dict[str, Any]:
    """`work` after some decisions of one experiment, and after three times as many."""
    settings = Settings(data_dir=folder, journal_segment_bytes=1 << 40)
    keys = make_experiments(settings, 1, 20, candidates=2)
    sizes = []
    with running("work", settings) as process:
        for part in range(3):
            decide(settings, keys, decisions, first=part * decisions)
            wait_until_idle(process)
            sizes.append(resident(process))
    return {
        "decisions": 3 * decisions,
        "MB of work": round(sizes[-1] / MEGABYTE),
        "MB after a third of them": round(sizes[0] / MEGABYTE),
        "ratio": round(sizes[-1] / sizes[0], 3),
        "at most": GROWTH,
    }


def many(folder: Path, experiments: int, each: int) -> list[dict[str, Any]]:
    """The memory of `work` and of a serving process, each in a process of its own."""
    settings = Settings(data_dir=folder, journal_segment_bytes=1 << 40)
    keys = make_experiments(settings, experiments, 20, candidates=2)
    learning = learning_memory(settings, keys, experiments * each)
    told = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, __file__, "--serve", str(folder)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return [learning, json.loads(told.splitlines()[-1])]


def listed_keys(settings: Settings) -> list[str]:
    """The keys of the experiments in a folder."""
    with closing(build(settings).database) as database, database.read() as connection:
        return sorted(experiment_heads(connection))


@contextmanager
def new_folder() -> Iterator[Path]:
    """A temporary folder."""
    with tempfile.TemporaryDirectory(prefix="bandit-platform-size-") as name:
        yield Path(name)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--decisions", type=int, default=20_000, help="of which bytes are measured")
    parser.add_argument("--experiments", type=int, nargs="+", default=[1, 200])
    parser.add_argument("--each", type=int, default=100, help="decisions of each experiment")
    parser.add_argument("--growing", type=int, default=100_000, help="decisions, then three times")
    parser.add_argument("--format", choices=["table", "json"], default="table")
    parser.add_argument("--serve", metavar="FOLDER", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        settings = Settings(data_dir=Path(asked.serve))
        print(json.dumps(serving_memory(settings, listed_keys(settings))))
        return
    found: list[dict[str, Any]] = []
    for arms in (3, 10):
        with new_folder() as folder:
            found.append(traffic(folder, asked.decisions, arms))
    for count in asked.experiments:
        with new_folder() as folder:
            found += many(folder, count, asked.each)
    with new_folder() as folder:
        found.append(growing_memory(folder, asked.growing))
    if asked.format == "json":
        print(json.dumps(found, indent=2))
        return
    for figures in found:
        print(", ".join(f"{name}: {value:,}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
