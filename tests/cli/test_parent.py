"""``kill -9`` anywhere in a tree of processes ends everything below it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from bandit_platform.settings import Settings
from tests.cli.test_processes import ready, running_in
from tests.cli.test_supervision import eventually
from tests.test_readme import free_ports

pytestmark = pytest.mark.processes

PROGRAM = (sys.executable, "-m", "bandit_platform")


@contextmanager
def started(*command: str, folder: Path, **settings: object) -> Iterator[subprocess.Popen[bytes]]:
    """A command that runs in the folder; whatever is left of it is killed at the end."""
    given = Settings(data_dir=folder / "data", **settings)  # type: ignore[arg-type]
    environment = {**os.environ, **given.to_environment(), "TMPDIR": str(folder)}
    with (
        (folder / "log").open("ab") as log,
        subprocess.Popen([*PROGRAM, *command], env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            yield process
        finally:
            for each in (process.pid, *map(int, running_in(folder))):
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)


def names_below(process: subprocess.Popen[bytes]) -> set[str]:
    """The commands of the processes that it and its children started."""
    found = set()
    for each in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.Error):
            found.add(each.cmdline()[-1])
    return found


def kill_and_see_all_gone(process: subprocess.Popen[bytes], folder: Path) -> None:
    assert running_in(folder)
    process.kill()
    process.wait()
    eventually(lambda: running_in(folder) == [])


def test_nothing_is_left_of_up_and_the_next_one_listens_at_once(tmp_path: Path) -> None:
    ports = dict(zip(("port", "console_port"), free_ports(2), strict=True))
    with started("up", folder=tmp_path, workers=2, **ports) as up:
        assert all(ready(port) for port in ports.values())
        eventually(lambda: names_below(up) >= {"serve", "console", "work"})
        left = {each.pid for each in psutil.Process(up.pid).children(recursive=True)}
        up.kill()
        with started("up", folder=tmp_path, workers=2, **ports) as next_up:
            eventually(lambda: not left.intersection(map(int, running_in(tmp_path))))
            assert all(ready(port) for port in ports.values())
            assert next_up.poll() is None
            kill_and_see_all_gone(next_up, tmp_path)
    assert "cannot listen" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("command", ["serve", "console"])
def test_nothing_is_left_of_a_server_whose_main_process_is_killed(
    tmp_path: Path, command: str
) -> None:
    port, console_port = free_ports(2)
    with started(
        command, folder=tmp_path, workers=2, port=port, console_port=console_port
    ) as server:
        assert ready(port if command == "serve" else console_port)
        kill_and_see_all_gone(server, tmp_path)


def test_nothing_is_left_of_a_demo(tmp_path: Path) -> None:
    with started("demo", "--shoppers", "100000", "--exit", folder=tmp_path) as demo:
        eventually(lambda: names_below(demo) >= {"serve", "console", "work"})
        kill_and_see_all_gone(demo, tmp_path)


CHAIN = """
import os, subprocess, sys, time
from bandit_platform.parent import be_parent, end_with_parent
depth = int(sys.argv[1])
end_with_parent()
if depth:
    environment = dict(os.environ)
    be_parent(environment)
    subprocess.Popen([sys.executable, "-c", sys.argv[2], str(depth - 1), sys.argv[2]],
                     env=environment)
else:
    print(os.getpid(), flush=True)
time.sleep(600)
"""


def test_a_process_that_is_stopped_ends_with_its_parents_parent() -> None:
    """It runs no code that could notice."""
    command = [sys.executable, "-c", CHAIN, "2", CHAIN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as top:
        assert top.stdout is not None
        last = int(top.stdout.readline())
        os.kill(last, signal.SIGSTOP)
        top.kill()
        try:
            eventually(lambda: not psutil.pid_exists(last) or _is_dead(last))
        finally:
            with suppress(ProcessLookupError):
                os.kill(last, signal.SIGKILL)


def _is_dead(process: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    return True
