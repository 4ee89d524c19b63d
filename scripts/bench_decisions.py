"""Compare two checkouts: time of a decision in process, and the bytes that it leaves behind.

    python scripts/bench_decisions.py /path/to/other/checkout [--pairs 60] [--caller page]

Each checkout decides in a process of its own, with the Python of its own ``.venv``, over SQLite in
a temporary folder. The processes take turns, so that both meet the same machine, and the time is
that of the deciding thread, so that other work counts as little as possible. A ratio is the other
checkout's time ÷ this one's: above 1, this one is faster. Its interval holds with 95 %
(order statistics for the median of the pairs).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import comb
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ARMS = (3, 10)
WARM_UP = 3000
#: the upper end of a ratio's interval must reach it
LEAST = 0.97
#: bytes of this checkout ÷ bytes of the other one may reach it
MOST_BYTES = 1.05


def main() -> int:
    """Measure and print; 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("other", type=Path, nargs="?", help="a checkout with its own .venv")
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--decisions", type=int, default=2000, help="of each turn")
    parser.add_argument("--caller", choices=["platform", "page"], default="platform")
    parser.add_argument("--format", choices=["table", "json"], default="table")
    parser.add_argument("--decide", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.decide:
        _answer_turns(asked.caller)
        return 0
    if asked.other is None:
        parser.error("name the other checkout")
    with ExitStack() as stack:
        other = stack.enter_context(Deciding(asked.other.resolve(), asked.caller))
        this = stack.enter_context(Deciding(ROOT, asked.caller))
        times = [_times(other, this, arms, asked.pairs, asked.decisions) for arms in ARMS]
        sizes = [each for arms in ARMS for each in _sizes(other, this, arms)]
    if asked.format == "json":
        print(json.dumps({"times": times, "bytes": sizes}, indent=2))
    else:
        for each in times:
            low, high = each["interval"]
            print(
                f"{each['arms']:2} arms: {each['other_us']:6.1f} µs there, "
                f"{each['this_us']:6.1f} µs here, ratio {each['ratio']:.3f} "
                f"({low:.3f} to {high:.3f}), upper end at least {LEAST:g}   {_met(each)}"
            )
        for each in sizes:
            print(
                f"{each['arms']:2} arms: {each['what']} {each['other']:,.0f} bytes there, "
                f"{each['this']:,.0f} here, ratio {each['ratio']:.3f}, at most {MOST_BYTES:g}   "
                f"{_met(each)}"
            )
    return 0 if all(each["met"] for each in (*times, *sizes)) else 1


def _met(figures: dict[str, Any]) -> str:
    return "met" if figures["met"] else "NOT MET"


def _times(
    other: Deciding, this: Deciding, arms: int, pairs: int, decisions: int
) -> dict[str, Any]:
    """Medians of both, and the median of the pairs' ratios with its interval."""
    found = []
    for number in range(pairs):
        order = (other, this) if number % 2 else (this, other)  # none always goes first
        taken = {each.root: each.turn(arms, decisions) for each in order}
        found.append((taken[other.root], taken[this.root]))
    ratios = [theirs / ours for theirs, ours in found]
    low, high = median_interval(ratios)
    return {
        "arms": arms,
        "pairs": pairs,
        "other_us": 1e6 * median(theirs for theirs, _ in found),
        "this_us": 1e6 * median(ours for _, ours in found),
        "ratio": median(ratios),
        "interval": [low, high],
        "met": high >= LEAST,
    }


def _sizes(other: Deciding, this: Deciding, arms: int) -> list[dict[str, Any]]:
    theirs, ours = other.sizes(arms), this.sizes(arms)
    return [
        {
            "arms": arms,
            "what": f"{what} a decision",
            "other": theirs[what],
            "this": ours[what],
            "ratio": ours[what] / theirs[what],
            "met": ours[what] / theirs[what] <= MOST_BYTES,
        }
        for what in theirs
    ]


def median_interval(values: list[float], confidence: float = 0.95) -> tuple[float, float]:
    """The order statistics between which the median lies with at least that confidence."""
    ordered, size = sorted(values), len(values)
    outside, place = 0.0, 0
    while place < size // 2:
        outside += 2 * comb(size, place) / 2**size
        if outside > 1 - confidence:
            break
        place += 1
    first = max(place - 1, 0)
    return ordered[first], ordered[size - 1 - first]


class Deciding:
    """A process that decides with the code of one checkout."""

    def __init__(self, root: Path, caller: str) -> None:
        self.root = root
        self._caller = caller

    def __enter__(self) -> Deciding:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [
                str(self.root / ".venv/bin/python"),
                __file__,
                "--decide",
                f"--caller={self._caller}",
            ],
            cwd=self.root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        loaded = Path(self._ask("where"))
        if self.root not in loaded.parents:
            raise SystemExit(f"the Python of {self.root} loads the package from {loaded}")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait()

    def turn(self, arms: int, decisions: int) -> float:
        """Seconds a decision, over so many."""
        return float(self._ask(f"decide {arms} {decisions}"))

    def sizes(self, arms: int) -> dict[str, float]:
        """Bytes that a decision leaves, by place."""
        return dict(json.loads(self._ask(f"sizes {arms} 3000")))

    def _ask(self, line: str) -> str:
        questions, answers = self._process.stdin, self._process.stdout
        if questions is None or answers is None:
            raise SystemExit("the process has no pipes")
        questions.write(line + "\n")
        questions.flush()
        answer = answers.readline()
        if not answer:
            raise SystemExit(f"the process of {self.root} ended")
        return answer.strip()


# What follows runs in either checkout, so it uses only what both of them have.


def _answer_turns(caller: str) -> None:
    """Answers lines of standard input until it ends."""
    import bandit_platform  # noqa: PLC0415 - of the checkout whose Python runs this

    with ExitStack() as stack:
        shops: dict[int, AskedExperiment] = {}
        for line in sys.stdin:
            what, *numbers = line.split()
            if what == "where":
                print(bandit_platform.__file__, flush=True)
                continue
            arms, decisions = map(int, numbers)
            if arms not in shops:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bandit-bench-"))
                shops[arms] = AskedExperiment(Path(folder), arms, caller)
            ask = shops[arms].decide if what == "decide" else shops[arms].sizes
            print(ask(decisions), flush=True)


@dataclass
class TickingClock:
    """A clock that is set."""

    now: datetime = datetime(2026, 11, 22, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The present moment, which moves on a little."""
        self.now += timedelta(milliseconds=7)
        return self.now


class AskedExperiment:
    """A running experiment with a learned model, asked in process."""

    def __init__(self, folder: Path, arms: int, caller: str) -> None:
        from bandit_platform.bootstrap import (  # noqa: PLC0415 - of the checkout
            build,
            build_serving,
            build_worker,
        )
        from bandit_platform.domain.lifecycle import Action  # noqa: PLC0415
        from bandit_platform.domain.spec_file import parse_tables  # noqa: PLC0415
        from bandit_platform.settings import Settings  # noqa: PLC0415

        clock = TickingClock()
        self._settings = Settings(data_dir=folder, journal_segment_bytes=1 << 40)
        self._platform = build(self._settings, clock)
        self._platform.apply_experiment(parse_tables(_tables(arms)))
        self._platform.change_state("bench", Action.START)
        self._serving = build_serving(self._settings, clock)
        self._worker = build_worker(self._settings, clock)
        self._number = 0
        self._caller = _caller(caller)
        self._decide(self._queries(WARM_UP), report=True)
        clock.now += timedelta(hours=2)
        self._settle()
        self._serving.registry.refresh()
        answer = self._serving.decider.decide("bench", self._queries(1)[0])
        if answer.decision.reason != "policy":
            raise SystemExit("no model decides")

    def decide(self, decisions: int) -> float:
        """Seconds a decision."""
        queries = self._queries(decisions)
        decide = self._serving.decider.decide
        began = time.thread_time()
        for query in queries:
            decide("bench", query)
        return (time.thread_time() - began) / decisions

    def sizes(self, decisions: int) -> str:
        """Bytes a decision in journal and database, once everything is imported."""
        self._settle()
        journal, database = self._bytes()
        self._decide(self._queries(decisions), report=False)
        more_journal = self._bytes()[0] - journal
        self._settle()
        more_database = self._bytes()[1] - database
        return json.dumps(
            {"journal": more_journal / decisions, "database": more_database / decisions}
        )

    def _bytes(self) -> tuple[int, int]:
        self._platform.database.shrink()
        journal = sum(p.stat().st_size for p in self._settings.journal_dir.glob("*.jsonl"))
        return journal, (self._settings.data_dir / "bandit-platform.sqlite3").stat().st_size

    def _settle(self) -> None:
        while self._worker.round():
            pass

    def _decide(self, queries: list[Any], *, report: bool) -> None:
        from bandit_platform.web.bodies import EventItem  # noqa: PLC0415 - of the checkout

        for number, query in enumerate(queries):
            made = self._serving.decider.decide("bench", query).decision
            if report and number % 7 == 0:
                item = EventItem(event_id="it", decision_id=made.decision_id, type="accept")
                self._serving.recorder.record([item], trusted=True)

    def _queries(self, count: int) -> list[Any]:
        from bandit_platform.services.serving.decide import Query  # noqa: PLC0415

        first = self._number
        self._number += count
        return [
            Query(
                unit_id=f"unit-{number}",
                context={
                    "order_value": 20.0 + number % 90,
                    "country": ("GB", "US", "DE")[number % 3],
                    "returning": number % 2 == 0,
                    "device": ("mobile", "desktop")[number % 5 == 0],
                },
                request_key=None,
                eligible_arms=None,
                excluded_arms=(),
                defer_activation=False,
                **self._caller(number),
            )
            for number in range(first, first + count)
        ]


def _caller(kind: str) -> Any:
    """Returns the query's sender, if the checkout's queries have one."""
    try:
        from bandit_platform.domain.caller import Caller  # noqa: PLC0415 - of the checkout
    except ImportError:
        return lambda _number: {}
    if kind == "platform":
        return lambda _number: {}
    callers = [
        Caller(key_id="pk_0123456789ab", trusted=False, address=f"192.0.{n // 250}.{n % 250}")
        for n in range(1000)
    ]
    return lambda number: {"caller": callers[number % 1000]}


def _tables(arms: int) -> dict[str, Any]:
    """An experiment with so many arms, ``nothing`` included."""
    return {
        "key": "bench",
        "placement": "confirmation",
        "context": {
            "order_value": {"type": "number", "min": 0},
            "country": {"type": "category"},
            "returning": {"type": "boolean"},
            "device": {"type": "category"},
        },
        "arms": [
            {"key": f"offer-{n}", "features": {"price": 5.0 + n}, "offer": {"title": f"Offer {n}"}}
            for n in range(arms - 1)
        ],
        "reward": {"window": "1h", "range": [0.0, 1.0], "accept": 1.0},
        "holdout": {"share": 0.0},
    }


if __name__ == "__main__":
    sys.exit(main())
