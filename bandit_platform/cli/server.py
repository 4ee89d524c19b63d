"""Granian, which replaces a process that was killed however often that happens.

By itself it ends altogether when a process is killed twice within seconds, taking all others with
it. Here only a process that ends by itself, twice in a row and too soon to have served, ends it.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import structlog
from granian.server.mp import MPServer

from bandit_platform.cli.supervision import Pauses, could_not_start, how

_MOST_FAILED_STARTS = 2
_STEP_SECONDS = 0.1
_log = structlog.get_logger(__name__)
_LOGGING = {
    "handlers": {"ours": {"()": "bandit_platform.cli.server.ServerLines"}},
    "loggers": {"_granian": {"handlers": ["ours"], "propagate": False}},
}


class ServerLines(logging.Handler):
    """What Granian logs, as lines like all others; its advice on threads is for busy ones."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it, with the frames of an exception."""
        text = record.getMessage()
        if "Python threads" not in text:
            _log.log(record.levelno, text, exc_info=record.exc_info)


class Server(MPServer):
    """A server whose processes are replaced after growing pauses."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"log_dictconfig": _LOGGING, **options})
        self._pauses = [Pauses() for _ in range(self.workers)]
        self._failed_starts = [0] * self.workers

    def _respawn_workers(
        self, workers: Any, spawn_target: Any, target_loader: Any, delay: float = 0
    ) -> None:
        for number in workers:
            worker = self.wrks[number]
            status = getattr(worker.inner, "exitcode", None)
            if status is not None:
                lived = time.monotonic() - worker.birth
                failed = could_not_start(status, lived)
                self._failed_starts[number] = self._failed_starts[number] + 1 if failed else 0
                if self._failed_starts[number] >= _MOST_FAILED_STARTS:
                    self._give_up(number, status)
                    return
                self._pause(number, status, self._pauses[number].after(lived))
            if self.interrupt_signal:
                return
            super()._respawn_workers([number], spawn_target, target_loader, delay)
        self.respawned_wrks.clear()  # what Granian takes for a loop of crashes

    def _pause(self, number: int, status: int, seconds: float) -> None:
        _log.warning("serving process ended", process=number + 1, how=how(status), again_in=seconds)
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.interrupt_signal:
            time.sleep(_STEP_SECONDS)

    def _give_up(self, number: int, status: int) -> None:
        _log.error("serving process cannot start", process=number + 1, how=how(status))
        self.interrupt_children.append(number)  # so that the command fails
        self.interrupt_signal = True
        self.main_loop_interrupt.set()
