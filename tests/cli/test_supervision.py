"""What is killed is started again, after growing pauses; what cannot start ends everything."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
import pytest

from bandit_platform.cli import supervision
from bandit_platform.cli.server import Server
from bandit_platform.cli.supervision import Household, Pauses, could_not_start, how
from bandit_platform.settings import Settings
from tests.cli.test_processes import ready, running_in
from tests.test_readme import free_ports

pytestmark = pytest.mark.processes

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_pauses_grow_to_a_limit_and_begin_anew_after_a_long_life() -> None:
    pauses = Pauses()
    assert [pauses.after(1.0) for _ in range(7)] == [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 5.0]
    assert pauses.after(9.9) == 5.0
    assert [pauses.after(10.0), pauses.after(10.0), pauses.after(1.0)] == [0.0, 0.0, 0.25]
    assert [Pauses(1.0).after(1.0) for _ in range(2)] == [1.0, 1.0]


def test_how_a_process_ended() -> None:
    assert (how(-9), how(1), how(-250)) == ("SIGKILL", "status 1", "status -250")
    assert could_not_start(1, 29.0)
    assert not could_not_start(1, 31.0)
    assert not could_not_start(-9, 0.1)
    assert not could_not_start(0, 0.1)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that tests need not wait for."""
    for name in ("_FREE_SECONDS", "_FIRST_PAUSE_SECONDS", "_LONGEST_PAUSE_SECONDS"):
        monkeypatch.setattr(supervision, name, 0.02)
    monkeypatch.setattr(supervision, "_LOOK_SECONDS", 0.02)


def eventually(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def children() -> dict[int, list[str]]:
    """The processes of this test; others of the same run may have started some of their own."""
    found = {}
    for process in psutil.Process().children():
        with suppress(psutil.Error):  # it has just ended
            if process.cmdline()[: len(SLEEP)] == SLEEP:
                found[process.pid] = process.cmdline()
    return found


def test_one_that_is_killed_again_and_again_is_started_again(
    soon: None, capfd: pytest.CaptureFixture[str]
) -> None:
    household, stop, found = Household({"one": SLEEP, "two": [*SLEEP, "two"]}, {}), Event(), []
    thread = Thread(target=lambda: found.append(household.run(stop)))
    thread.start()
    try:
        eventually(lambda: len(children()) == 2)
        (steady,) = (pid for pid, line in children().items() if line[-1] == "two")
        for _ in range(4):
            (victim,) = children().keys() - {steady}
            psutil.Process(victim).kill()
            eventually(lambda v=victim: len(children().keys() - {v}) == 2)
        assert steady in children()
    finally:
        stop.set()
        thread.join(20)
    assert found == [None]
    assert children() == {}
    assert "".join(capfd.readouterr()).count("SIGKILL") == 4


def test_one_that_cannot_start_ends_everything(soon: None) -> None:
    broken = [sys.executable, "-c", "raise SystemExit(1)"]
    assert Household({"one": SLEEP, "broken": broken}, {}).run(Event()) == "broken"
    assert children() == {}


def test_one_that_was_killed_may_fail_to_start_for_a_while(soon: None, tmp_path: Path) -> None:
    """Its port may be taken a little longer."""
    count = tmp_path / "count"
    text = (
        "import os, signal, sys, pathlib\n"
        f"path = pathlib.Path({str(count)!r})\n"
        "n = int(path.read_text()) if path.exists() else 0\n"
        "path.write_text(str(n + 1))\n"
        "os.kill(os.getpid(), signal.SIGKILL) if n == 0 else sys.exit(1)\n"
    )
    assert Household({"one": [sys.executable, "-c", text]}, {}).run(Event()) == "one"
    assert count.read_text() == "7"  # the one that was killed, five chances, and the end


def test_a_process_that_drains_is_given_the_time_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervision, "_STOP_SECONDS", 0.1)
    begun, drained = tmp_path / "begun", tmp_path / "drained"
    text = (
        "import pathlib, signal, sys, time\n"
        "def drain(*_):\n"
        f"    time.sleep(0.5)\n    pathlib.Path({str(drained)!r}).touch()\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, drain)\n"
        f"pathlib.Path({str(begun)!r}).touch()\ntime.sleep(60)\n"
    )
    household = Household({"one": [sys.executable, "-c", text]}, {}, drain_seconds=20.0)
    stop = Event()
    thread = Thread(target=household.run, args=(stop,))
    thread.start()
    eventually(begun.exists)
    stop.set()
    thread.join(20)
    assert drained.exists()


