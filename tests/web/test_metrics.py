"""What is counted, by whom it may be seen, and that every metric is documented."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bandit_platform.services.serving.upkeep import NodeUpkeep, Upkeep
from bandit_platform.web.meter import MOST_SERIES, WRITE_SECONDS, Meter, upkeep_families
from tests.web.both_ports import Site, shown

README = (Path(__file__).parents[2] / "README.md").read_text()


def seen(site: Site, port: str = "shop") -> dict[tuple[str, ...], float]:
    """(name, label values …) → value, of everything that ``/metrics`` shows."""
    answer = getattr(site, port).test_client().get("/metrics", headers=shown(site.keys["viewer"]))
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    return parsed(answer.text)


def parsed(text: str) -> dict[tuple[str, ...], float]:
    return {
        (
            sample.name.removeprefix("bandit_platform_"),
            *(sample.labels[name] for name in sorted(sample.labels)),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counts_decisions_events_and_answers(site: Site) -> None:
    decision = site.decide(site.keys["server"]).json
    site.decide(None)
    event = {"event_id": "e", "decision_id": decision["decision_id"], "type": "accept"}
    site.shop.test_client().post(
        "/v1/events",
        json={"events": [event, event, {"event_id": "x"}]},
        headers=shown(site.keys["server"]),
    )
    found = seen(site)
    of = (decision["arm"], decision["experiment"], decision["reason"])
    assert found["decisions_total", *of] == 1
    assert found["decision_seconds_count",] == 1
    assert 0 < found["decision_seconds_sum",] < 1
    assert found["http_answers_total", "2xx"] == 2
    assert found["http_answers_total", "4xx"] == 1
    assert [found["events_total", s] for s in ("accepted", "duplicate", "rejected")] == [1, 1, 1]


@pytest.mark.parametrize("port", ["shop", "console"])
def test_tells_how_the_loop_does(site: Site, port: str) -> None:
    site.serving.upkeep.refresh()
    assert seen(site, port)["journal_pending_bytes",] == 0
    site.decide(site.keys["server"])
    site.clock.advance(90)
    found = seen(site, port)
    assert found["ready",] == found["database_up",] == 1
    assert found["worker_leads",] == 0
    assert found["journal_pending_bytes",] > 300
    assert found["ingest_lag_seconds",] == 90


def test_what_ingest_and_the_worker_did_is_seen(site: Site) -> None:
    from bandit_platform.bootstrap import build_worker  # noqa: PLC0415

    for number in range(30):
        site.decide(site.keys["server"], f"unit-{number}")
    worker = build_worker(site.settings, site.clock)
    worker.round()
    site.clock.advance(3700)
    for _ in range(3):
        worker.round()
    site.clock.advance(3)
    site.serving.upkeep.refresh()
    for port in ("shop", "console"):
        found = seen(site, port)
        assert found["journal_pending_bytes",] == 0
        assert found["ingest_lag_seconds",] == 0
        assert found["model_version", "checkout-offers"] == 1
        assert found["model_age_seconds", "checkout-offers"] == 3
        assert 0 < found["interactions_learned", "checkout-offers"] <= 30
        assert found["worker_leads",] == 1


def test_strangers_see_no_metrics(site: Site) -> None:
    assert site.shop.test_client().get("/metrics").status_code == 401
    wrong = site.shop.test_client().get("/metrics", headers=shown(site.keys["publishable"]))
    assert wrong.status_code == 403


def test_series_are_bounded_whatever_is_decided() -> None:
    meter = Meter()
    for number in range(MOST_SERIES + 50):
        meter.decided(("experiment", f"arm-{number}", "policy"), 0.001)
    found = parsed(meter.show([]).decode())
    assert sum(name[0] == "decisions_total" for name in found) == MOST_SERIES + 1
    assert found["decisions_total", "other", "other", "other"] == 50


def test_every_metric_is_documented_and_no_other_is(site: Site) -> None:
    site.decide(site.keys["server"])
    text = site.shop.test_client().get("/metrics", headers=shown(site.keys["viewer"])).text
    names = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    documented = set(re.findall(r"^\| `(bandit_platform_\w+)", README, re.MULTILINE))
    assert documented == names


def test_watching_costs_less_than_ten_microseconds(tmp_path: Path) -> None:
    """Measured with room for a busy machine: ten times what it takes on a quiet one."""
    code = """
