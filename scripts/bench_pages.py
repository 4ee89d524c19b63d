"""How fast the console's pages are answered over very many logged decisions.

    python scripts/bench_pages.py [--decisions 5000000] [--format table|json] [--keep FOLDER]

Fills a database with simulated decisions in bulk, runs the ordinary roll-up (learning, metrics,
segments, comparisons) over every one of them, and asks for every page of the console, in process.
The same is done for a twentieth of the decisions, to see that the cost does not grow with them.
With ``--keep`` the databases stay in a folder, and another run asks them again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from bandit_platform.bootstrap import Platform, build, utc_now
from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_tables
from bandit_platform.services.learning.learn import Learner
from bandit_platform.settings import Settings
from bandit_platform.simulation.bulk import CONTEXT, Bulk, fill
from bandit_platform.storage.lease import take_lease
from bandit_platform.web.apps import create_console_app
from bandit_platform.web.limits import Limits

KEY = "many-decisions"
HOLDER = "bench"
LIMIT_MS = 300.0
#: holds the seconds that the roll-up took, once it is done
ROLL_UP = "roll-up.json"
#: a page asked for its content, not a file of the page or a download
LEFT_OUT = {"static", "openapi", "health", "sdk", "docs", "sign_in", "downloads"}


@dataclass(frozen=True, kw_only=True)
class Page:
    """Server-side milliseconds of one page."""

    path: str
    status: int
    p50: float
    p95: float


def spec(arms: int) -> dict[str, Any]:
    """The tables of the experiment that is measured."""
    return {
        "key": KEY,
        "placement": "confirmation",
        "context": CONTEXT,
        "arms": [
            {"key": f"offer-{n}", "features": {"price": 5.0 + n}, "offer": {"title": f"Offer {n}"}}
            for n in range(arms - 1)
        ],
        "reward": {"window": "60s", "range": [0.0, 1.0], "accept": 1.0},
        "holdout": {"share": 0.0},
        "report": {"segments": ["country", "device", {"order_value": [20.0, 50.0, 100.0]}]},
    }


def prepare(platform: Platform, decisions: int, arms: int) -> float:
    """Fill and roll up; seconds that the roll-up took."""
    platform.apply_experiment(parse_tables(spec(arms)))
    platform.change_state(KEY, Action.START)
    stored = platform.experiments.get(KEY).spec
    for done in fill(platform.database, Bulk(spec=stored, decisions=decisions, until=utc_now())):
        _say(f"filled {done:,} of {decisions:,}")
    learner, began, done = Learner(platform.database, HOLDER), time.perf_counter(), 0
    while True:
        with platform.database.write() as connection:
            take_lease(connection, HOLDER, utc_now(), timedelta(minutes=5))
        taken = learner.learn(KEY, utc_now()).taken
        if not taken:
            return time.perf_counter() - began
        done += taken
        _say(f"rolled up {done:,} of {decisions:,}")


def pages(platform: Platform, settings: Settings, rounds: int) -> list[Page]:
    """Every page that a signed-in administrator can look at."""
    app = create_console_app(platform, settings, Limits(key_rate=0, stranger_rate=0))
    key = platform.keys.create(role=Role.ADMIN).text
    client = app.test_client()
    newest = f"{platform.report(KEY).counts.decisions - 1:048x}"
    filled = {"key": KEY, "experiment": KEY, "decision_id": newest}
    paths = set()
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            known = rule.arguments <= set(filled)
            if known and "GET" in (rule.methods or ()) and _wanted(rule.endpoint):
                paths.add(rule.build(filled, append_unknown=False)[1])
    return [_ask(client, path, key, rounds) for path in sorted(paths)]


def _wanted(endpoint: str) -> bool:
    return endpoint.partition(".")[0] not in LEFT_OUT and "static" not in endpoint


def _ask(client: Any, path: str, key: str, rounds: int) -> Page:
    times, status = [], 0
    for _ in range(rounds):
        began = time.perf_counter()
        answer = client.get(path, headers={"Authorization": f"Bearer {key}"})
        times.append((time.perf_counter() - began) * 1000.0)
        status = answer.status_code
    return Page(
        path=path,
        status=status,
        p50=statistics.median(times),
        p95=statistics.quantiles(times, n=20)[18],
    )


def measure(folder: Path, decisions: int, arms: int, rounds: int) -> dict[str, Any]:
    """One database with so many decisions, filled unless the folder holds it already."""
    settings = Settings(data_dir=folder)
    platform = build(settings)
    known = folder / ROLL_UP
    if not known.exists():
        known.write_text(json.dumps(prepare(platform, decisions, arms)))
    found = pages(platform, settings, rounds)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    platform.database.close()
    return {
        "decisions": decisions,
        "rolled_up_per_second": decisions / json.loads(known.read_text()),
        "bytes_per_decision": size / decisions,
        "pages": [asdict(page) for page in found],
        "slowest_p95": max(page.p95 for page in found),
    }


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:60}", end="", file=sys.stderr)


def main() -> int:
    """Measure and print; 1 where a page is slower than it may be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--decisions", type=int, default=5_000_000)
    parser.add_argument("--arms", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--format", choices=["table", "json"], default="table")
    asked = parser.parse_args()
    sizes = [max(asked.decisions // 20, 1000), asked.decisions]
    with tempfile.TemporaryDirectory(prefix="bandit-platform-pages-") as passing:
        parent = asked.keep or Path(passing)
        results = [
            measure(parent / f"{size}-{asked.arms}", size, asked.arms, asked.rounds)
            for size in sizes
        ]
    if asked.format == "json":
        print(json.dumps({"limit_ms": LIMIT_MS, "results": results}, indent=2))
    else:
        few, many = results
        print(f"{'page':58} {few['decisions']:>12,} {many['decisions']:>12,}   p95 in ms")
        for one, other in zip(few["pages"], many["pages"], strict=True):
            print(
                f"{one['path'][:58]:58} {one['p95']:12.1f} {other['p95']:12.1f}   {other['status']}"
            )
        print(f"rolled up {many['rolled_up_per_second']:,.0f} decisions a second")
        print(f"{many['bytes_per_decision']:,.0f} bytes a decision in SQLite")
    return 0 if results[-1]["slowest_p95"] <= LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
