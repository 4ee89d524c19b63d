"""The whole platform on one machine for a while: serve, console and work as child processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from types import FrameType, TracebackType

from bandit_platform.errors import UnavailableError
from bandit_platform.parent import be_parent
from bandit_platform.settings import Settings
from bandit_platform.simulation.connection import Answer, JsonConnection, bearer

PROCESSES = ("serve", "console", "work")
READY_SECONDS = 60.0
STOP_SECONDS = 10.0
_TAIL_LINES = 25


def stage_settings(folder: Path, *, shop: bool = False) -> Settings:
    """Settings for a stage in a folder: SQLite, and loopback ports that are free now.

    Args:
        folder: where everything goes.
        shop: whether a shop will be open beside it.
    """
    port, console_port, shop_port = _free_ports(3)
    return Settings(
        data_dir=folder / "data",
        port=port,
        console_port=console_port,
        shop_url=f"http://127.0.0.1:{shop_port}/" if shop else "",
        drain_seconds=0.0,  # nobody's balancer is in front
    )


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Stage:
    """Starts the platform's processes on entering and stops them on leaving.

    What they print goes to ``<process>.log`` in the folder; the end of it is shown when one dies.

    Args:
        settings: how the processes run.
        folder: where their logs go.
        key: secret key of the shop's server.
        command: what starts the platform; the process's name is appended.
        processes: which processes to start, in this order.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        key: str = "",
        command: Sequence[str] = (sys.executable, "-m", "bandit_platform"),
        processes: Sequence[str] = PROCESSES,
    ) -> None:
        self.settings = settings
        self.key = key
        self._folder = folder
        self._command = tuple(command)
        self._names = tuple(processes)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Stage:
        try:
            for name in self._names:
                self.start(name)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def check(self) -> None:
        """See that every process still runs.

        Raises:
            UnavailableError: one has ended; with the end of what it printed.
        """
        for name, process in self._running.items():
            status = process.poll()
            if status is not None:
                how = f"status {status}" if status >= 0 else signal.Signals(-status).name
                raise UnavailableError(f"{name} ended with {how}. {self._tail(name)}")

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until serve and console say that they are ready.

        Raises:
            UnavailableError: a process died, or is not ready in time.
        """
        settings = self.settings
        places = {
            "serve": (settings.host, settings.port),
            "console": (settings.console_host, settings.console_port),
        }
        deadline = time.monotonic() + seconds
        for name in (name for name in self._names if name in places):
            while not _ready(*places[name]):
                self.check()
                if time.monotonic() > deadline:
                    raise UnavailableError(
                        f"{name} is not ready after {seconds:g} s. {self._tail(name)}"
                    )
                time.sleep(0.1)
        self.check()

    def wait_until_decides(self, experiment: str, seconds: float = READY_SECONDS) -> None:
        """Wait until serve has picked the experiment up.

        It is asked with a context that no experiment declares, so that nothing is ever decided:
        404 means that it does not know the experiment yet, 401 that it does not know the key.

        Raises:
            UnavailableError: a process died, or the experiment is not served in time.
        """
        connection = JsonConnection(self.settings.host, self.settings.port, bearer(self.key))
        path = f"/v1/experiments/{experiment}/decisions"
        probe = {"unit_id": "probe", "context": {"_probe": True}}
        deadline = time.monotonic() + seconds
        while connection.post(path, probe).status in {401, 404}:
            self.check()
            if time.monotonic() > deadline:
                raise UnavailableError(f"serve does not know {experiment} after {seconds:g} s")
            time.sleep(0.1)
        connection.close()

    def stop_process(self, name: str) -> None:
        """End one process; the others go on."""
        process = self._running.pop(name)
        process.terminate()
        process.wait()

    def kill(self, name: str, *, children: bool = True) -> None:
        """End one process by ``kill -9``, as a crash would, with its children or without."""
        process = self._running.pop(name)
        with suppress(ProcessLookupError):
            if children:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()

    def process_ids(self, name: str) -> list[int]:
        """The process of that name and its children, each of which leads no session of its own."""
        session = self._running[name].pid
        every = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        found = []
        for each in every:
            with suppress(ProcessLookupError):
                if os.getsid(each) == session:
                    found.append(each)
        return found

    def start(self, name: str) -> None:
        """Start one process, after it was killed, say."""
        self._running[name] = self._start(name)

    def stop(self) -> None:
        """End every process: kindly first, by force after a while."""
        for process in self._running.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        try:
            for process in self._running.values():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.1, deadline - time.monotonic()))
        finally:
            for process in self._running.values():
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            self._running.clear()

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **self.settings.to_environment()}
        be_parent(environment)
        with (self._folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own program, no shell
                [*self._command, name],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _tail(self, name: str) -> str:
        text = (self._folder / f"{name}.log").read_text(errors="replace")
        lines = text.splitlines()[-_TAIL_LINES:]
        return "\n".join(["Its last words:", *lines]) if lines else "It said nothing."


def _ready(host: str, port: int) -> bool:
    connection = JsonConnection(host, port)
    try:
        answer: Answer = connection.get("/readyz")
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return answer.ok


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Inside, SIGTERM ends the program as Ctrl-C does, so that everything started is stopped.

    SIGINT is taken too, because a shell starts its background jobs with it ignored.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
