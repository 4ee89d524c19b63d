"""How fast shops are answered, beside a bare Flask echo on the same server, in one run.

    python scripts/bench_serving.py [--seconds 5] [--workers 1 2]

Needs wrk (Debian package wrk). All traffic stays on loopback and stops by itself. Ratios are what
counts: machines are noisy, so every measurement alternates with the echo.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from flask import Flask, Response, request

from bandit_platform.bootstrap import build
from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_tables
from bandit_platform.settings import Settings
from bandit_platform.simulation.connection import JsonConnection, bearer
from bandit_platform.simulation.stage import Stage, stage_settings
from bandit_platform.web.http_server.server import Hosted

CONTEXT = {"order_value": 82.5, "country": "GB", "returning": True, "device": "mobile"}
ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class Load:
    """What wrk saw: requests answered a second, and latencies in milliseconds."""

    rate: float
    p50: float
    p99: float
    failed: int


def echo_app() -> Flask:
    """The least that Flask can do with a JSON request."""
    app = Flask("echo")

    @app.post("/echo")
    def echo() -> Response:
        return app.json.response(request.get_json())

    return app


def hosted_echo() -> Hosted:
    """The echo as the server takes it."""
    return Hosted(app=echo_app(), longest=65_537, rank=lambda _: 0)


def spec_of(arms: int) -> dict[str, object]:
    """An experiment with so many arms, nothing included."""
    return {
        "key": f"arms-{arms}",
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
        "reward": {"window": "2s", "range": [0.0, 1.0], "accept": 1.0},
        "policy": {"publish_every": "1s"},
        "holdout": {"share": 0.0},
    }


def wrk(url: str, script: Path, *, seconds: int, connections: int) -> Load:
    """Load one address for a while."""
    done = subprocess.run(  # noqa: S603 - a program this script asks for
        [
            str(shutil.which("wrk")),
            *("-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done)[1])  # type: ignore[index]
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", done)
    return Load(
        rate=rate,
        p50=_latency(done, "50%"),
        p99=_latency(done, "99%"),
        failed=int(failed[1]) if failed else 0,
    )


def _latency(text: str, percentile: str) -> float:
    value, unit = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s)\b", text).groups()  # type: ignore[union-attr]
    return float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def lua(folder: Path, name: str, key: str, body: str) -> Path:
    """A wrk script that posts ``body``, in which %d becomes a running number."""
    path = folder / f"{name}.lua"
    path.write_text(
        'wrk.method = "POST"\n'
        'wrk.headers["Content-Type"] = "application/json"\n'
        f'wrk.headers["Authorization"] = "Bearer {key}"\n'
        "local n = math.random(1, 1000000000)\n"
        f"local body = [[{body}]]\n"
        "request = function()\n  n = n + 1\n"
        '  return wrk.format(nil, nil, nil, (body:gsub("%%d", n)))\nend\n'
    )
    return path


@contextmanager
def echo_server(port: int, workers: int) -> Iterator[str]:
    """The echo under the same server with the same settings."""
    code = (
        "from bandit_platform.cli.server import Server;"
        f"Server('bench_serving:hosted_echo', host='127.0.0.1', port={port}, workers={workers},"
        " connections=1024, drain_seconds=0).serve()"
    )
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", code], cwd=Path(__file__).parent, env=os.environ
    )
    try:
        connection = JsonConnection("127.0.0.1", port)
        for _ in range(600):
            try:
                connection.post("/echo", {})
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise SystemExit("the echo did not start within 60 s")
        yield f"http://127.0.0.1:{port}/echo"
    finally:
        process.terminate()
        process.wait()


def measure(workers: int, seconds: int, connections: int) -> dict[str, object]:
    """Every ratio for a number of worker processes."""
    with tempfile.TemporaryDirectory(prefix="bandit-bench-") as name:
        folder = Path(name)
        plain = stage_settings(folder)
        settings = Settings(
            data_dir=plain.data_dir,
            port=plain.port,
            console_port=plain.console_port,
            workers=workers,
            key_rate=1_000_000,  # checked, but one key may ask for all there is
        )
        platform = build(settings)
        for arms in (3, 10):
            spec = parse_tables(spec_of(arms))
            platform.apply_experiment(spec)
            platform.change_state(spec.key, Action.START)
        key = platform.keys.create(role=Role.SERVER).text
        with Stage(settings, folder, key=key) as stage:
            stage.wait_until_ready()
            return _measure(
                stage, folder, key, workers=workers, seconds=seconds, connections=connections
            )


def _measure(
    stage: Stage, folder: Path, key: str, *, workers: int, seconds: int, connections: int
) -> dict[str, object]:
    base = f"http://127.0.0.1:{stage.settings.port}"
    decision_ids = {arms: _until_a_model_decides(stage, key, arms) for arms in (3, 10)}
    stage.stop_process("work")  # so that only serving is measured
    context = json.dumps(CONTEXT)
    decide = f'{{"unit_id": "unit-%d", "context": {context}}}'
    event = f'{{"event_id": "e-%d", "decision_id": "{decision_ids[3]}", "type": "accept"}}'
    batch = ", ".join(event.replace("e-%d", f"e-%d-{n}") for n in range(100))
    cases = {
        "decisions, 3 arms": (f"{base}/v1/experiments/arms-3/decisions", decide),
        "decisions, 10 arms": (f"{base}/v1/experiments/arms-10/decisions", decide),
        "events, single": (f"{base}/v1/events", f'{{"events": [{event}]}}'),
        "events, batches of 100": (f"{base}/v1/events", f'{{"events": [{batch}]}}'),
    }
    scripts = {
        name: lua(folder, f"case{number}", key, body)
        for number, (name, (_, body)) in enumerate(cases.items())
    }
    echo_script = lua(folder, "echo", key, decide)
    loads: dict[str, list[Load]] = {"echo": []} | {name: [] for name in cases}
    port = stage_settings(folder).port
    with echo_server(port, workers) as echo:
        for _ in range(ROUNDS):
            for name, (url, _body) in cases.items():
                loads["echo"].append(
                    wrk(echo, echo_script, seconds=seconds, connections=connections)
                )
                loads[name].append(
                    wrk(url, scripts[name], seconds=seconds, connections=connections)
                )
    return _summary(loads, workers)


def _until_a_model_decides(stage: Stage, key: str, arms: int) -> str:
    """Ask until a published model answers; returns a decision id."""
    connection = JsonConnection("127.0.0.1", stage.settings.port, bearer(key))
    path = f"/v1/experiments/arms-{arms}/decisions"
    for number in range(200):
        answer = connection.post(path, {"unit_id": f"warm-{number}", "context": CONTEXT})
        if answer.body.get("reason") == "policy":
            return str(answer.body["decision_id"])
        time.sleep(0.2)
    raise SystemExit("no model was published in 40 s")


def _summary(loads: dict[str, list[Load]], workers: int) -> dict[str, object]:
    typical = {
        name: Load(
            rate=statistics.median(each.rate for each in seen),
            p50=statistics.median(each.p50 for each in seen),
            p99=statistics.median(each.p99 for each in seen),
            failed=sum(each.failed for each in seen),
        )
        for name, seen in loads.items()
    }
    echo = typical["echo"]
    return {
        "workers": workers,
        "loads": {name: asdict(load) for name, load in typical.items()},
        "ratios": {
            name: {"rate": load.rate / echo.rate, "p99": load.p99 / echo.p99}
            for name, load in typical.items()
            if name != "echo"
        },
        "events per second, batch ÷ single": 100
        * typical["events, batches of 100"].rate
        / typical["events, single"].rate,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--format", choices=["table", "json"], default="table")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("this needs wrk: apt-get install wrk")
    results = [measure(n, options.seconds, options.connections) for n in options.workers]
    if options.format == "json":
        print(json.dumps(results, indent=2))
        return
    for result in results:
        print(f"\n{result['workers']} worker process(es); median of {ROUNDS} rounds")
        loads, ratios = result["loads"], result["ratios"]
        for name, load in loads.items():  # type: ignore[attr-defined]
            ratio = ratios.get(name)  # type: ignore[attr-defined]
            beside = (
                f"{ratio['rate']:.2f} of the echo's rate, {ratio['p99']:.1f} of its p99"
                if ratio
                else ""
            )
            print(
                f"  {name:24} {load['rate']:8.0f}/s  p50 {load['p50']:7.2f} ms  "
                f"p99 {load['p99']:7.2f} ms  failed {load['failed']}  {beside}"
            )
        times = result["events per second, batch ÷ single"]
        print(f"  a batch of 100 takes in {times:.0f} times as many events per second as singles")


if __name__ == "__main__":
    main()
