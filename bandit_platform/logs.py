"""Logs: one line an event on stderr, for people at a terminal and as JSON for everything else."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from contextvars import ContextVar
from math import inf
from threading import Lock
from types import TracebackType
from typing import Any, TextIO
from weakref import WeakSet

import structlog

from bandit_platform.errors import BanditPlatformError

#: id of the request being answered; None outside requests
REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)

#: kinds of trouble that are told apart
_MOST_KINDS = 1000
_SELDOM: WeakSet[SeldomLog] = WeakSet()
_Raised = tuple[type[BaseException], BaseException, TracebackType | None]


def configure_logs() -> None:
    """Log to stderr, with tracebacks that hold no data.

    A shopper's request must not end up in a log. Libraries repeat values in the messages of their
    errors and structlog prints every local variable, so a traceback here is its frames, and the
    message only where it is ours or the operating system's.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _with_request_id,
            *(_for_people() if sys.stderr.isatty() else _for_programs()),
        ],
        logger_factory=lambda *_: _Lines(sys.stderr),
    )
    for each in tuple(_SELDOM):  # what was logged elsewhere is not in this log
        each.forget()


class SeldomLog:
    """Logs trouble that every request meets: a line in ten seconds, and how many it stands for."""

    def __init__(
        self, logger: Any, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        #: trouble → when it was last logged, and how often it was met since
        self._met: dict[tuple[str, str], tuple[float, int]] = {}
        _SELDOM.add(self)

    def forget(self) -> None:
        """Log the next trouble of each kind."""
        with self._lock:
            self._met.clear()

    def error(self, event: str, kind: str = "", **fields: Any) -> None:
        """Log an error; ``kind`` tells apart what is logged under one event."""
        self._log("error", event, kind, fields)

    def warning(self, event: str, kind: str = "", **fields: Any) -> None:
        """As :meth:`error`, a warning."""
        self._log("warning", event, kind, fields)

    def _log(self, level: str, event: str, kind: str, fields: Mapping[str, Any]) -> None:
        now, key = self._clock(), (event, kind)
        with self._lock:
            logged, suppressed = self._met.get(key, (-inf, 0))
            if now - logged < self._seconds:
                self._met[key] = logged, suppressed + 1
                return
            if key not in self._met and len(self._met) >= _MOST_KINDS:
                self._met.clear()
            self._met[key] = now, 0
        counted = {"suppressed": suppressed} if suppressed else {}
        getattr(self._logger, level)(event, **fields, **counted)


def where_raised(error: BaseException) -> str:
    """Kind of an error and the line that raised it, to tell one trouble from another."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__qualname__} {place}"


class _Lines(structlog.PrintLogger):
    """Prints lines. One that cannot be written is lost: whoever logs must not fail of that.

    The disk may be full, or whoever reads our log may be gone.
    """

    def msg(self, message: str) -> None:
        with suppress(OSError):
            super().msg(message)

    debug = info = warning = error = exception = msg


def _for_people() -> list[Any]:
    return [structlog.dev.ConsoleRenderer(colors=True, exception_formatter=_print_frames)]


def _for_programs() -> list[Any]:
    return [structlog.processors.ExceptionRenderer(_frames), structlog.processors.JSONRenderer()]


def _with_request_id(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    request_id = REQUEST_ID.get()
    if request_id is not None:
        event["request_id"] = request_id
    return event


def _print_frames(stream: TextIO, exc_info: _Raised) -> None:
    stream.write("\n" + _frames(exc_info))


def _frames(exc_info: _Raised) -> str:
    parts: list[str] = []
    error: BaseException | None = exc_info[1]
    while error is not None:
        frames = "".join(traceback.format_tb(error.__traceback__))
        parts.append(f"{frames}{type(error).__qualname__}{_safe_message(error)}")
        hidden = error.__suppress_context__
        error = error.__cause__ or (None if hidden else error.__context__)
    return "\nwhich followed from\n".join(parts)


def _safe_message(error: BaseException) -> str:
    return f": {error}" if isinstance(error, BanditPlatformError | OSError) else ""
