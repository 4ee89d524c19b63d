"""Measure decisions among a hundred arms that come with the request, against ten of the file.

    python scripts/bench_request_arms.py [--pairs 40]

A shop has a catalogue and sends a hundred of its arms with each request, others every time. In
process, from the WSGI environment of a request to the answer, both kinds of decisions take turns;
the time is that of the deciding thread. Bytes are those of database and journal a decision,
all tables and indexes, after the outcomes were imported and learned.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench_decisions import TickingClock, median_interval

from bandit_platform.bootstrap import build, build_serving, build_worker
from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_tables
from bandit_platform.settings import Settings
from bandit_platform.simulation.bulk import CONTEXT
from bandit_platform.web.auth import Limits
from bandit_platform.web.decision_app import create_decision_app
from bandit_platform.web.reading import BODY

#: SKUs of the catalogue, and how many of them each request has
CATALOGUE, SENT = 5000, 100
WARM_UP = 3000
MOST_TIMES, MOST_BYTES = 4.0, 4096


class Bench:
    """A deployment with one experiment, asked in process."""

    def __init__(self, folder: Path, *, brings_arms: bool) -> None:
        clock = TickingClock()
        self._brings_arms = brings_arms
        self._chance = random.Random(1)
        self._settings = Settings(data_dir=folder, journal_segment_bytes=1 << 40)
        self._platform = build(self._settings, clock)
        self._platform.apply_experiment(parse_tables(_tables(brings_arms=brings_arms)))
        self._platform.change_state("bench", Action.START)
        serving = build_serving(self._settings, clock)
        self._worker = build_worker(self._settings, clock)
        self._key = self._platform.keys.create(role=Role.SERVER).text
        serving.registry.refresh()
        limits = Limits(key_rate=1e9, stranger_rate=1e9, page_rate=1e9)
        self._app: Any = create_decision_app(serving, limits).wsgi_app
        self._number = 0
        self._decide(self.bodies(WARM_UP), report=True)
        clock.now += timedelta(hours=2)
        self._settle()
        serving.registry.refresh()
        answer = json.loads(self._ask("/v1/experiments/bench/decisions", self.bodies(1)[0]))
        if answer["reason"] != "policy":
            raise SystemExit("no model decides")
        self._clock = clock

    def bodies(self, count: int) -> list[bytes]:
        """Bodies of requests."""
        first = self._number
        self._number += count
        return [self._body(number) for number in range(first, first + count)]

    def turn(self, count: int) -> float:
        """Seconds a decision."""
        bodies, ask = self.bodies(count), self._ask
        began = time.thread_time()
        for body in bodies:
            ask("/v1/experiments/bench/decisions", body)
        return (time.thread_time() - began) / count

    def sizes(self, count: int) -> dict[str, float]:
        """Bytes a decision."""
        self._settle()
        journal, database = self._bytes()
        self._decide(self.bodies(count), report=True)
        more_journal = self._bytes()[0] - journal
        self._clock.now += timedelta(hours=2)
        self._settle()
        return {
            "journal": more_journal / count,
            "database": (self._bytes()[1] - database) / count,
        }

    def _body(self, number: int) -> bytes:
        body: dict[str, Any] = {
            "unit_id": f"unit-{number}",
            "context": {
                "order_value": 20.0 + number % 90,
                "country": ("GB", "US", "DE")[number % 3],
                "returning": number % 2 == 0,
                "device": ("mobile", "desktop")[number % 5 == 0],
            },
        }
        if self._brings_arms:
            body["arms"] = [_arm(n) for n in self._chance.sample(range(CATALOGUE), SENT)]
        return json.dumps(body).encode()

    def _decide(self, bodies: list[bytes], *, report: bool) -> None:
        for number, body in enumerate(bodies):
            answer = json.loads(self._ask("/v1/experiments/bench/decisions", body))
            if report and number % 7 == 0:
                event = {
                    "event_id": "it",
                    "decision_id": answer["decision_id"],
                    "type": "accept",
                }
                self._ask("/v1/events", json.dumps({"events": [event]}).encode())

    def _ask(self, path: str, body: bytes) -> bytes:
        """The answer to a request."""
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": path,
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_AUTHORIZATION": f"Bearer {self._key}",
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(body),
            "wsgi.errors": sys.stderr,
            BODY: body,
        }
        return b"".join(self._app(environ, lambda *_: None))

    def _settle(self) -> None:
        while self._worker.round():
            pass

    def _bytes(self) -> tuple[int, int]:
        self._platform.database.shrink()
        journal = sum(p.stat().st_size for p in self._settings.journal_dir.glob("*.jsonl"))
        return journal, (self._settings.data_dir / "bandit-platform.sqlite3").stat().st_size


def _arm(number: int) -> dict[str, Any]:
    return {
        "key": f"sku-{number:06}",
        "features": {
            "margin": 1.0 + number % 97 / 4,
            "brand": f"brand-{number % 40}",
            "new": number % 3 == 0,
        },
    }


def _tables(*, brings_arms: bool) -> dict[str, Any]:
    return {
        "key": "bench",
        "placement": "confirmation",
        "arms_from": "request" if brings_arms else "file",
        "context": CONTEXT,
        "arms": [] if brings_arms else [_arm(n) for n in range(9)],
        "reward": {"window": "1h", "range": [0.0, 1.0], "accept": 1.0},
        "holdout": {"share": 0.0},
    }


def main() -> int:
    """Measure and print; 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--decisions", type=int, default=200, help="of each turn")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bandit-bench-") as folder:
        few = Bench(Path(folder) / "few", brings_arms=False)
        many = Bench(Path(folder) / "many", brings_arms=True)
        pairs = []
        for number in range(asked.pairs):
            order = (few, many) if number % 2 else (many, few)
            taken = {each: each.turn(asked.decisions) for each in order}
            pairs.append((taken[few], taken[many]))
        sizes = many.sizes(3000)
    ratios = [b / a for a, b in pairs]
    low, high = median_interval(ratios)
    print(
        f"10 arms of the file: {1e6 * median(a for a, _ in pairs):.1f} µs; {SENT} arms of the "
        f"request: {1e6 * median(b for _, b in pairs):.1f} µs; ratio {median(ratios):.2f} "
        f"({low:.2f} to {high:.2f}), at most {MOST_TIMES:g}"
    )
    for what, size in sizes.items():
        print(
            f"{what}: {size:,.0f} bytes a decision"
            + f", at most {MOST_BYTES:,}" * (what == "database")
        )
    return 0 if median(ratios) <= MOST_TIMES and sizes["database"] <= MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