import sys, timeit
from bandit_platform.web.meter import Meter
from bandit_platform.web.observed import DECIDED, Observed
headers = [("Content-Type", "application/json"), ("Content-Length", "2")]
def bare(environ, start):
    environ[DECIDED] = ("experiment", "arm", "policy")
    start("201 CREATED", list(headers))
    return [b"{}"]
watched = Observed(bare, Meter())
def cost(app):
    return min(timeit.repeat(lambda: app({}, lambda *_: None), number=2000, repeat=7)) / 2000
print((cost(watched) - cost(bare)) * 1e6)
"""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 100


@pytest.mark.processes
def test_all_serving_processes_are_told_of_by_any(tmp_path: Path, spec_text: str) -> None:
    from bandit_platform.domain.lifecycle import Action  # noqa: PLC0415
    from tests.test_readme import free_ports  # noqa: PLC0415

    (port,) = free_ports(1)
    environment = {
        **os.environ,
        "BANDIT_PLATFORM_DATA_DIR": str(tmp_path),
        "BANDIT_PLATFORM_PORT": str(port),
        "BANDIT_PLATFORM_WORKERS": "2",
    }
    viewer = _launch(tmp_path, spec_text, Action.START)
    process = subprocess.Popen([sys.executable, "-m", "bandit_platform", "serve"], env=environment)
    try:
        _until(f"http://127.0.0.1:{port}/readyz", 2)
        pids = {path.stem.split("_")[-1] for path in (tmp_path / "metrics").glob("counter_*.db")}
        assert len(pids) == 2
        written = 4 * WRITE_SECONDS  # until every process has written what it counted
        time.sleep(written)
        before = _answers(port, viewer)
        for _ in range(50):
            urlopen(f"http://127.0.0.1:{port}/healthz").close()
        time.sleep(written)
        assert _answers(port, viewer) - before == 51  # and the look before this one
    finally:
        process.terminate()
        process.wait(20)


def _launch(folder: Path, spec_text: str, start: Any) -> str:
    from bandit_platform.bootstrap import build  # noqa: PLC0415
    from bandit_platform.domain.access import Role  # noqa: PLC0415
    from bandit_platform.domain.spec_file import parse_toml  # noqa: PLC0415
    from bandit_platform.settings import Settings  # noqa: PLC0415

    platform = build(Settings(data_dir=folder))
    spec = parse_toml(spec_text)
    platform.apply_experiment(spec)
    platform.change_state(spec.key, start)
    return platform.keys.create(role=Role.VIEWER).text


def _until(address: str, times: int) -> None:
    deadline = time.monotonic() + 30
    while times:
        assert time.monotonic() < deadline
        try:
            urlopen(address, timeout=1).close()  # noqa: S310
            times -= 1
        except OSError:
            time.sleep(0.1)
    time.sleep(0.5)


def _answers(port: int, viewer: str) -> float:
    request = Request(f"http://127.0.0.1:{port}/metrics", headers=shown(viewer))
    with urlopen(request, timeout=5) as answer:  # noqa: S310
        return parsed(answer.read().decode())["http_answers_total", "2xx"]


def test_upkeep_without_a_database_keeps_what_was_seen() -> None:
    upkeep = Upkeep(
        database_answers=False,
        pending_bytes=5,
        lag_seconds=1.5,
        torn=2.0,
        damaged_lines=3.0,
        worker_leads=False,
        model_version={"a": 3},
        model_age={"a": 9.0},
        learned={"a": 100},
        nodes=tuple(
            NodeUpkeep(
                node_id=host,
                label=host,
                lag_seconds=lag,
                silent_seconds=0.0,
                given_up=lag > 100,
            )
            for host, lag in (("one", 2.5), ("two", 400.0))
        ),
    )
    found = parsed(Meter().show(upkeep_families(upkeep, "away")).decode())
    assert found["ready",] == found["database_up",] == 0
    assert found["journal_torn_lines_total",] == 2
    assert found["journal_damaged_lines_total",] == 3
    assert found["model_version", "a"] == 3
    assert found["node_lag_seconds", "one"] == 2.5
    assert (found["node_given_up", "one"], found["node_given_up", "two"]) == (0, 1)
