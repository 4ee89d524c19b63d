"""The demo runs the whole loop, checks itself against the truth, and leaves nothing behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

COMMAND = [sys.executable, "-m", "bandit_platform", "demo"]


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The demo in the background; its temporary folder lies in ``folder``."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def processes_of(folder: Path) -> list[str]:
    """Command lines of running processes that know the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_three_hundred_shoppers_from_start_to_report() -> None:
    done = subprocess.run(
        [*COMMAND, "--shoppers", "300", "--exit", "--format", "json", "--seed", "4"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["simulated"] is True
    assert "simulated" in report["note"]
    counts = report["counts"]
    assert report["reconciliation"]["ok"], report["reconciliation"]
    assert counts["decisions"] == report["driver"]["decisions_sent"] == 300
    assert counts["interactions"] + counts["holdout_interactions"] == 300
    assert counts["learned"] == counts["interactions"]
    assert counts["events"] == report["driver"]["events_sent"] > 100
    assert report["model_version"] >= 1
    policies = {row["policy"]: row for row in report["policies"]}
    expected = {"logging", "serving", "greedier", "pairs", "uniform", "always:nothing"}
    assert expected <= set(policies)
    assert {"always:vip-upgrade", "always:merch"} <= set(policies)
    assert sum(row["value"]["covered"] for row in policies.values()) >= len(policies) - 1
    assert policies["always:nothing"]["uplift"]["truth"] == 0.0
    low, high = report["reward_range"]
    assert (low, high) == (-9.0, 14.4)
    assert report["currency"] == "GBP"
    assert abs(report["programme"]["truth"]) < 0.129 * (high - low)
    assert sum(report["arms_last_quarter"]["probability"].values()) == pytest.approx(1.0)


def test_without_exit_the_dashboard_stays_open_until_ctrl_c(tmp_path: Path) -> None:
    with running(tmp_path, "--shoppers", "40", "--rate", "40") as process:
        assert process.stderr is not None
        assert process.stdout is not None
        found = shop = None
        while found is None:
            line = process.stderr.readline()
            assert line, "the demo ended by itself"
            shop = shop or re.search(r"Shop there yourself: http://([\d.:]+)/ ", line)
            found = re.search(r"open at http://([\d.:]+)(/\S+);", line)
        assert shop is not None
        evenings = HTTPConnection(shop[1], timeout=10)
        evenings.request("GET", "/")
        assert b"Add to cart" in evenings.getresponse().read()
        evenings.close()
        dashboard = HTTPConnection(found[1], timeout=10)
        dashboard.request("GET", found[2])
        entered = dashboard.getresponse()
        entered.read()
        assert entered.status == 303
        cookie = entered.headers["Set-Cookie"].partition(";")[0]
        dashboard.request("GET", entered.headers["Location"], headers={"Cookie": cookie})
        page = dashboard.getresponse()
        assert page.status == 200
        assert b"confirmation-page" in page.read()
        dashboard.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert "simulated" in process.stdout.read()
    assert processes_of(tmp_path) == []
    assert list(tmp_path.glob("bandit-platform-*")) == []


def test_sigterm_in_the_middle_stops_and_removes_everything(tmp_path: Path) -> None:
    with running(tmp_path, "--shoppers", "5000", "--exit") as process:
        wait_for(lambda: len(processes_of(tmp_path)) >= 4, 30)
        wait_for(lambda: list(tmp_path.glob("bandit-platform-*/data/journal/*")), 30)
        process.terminate()
        assert process.wait(30) == 130
    assert processes_of(tmp_path) == []
    assert list(tmp_path.glob("bandit-platform-*")) == []


@pytest.mark.parametrize(
    "arguments", [("--shoppers", "0"), ("--format", "xml"), ("--rate", "-1"), ("--nonsense",)]
)
def test_bad_options_are_refused(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert done.stderr
