"""Whether serving stays as it is: with many experiments, while models are published, for long.

    python scripts/bench_steady.py [--seconds 5] [--decisions 1000000] [--format table|json]

Three comparisons, each side by side in one run, with wrk on loopback:
one experiment of 20 arms against the same one among a thousand such; the slowest answers while a
model version is published twice a second against those while none is; and the memory of the serving
process after a warm-up of 100,000 decisions against that after all of them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench_serving import CONTEXT, ROUNDS, Load, lua, spec_of, wrk

from bandit_platform.bootstrap import Platform, build, utc_now
from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_tables
from bandit_platform.settings import Settings
from bandit_platform.simulation.connection import JsonConnection, bearer
from bandit_platform.simulation.stage import Stage, stage_settings
from bandit_platform.storage.models import model_blob, newest_version, publish_version

ARMS = 20
MANY = 1000
WARM = 100_000
DECIDE = f'{{"unit_id": "unit-%d", "context": {json.dumps(CONTEXT)}}}'


class Site:
    """A platform with experiments of 20 arms, of which the last is asked."""

    def __init__(self, stack: ExitStack, experiments: int) -> None:
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bandit-bench-")))
        plain = stage_settings(self.folder)
        settings = Settings(
            data_dir=plain.data_dir, port=plain.port, console_port=plain.console_port, key_rate=0
        )
        self.platform: Platform = build(settings)
        tables = spec_of(ARMS)
        specs = [parse_tables({**tables, "key": f"bench-{n}"}) for n in range(experiments)]
        self.platform.experiments.apply_all(specs)
        for spec in specs:
            self.platform.change_state(spec.key, Action.START)
        self.asked = specs[-1].key
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


def many_experiments(seconds: int) -> dict[str, float]:
    """Time a decision among a thousand experiments ÷ alone."""
    with ExitStack() as stack:
        one, many = Site(stack, 1), Site(stack, MANY)
        alone, among = [], []
        for _ in range(
            4 * ROUNDS
        ):  # the difference that matters is smaller than the machine's moods
            alone.append(1e6 / one.load(seconds).rate)
            among.append(1e6 / many.load(seconds).rate)
    few, lots = statistics.median(alone), statistics.median(among)
    return {"alone_us": few, "among_1000_us": lots, "ratio": lots / few}


def publishing(seconds: int) -> dict[str, float]:
    """p99 while models are published ÷ while none is."""
    with ExitStack() as stack:
        site = Site(stack, 1)
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
        site = Site(stack, 1)
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
    parser.add_argument("--format", choices=["table", "json"], default="table")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("this needs wrk: apt-get install wrk")
    found = {
        "many experiments": many_experiments(options.seconds),
        "publishing": publishing(options.seconds),
        "long run": long_run(options.decisions),
    }
    if options.format == "json":
        print(json.dumps(found, indent=2))
        return
    for name, numbers in found.items():
        print(f"{name:18}", ", ".join(f"{key} {value:,.2f}" for key, value in numbers.items()))


if __name__ == "__main__":
    main()