class Process:
    """One that answers, of which only this is looked at."""

    def __init__(self, status: int | None) -> None:
        self.exitcode = status


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server of two processes that starts none, and how often it would have."""
    made = Server(
        "nowhere:app", host="127.0.0.1", port=0, workers=2, connections=10, drain_seconds=0.0
    )
    again: list[float] = []
    monkeypatch.setattr(Server, "_started", lambda _: again.append(now[0]) or Process(None))
    now = [0.0]
    made.workers = [made._made() for _ in range(2)]
    again.clear()

    def ends(number: int, status: int, lived: float) -> bool:
        """Let a process end, and look after it until there is another one, or no other."""
        worker = made.workers[number]
        worker.process, worker.born = Process(status), now[0]
        now[0] += lived
        while worker.process.exitcode is not None:
            if not made.look_after(number, now[0]):
                return False
            now[0] += 0.05
        return True

    made.ends, made.again = ends, again
    return made


def test_a_serving_process_that_is_killed_within_seconds_is_replaced_each_time(server: Any) -> None:
    for _ in range(8):
        assert server.ends(1, -signal.SIGKILL, 1.0)
    assert len(server.again) == 8
    pauses = [later - earlier - 1.0 for earlier, later in pairwise(server.again)]
    assert pauses[0] < 0.5
    assert 4.9 < pauses[-1] < 5.3


def test_a_serving_process_that_cannot_start_ends_the_server(server: Any) -> None:
    assert server.ends(0, 1, 2.0)
    assert server.ends(0, -signal.SIGKILL, 2.0)  # not twice in a row
    assert server.ends(0, 1, 2.0)
    assert server.ends(1, 1, 2.0)  # the other one's start is another matter
    assert not server.ends(0, 1, 2.0)
    assert len(server.again) == 4


def test_a_process_that_cannot_start_is_told_of_without_values(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", port=free_ports(1)[0])
    broken = (
        "from bandit_platform.web import decision_app\n"
        "def fail(*_):\n    raise RuntimeError('4111 1111 1111 1111')\n"
        "decision_app.build_serving = fail\n"
        "from bandit_platform.cli.processes import serve\nserve()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", broken],
        env=settings.to_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 1
    assert "4111" not in ran.stderr
    assert ran.stderr.count("serving process failed") == 2
    assert "serving process cannot start" in ran.stderr


def test_up_survives_repeated_kills(tmp_path: Path) -> None:
    """Of a serving process, of the one that started it, and of the worker."""
    ports = free_ports(2)
    settings = Settings(data_dir=tmp_path / "data", port=ports[0], console_port=ports[1])
    command = [sys.executable, "-m", "bandit_platform", "up"]
    log = tmp_path / "log"
    with (
        log.open("wb") as file,
        subprocess.Popen(command, env=settings.to_environment(), stdout=file, stderr=file) as up,
    ):
        try:
            assert ready(ports[0])
            family = psutil.Process(up.pid)

            def named(name: str) -> psutil.Process:
                return next(c for c in family.children() if c.cmdline()[-1] == name)

            for _ in range(3):
                eventually(lambda: [c for c in named("serve").children() if c.cmdline()])
                for child in named("serve").children():
                    if "serve" in child.cmdline():
                        child.kill()
                time.sleep(0.3)
            assert ready(ports[0])
            for name in ("serve", "work"):
                victim = named(name)
                victim.kill()
                eventually(lambda v=victim, n=name: v.pid not in {c.pid for c in family.children()})
            assert ready(ports[0])
            eventually(lambda: named("work"))
        finally:
            up.terminate()
        assert up.wait(30) == 0
    told = log.read_text()
    assert "crash loop" not in told
    events = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    ended = [e["event"] for e in events if e.get("how") == "SIGKILL"]
    assert ended.count("serving process ended") >= 3
    assert [e["process"] for e in events if e["event"] == "process ended"] == ["serve", "work"]
    assert running_in(tmp_path) == []
