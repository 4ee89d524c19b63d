"""Starting processes again that were killed, after growing pauses; a start that fails is an end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from subprocess import Popen, TimeoutExpired
from threading import Event

import structlog

#: a process that ends by itself within so long of its start could not start
START_SECONDS = 30.0
#: one that was killed is started again at once if it had lived for so long
_LIVED_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 5.0
_LOOK_SECONDS = 0.2
#: until the processes of one that was killed have noticed, and its port is free
_FREE_SECONDS = 1.0
_CHANCES = 5
_STOP_SECONDS = 15.0

_log = structlog.get_logger(__name__)


class Pauses:
    """How long to wait before something is started again: the longer, the oftener it ends soon."""

    def __init__(self, shortest: float = 0.0) -> None:
        self._shortest = shortest
        self._next = shortest

    def after(self, lived: float) -> float:
        """The pause after a life of so many seconds."""
        if lived >= _LIVED_SECONDS:
            self._next = self._shortest
        pause = self._next
        self._next = min(_LONGEST_PAUSE_SECONDS, max(_FIRST_PAUSE_SECONDS, 2 * pause))
        return pause


def how(status: int) -> str:
    """How a process ended: ``SIGKILL``, ``status 1``."""
    if status < 0:
        with suppress(ValueError):
            return signal.Signals(-status).name
    return f"status {status}"


def could_not_start(status: int, lived: float) -> bool:
    """Whether it ended by itself, and too soon to have done anything."""
    return status > 0 and lived < START_SECONDS


@dataclass(kw_only=True)
class _Part:
    """One process, and when it is started again."""

    process: Popen[bytes]
    born: float
    pauses: Pauses = field(default_factory=partial(Pauses, _FREE_SECONDS))
    again_at: float | None = None
    #: starts that may fail one after the other: the first one none, later ones some, because what
    #: stood in the way may go away
    chances: int = 0


class Household:
    """Processes that run together until they are stopped, or one of them cannot start."""

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        environment: Mapping[str, str],
        last: Collection[str] = (),
        drain_seconds: float = 0.0,
    ) -> None:
        """Prepare, without starting anything.

        Args:
            commands: name of each process → its command.
            environment: of them all.
            last: those that end after the others have ended, because they finish their work.
            drain_seconds: how long they drain after SIGTERM.
        """
        self._commands = commands
        self._environment = environment
        self._last = last
        self._stop_seconds = drain_seconds + _STOP_SECONDS
        self._parts: dict[str, _Part] = {}

    def run(self, stop: Event, *, clock: Callable[[], float] = time.monotonic) -> str | None:
        """Start them all, and again each that ends, until ``stop`` is set; then end them all.

        Returns:
            The one that could not start; None when all was well.
        """
        try:
            for name in self._commands:
                self._parts[name] = _Part(process=self._start(name), born=clock())
            while not stop.wait(_LOOK_SECONDS):
                for name, part in self._parts.items():
                    if self._look(name, part, clock()):
                        return name
            return None
        finally:
            self._end()

    def _look(self, name: str, part: _Part, now: float) -> bool:
        """Start it again when it is time to; True if it cannot start."""
        status = part.process.poll()
        if status is None:
            return False
        if part.again_at is None:
            lived = now - part.born
            if could_not_start(status, lived):
                if part.chances == 0:
                    return True
                part.chances -= 1
            else:
                part.chances = _CHANCES
            pause = part.pauses.after(lived)
            part.again_at = now + pause
            _log.warning("process ended", process=name, how=how(status), again_in=pause)
        if now >= part.again_at:
            part.process, part.born, part.again_at = self._start(name), now, None
        return False

    def _start(self, name: str) -> Popen[bytes]:
        return Popen(self._commands[name], env=self._environment)  # noqa: S603 - our own program

    def _end(self) -> None:
        first = [part.process for name, part in self._parts.items() if name not in self._last]
        last = [part.process for name, part in self._parts.items() if name in self._last]
        for processes in (first, last):
            self._end_together(processes)

    def _end_together(self, processes: Sequence[Popen[bytes]]) -> None:
        for process in processes:
            process.terminate()
        for process in processes:
            with suppress(TimeoutExpired):
                process.wait(self._stop_seconds)
            process.kill()
            process.wait()
