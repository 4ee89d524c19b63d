"""Forks the processes that answer HTTP, and replaces each one that is killed.

If a process exits right after its start, twice in a row, all processes end.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

import structlog

from bandit_platform.cli.supervision import Pauses, could_not_start, how

_MOST_FAILED_STARTS = 2
_STEP_SECONDS = 0.1
#: how long a process may take to end after it has drained
_END_SECONDS = 7.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_FORK = multiprocessing.get_context("fork")
_log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class _Worker:
    """One process, and when it is started again."""

    process: BaseProcess
    born: float
    pauses: Pauses = field(default_factory=Pauses)
    failed_starts: int = 0
    again_at: float | None = None


class Server:
    """Processes that answer at one address.

    Args:
        factory: ``module:function`` that makes what a process serves (a ``Hosted``).
        host: where they listen.
        port: where they listen.
        workers: how many there are.
        connections: how many each of them holds.
        drain_seconds: how long they go on answering after SIGTERM.
    """

    def __init__(
        self,
        factory: str,
        *,
        host: str,
        port: int,
        workers: int,
        connections: int,
        drain_seconds: float,
    ) -> None:
        self._factory = factory
        self._host = host
        self._port = port
        self._count = workers
        self._connections = connections
        self._drain_seconds = drain_seconds
        self.workers: list[_Worker] = []
        self._signal = 0

    def serve(self) -> None:
        """Answer until a signal: SIGTERM lets the processes drain, SIGINT does not.

        Raises:
            SystemExit: a process cannot start.
        """
        before = {number: signal.signal(number, self._take_signal) for number in _SIGNALS}
        failed = False
        try:
            self.workers = [self._made() for _ in range(self._count)]
            while not self._signal and not failed:
                self._wait()
                now = time.monotonic()
                failed = not all(self.look_after(number, now) for number in range(self._count))
        finally:
            self._end(self._signal or signal.SIGTERM)
            for number, handler in before.items():
                signal.signal(number, handler)
        if failed:
            sys.exit(1)

    def look_after(self, number: int, now: float) -> bool:
        """Replace a process that has ended, when it is time to; False if it cannot start."""
        worker = self.workers[number]
        status = worker.process.exitcode
        if status is None or self._signal:
            return True
        if worker.again_at is None:
            lived = now - worker.born
            failed = could_not_start(status, lived)
            worker.failed_starts = worker.failed_starts + 1 if failed else 0
            if worker.failed_starts >= _MOST_FAILED_STARTS:
                _log.error("serving process cannot start", process=number + 1, how=how(status))
                return False
            pause = worker.pauses.after(lived)
            worker.again_at = now + pause
            _log.warning(
                "serving process ended", process=number + 1, how=how(status), again_in=pause
            )
        if now >= worker.again_at:
            worker.process, worker.born, worker.again_at = self._started(), now, None
        return True

    def _wait(self) -> None:
        """Until a process ends, or a step."""
        alive = [each.process.sentinel for each in self.workers if each.process.exitcode is None]
        if alive:
            wait(alive, _STEP_SECONDS)
        else:
            time.sleep(_STEP_SECONDS)

    def _take_signal(self, number: int, _frame: Any) -> None:
        self._signal = self._signal or number

    def _made(self) -> _Worker:
        return _Worker(process=self._started(), born=time.monotonic())

    def _started(self) -> BaseProcess:
        process = _FORK.Process(target=self._work, name="serving")
        # A signal that comes while it is forked must meet the child's own handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        return process

    def _work(self) -> None:
        """What a process does."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        module, _, name = self._factory.partition(":")
        try:
            made: Callable[[], Any] = getattr(import_module(module), name)
            made().serve(
                self._host,
                self._port,
                connections=self._connections,
                drain_seconds=self._drain_seconds,
            )
        except Exception:  # noqa: BLE001 - logged without values, and ends the process
            _log.exception("serving process failed")
            sys.exit(1)

    def _end(self, number: int) -> None:
        deadline = time.monotonic() + self._drain_seconds + _END_SECONDS
        running = [each.process for each in self.workers]
        for process in running:
            if process.exitcode is None and process.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)
        for process in running:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.exitcode is None:
                process.kill()
                process.join()
