"""Whether serving stays as it is: with many experiments, while models are published, for long.

    python scripts/bench_steady.py [--experiments 200] [--seconds 5] [--decisions 1000000]
    python scripts/bench_steady.py --only many --experiments 1000    # the full size of the first

Three comparisons, each side by side in one run, on loopback:
one experiment of 20 arms with a learned model against many such, each asked once a second in random
order; with wrk, the slowest answers while a model version is published twice a second against those
while none is; and the memory of the serving process after a warm-up of 100,000 decisions against
that after all of them.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench_serving import CONTEXT, ROUNDS, Load, lua, spec_of, wrk
from many_models import (
    MEGABYTE,
    context,
    decide,
    make_experiments,
    peak,
    proportional,
    running,
    wait_for_models,
    wait_until_idle,
)

from bandit_platform.bootstrap import Platform, build, utc_now
from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_tables
from bandit_platform.settings import Settings
from bandit_platform.simulation.connection import JsonConnection, bearer
from bandit_platform.simulation.stage import Stage, stage_settings
from bandit_platform.storage.models import model_blob, newest_version, publish_version

ARMS = 20
WARM = 100_000
DECIDE = f'{{"unit_id": "unit-%d", "context": {json.dumps(CONTEXT)}}}'


class Site:
    """A platform with one experiment of 20 arms."""

    def __init__(self, stack: ExitStack) -> None:
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bandit-bench-")))
        plain = stage_settings(self.folder)
        settings = Settings(
            data_dir=plain.data_dir, port=plain.port, console_port=plain.console_port, key_rate=0
        )
        self.platform: Platform = build(settings)
        spec = parse_tables(spec_of(ARMS))
        self.platform.apply_experiment(spec)
        self.platform.change_state(spec.key, Action.START)
        self.asked = spec.key
        self.key = self.platform.keys.create(role=Role.SERVER).text
        self.stage = stack.enter_context(Stage(settings, self.folder, key=self.key))
        self.stage.wait_until_ready()
        self.address = f"http://127.0.0.1:{settings.port}/v1/experiments/{self.asked}/decisions"
        self._until_a_model_decides()
        self.stage.stop_process("work")  # so that only serving is measured
        self.script = lua(self.folder, "decide", self.key, DECIDE)

    def _until_a_model_decides(self) -> None:
        connection = JsonConnection("127.0.0.1", self.stage.settings.port, bearer(self.key))
        path = f"/v1/experiments/{self.asked}/decisions"
        for number in range(600):
            body = {"unit_id": f"warm-{number}", "context": CONTEXT}
            if connection.post(path, body).body.get("reason") == "policy":
                return
            threading.Event().wait(0.2)
        raise SystemExit("no model was published in two minutes")

    def load(self, seconds: int) -> Load:
        """What wrk sees for a while."""
        return wrk(self.address, self.script, seconds=seconds, connections=16)

    def memory(self) -> int:
        """Resident bytes of the processes that serve."""
        return sum(_resident(pid) for pid in self.stage.process_ids("serve"))

    @contextmanager
    def publishing(self) -> Any:
        """Publish the newest model again under a new version, twice a second."""
        stop = threading.Event()

        def publish() -> None:
            while not stop.wait(0.5):
                with self.platform.database.write() as connection:
                    newest = newest_version(connection, self.asked)
                    stored = newest and model_blob(connection, self.asked, newest.version)
                    if newest is None or stored is None:
                        raise SystemExit("no model")
                    again = replace(newest, version=newest.version + 1, published_at=utc_now())
                    publish_version(connection, again, stored[0])

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


def many_experiments(seconds: int, experiments: int, rate: int) -> dict[str, float]:
    """Times of answers while each of many experiments is asked in turn ÷ those of one experiment.

    Both have learned models, and get the same number of requests a second, alternating.
    """
    with ExitStack() as stack:
        one, many = (ServedModels(stack, count) for count in (1, experiments))
        times: dict[ServedModels, list[float]] = {one: [], many: []}
        for _ in range(4 * ROUNDS):
            for site in (one, many):
                times[site] += site.answer_times(seconds, rate)
        processes = many.stage.process_ids("serve")
        memory, shared = max(map(peak, processes)), max(map(proportional, processes))
    alone, among = (statistics.quantiles(seen, n=100) for seen in times.values())
    return {
        "experiments": experiments,
        "requests a second": rate,
        "p50_us": 1e6 * alone[49],
        "p50_among_us": 1e6 * among[49],
        "p50 ratio": among[49] / alone[49],
        "p99_us": 1e6 * alone[98],
        "p99_among_us": 1e6 * among[98],
        "p99 ratio": among[98] / alone[98],
        "MB a serving process": memory / MEGABYTE,
        "MB by PSS": shared / MEGABYTE,
    }


class ServedModels:
    """A platform whose experiments of 20 arms each have a learned model."""

    def __init__(self, stack: ExitStack, experiments: int) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bandit-bench-")))
        plain = stage_settings(folder)
        settings = Settings(
            data_dir=plain.data_dir, port=plain.port, console_port=plain.console_port, key_rate=0
        )
        platform = build(settings)
        key = platform.keys.create(role=Role.SERVER).text
        self._keys = make_experiments(settings, experiments, ARMS)
        decide(settings, self._keys, max(100 * experiments, 1000))
        with running("work", settings) as process:
            wait_for_models(settings, experiments)
            wait_until_idle(process)
        self.stage = stack.enter_context(Stage(settings, folder, key=key, processes=("serve",)))
        self.stage.wait_until_ready()
        self._connection = JsonConnection("127.0.0.1", settings.port, bearer(key))
        self._draw = random.Random(7)
        self._waiting: list[str] = []
        if {self._ask(each) for each in self._keys} != {"policy"}:
            raise SystemExit("a model was not loaded")

    def answer_times(self, seconds: int, rate: int) -> list[float]:
        """Seconds of each answer; every experiment is asked once before one is asked again."""
        taken = []
        began = time.perf_counter()
        for number in range(seconds * rate):
            time.sleep(max(0.0, began + number / rate - time.perf_counter()))
            if not self._waiting:
                self._waiting = self._draw.sample(self._keys, len(self._keys))
            key, asked = self._waiting.pop(), time.perf_counter()
            self._ask(key)
            taken.append(time.perf_counter() - asked)
        return taken

    def _ask(self, key: str) -> str:
        body = {"unit_id": f"unit-{self._draw.random()}", "context": context(self._draw)}
        answer = self._connection.post(f"/v1/experiments/{key}/decisions", body)
        return str(answer.body.get("reason"))


def publishing(seconds: int) -> dict[str, float]:
    """p99 while models are published ÷ while none is."""
    with ExitStack() as stack:
        site = Site(stack)
        quiet, busy = [], []
        for _ in range(ROUNDS):
            quiet.append(site.load(seconds).p99)
            with site.publishing():
                busy.append(site.load(seconds).p99)
    without, during = statistics.median(quiet), statistics.median(busy)
    return {"p99_ms": without, "p99_publishing_ms": during, "ratio": during / without}


def long_run(decisions: int) -> dict[str, float]:
    """Memory after so many decisions ÷ after the warm-up."""
    with ExitStack() as stack:
        site = Site(stack)
        done = 0.0
        while done < WARM:
            done += site.load(5).rate * 5
        before = site.memory()
        while done < WARM + decisions:
            done += site.load(10).rate * 10
        after = site.memory()
    return {"decisions": done, "mib": after / 2**20, "ratio": after / before}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--experiments", type=int, default=200)
    parser.add_argument("--rate", type=int, help="requests a second; the default asks each once")
    parser.add_argument("--only", choices=["many", "publishing", "long"])
    parser.add_argument("--format", choices=["table", "json"], default="table")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("this needs wrk: apt-get install wrk")
    measures = {
        "many": lambda: many_experiments(
            options.seconds, options.experiments, options.rate or options.experiments
        ),
        "publishing": lambda: publishing(options.seconds),
        "long": lambda: long_run(options.decisions),
    }
    found = {
        name: measure()
        for name, measure in measures.items()
        if options.only is None or options.only == name
    }
    if options.format == "json":
        print(json.dumps(found, indent=2))
        return
    for name, numbers in found.items():
        print(f"{name:18}", ", ".join(f"{key} {value:,.2f}" for key, value in numbers.items()))


if __name__ == "__main__":
    main()
