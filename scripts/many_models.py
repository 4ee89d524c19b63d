"""For other scripts: experiments whose models have learned, and the memory of processes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bandit_platform.bootstrap import build, build_serving
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_tables
from bandit_platform.services.serving.query import Query
from bandit_platform.settings import Settings
from bandit_platform.storage.database import Database
from bandit_platform.storage.models import newest_versions
from bandit_platform.web.bodies import EventItem

MEGABYTE = 1_000_000
#: how long ago the decisions were made, so that they have matured
_AGO = timedelta(hours=3)
_STEP = timedelta(milliseconds=5)
_DEVICES = ("mobile", "desktop", "tablet")


def tables(key: str, arms: int, candidates: int = 0) -> dict[str, Any]:
    """An experiment with so many arms, ``nothing`` included."""
    return {
        "key": key,
        "placement": "confirmation",
        "context": {
            "order_value": {"type": "number", "min": 0},
            "country": {"type": "category"},
            "returning": {"type": "boolean"},
            "device": {"type": "category"},
        },
        "arms": [
            {
                "key": f"offer-{n}",
                "features": {"price": 5.0 + n, "kind": f"kind-{n % 4}"},
                "offer": {"title": f"Offer {n}", "url": f"https://shop.example/{n}"},
            }
            for n in range(arms - 1)
        ],
        "reward": {"window": "1h", "range": [0.0, 1.0], "accept": 1.0},
        "holdout": {"share": 0.0},
        "candidates": [
            {"name": f"candidate-{n}", "exploration": "squarecb", "learning_rate": 0.1 + n / 10}
            for n in range(candidates)
        ],
    }


def context(draw: random.Random) -> dict[str, Any]:
    """The context of a shopper; 30 countries, of which some are rare."""
    return {
        "order_value": draw.randrange(10, 200) + 0.5,
        "country": f"C{min(int(draw.expovariate(0.2)), 29)}",
        "returning": draw.random() < 0.4,
        "device": draw.choice(_DEVICES),
    }


def query(number: int, draw: random.Random) -> Query:
    """A request for a decision."""
    return Query(
        unit_id=f"unit-{number}",
        context=context(draw),
        request_key=None,
        eligible_arms=None,
        excluded_arms=(),
        defer_activation=False,
    )


def make_experiments(settings: Settings, count: int, arms: int, candidates: int = 0) -> list[str]:
    """Started experiments; their keys."""
    specs = [parse_tables(tables(f"many-{n}", arms, candidates)) for n in range(count)]
    platform = build(settings)
    with closing(platform.database):
        platform.experiments.apply_all(specs)
        for spec in specs:
            platform.change_state(spec.key, Action.START)
    return [spec.key for spec in specs]


def decide(settings: Settings, keys: list[str], decisions: int, first: int = 0) -> None:
    """Decisions of three hours ago, over the experiments in turn; each fourth was accepted.

    Args:
        settings: of the platform; no worker need run.
        keys: of the experiments.
        decisions: how many in all.
        first: number of the first one.
    """
    clock = _Clock(datetime.now(UTC) - _AGO - decisions * _STEP)
    draw = random.Random(first)
    serving = build_serving(settings, clock)
    try:
        for number in range(first, first + decisions):
            clock.now += _STEP
            key = keys[number % len(keys)]
            made = serving.decider.decide(key, query(number, draw)).decision
            if draw.random() < 0.25:
                item = EventItem(event_id="it", decision_id=made.decision_id, type="accept")
                serving.recorder.record([item], trusted=True)
    finally:
        serving.journal.close()
        serving.registry.close()
        serving.upkeep.close()


@dataclass
class _Clock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now


@contextmanager
def running(name: str, settings: Settings) -> Iterator[int]:
    """A process of the platform; its id."""
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "bandit_platform", name],
        env={**os.environ, **settings.to_environment()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def wait_for_models(settings: Settings, count: int, seconds: float = 1800.0) -> float:
    """Seconds until so many experiments have a published model."""
    began = time.monotonic()
    with closing(Database(settings.database)) as database:
        while True:
            with database.read() as connection:
                published = len({key for key, _ in newest_versions(connection)})
            if published >= count:
                return time.monotonic() - began
            if time.monotonic() - began > seconds:
                raise SystemExit(f"{published} of {count} models after {seconds:g} s")
            time.sleep(0.5)


def wait_until_idle(process: int, seconds: float = 3.0) -> None:
    """Return when a process has used next to no processor time for a while."""
    while True:
        before = processor_seconds(process)
        time.sleep(seconds)
        if processor_seconds(process) - before < 0.15 * seconds:
            return


def processor_seconds(process: int) -> float:
    """What a process has used of the processors."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(process: int | str = "self") -> int:
    """Resident bytes."""
    return _kilobytes(f"/proc/{process}/smaps_rollup", "Rss:")


def proportional(process: int | str = "self") -> int:
    """Resident bytes, those shared with other processes divided among them."""
    return _kilobytes(f"/proc/{process}/smaps_rollup", "Pss:")


def peak(process: int | str = "self") -> int:
    """The most resident bytes so far."""
    return _kilobytes(f"/proc/{process}/status", "VmHWM:")


def _kilobytes(path: str, name: str) -> int:
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return 1024 * int(line.split()[1])
    raise SystemExit(f"{path} does not tell {name}")
