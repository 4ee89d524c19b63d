"""Refusing a part of the requests while they wait too long, so that the others are in time.

What waits, waits in the server and in the system, where the application sees nothing of it. So the
process asks itself, over its own port, four times a second, and takes the time. When that has been
too long several times running, a growing share of requests is answered 503 without being looked
at, which costs a small part of a decision; when it is short again, the share shrinks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from threading import Event, Thread
from typing import Any

import structlog

from bandit_platform.web.observed import Application, Start
from bandit_platform.web.problems import problem

PROBE = "/.waiting"
#: so many waits in a row must be too long before anything is refused
_PATIENCE = 4
_STEP_UP, _STEP_DOWN, _MOST = 0.3, 0.1, 0.9
_SECONDS = 0.25
_OPEN = frozenset({"/healthz", "/readyz", "/metrics"})
_BUSY = "More requests come than can be answered in time; try again shortly."
_log = structlog.get_logger(__name__)


class Shedding:
    """A WSGI application that is spared a share of its requests while they wait too long.

    Args:
        inner: the application.
        observed: puts what all answers have in common around an answer.
        longest: seconds that a request may wait.
    """

    def __init__(
        self,
        inner: Application,
        observed: Callable[[Application], Application],
        *,
        longest: float,
    ) -> None:
        self._inner = inner
        self._refuse = observed(_refuse)
        self._longest = longest
        self._slow = 0
        self._due = 0.0
        #: share of requests that is refused
        self.share = 0.0

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answer a request, or refuse it."""
        path = environ["PATH_INFO"]
        if path == PROBE:
            start("204 No Content", [])
            return ()
        if self.share and path not in _OPEN:
            self._due += self.share
            if self._due >= 1.0:
                self._due -= 1.0
                return self._refuse(environ, start)
        return self._inner(environ, start)

    def waited(self, seconds: float) -> None:
        """Take note of how long a request of our own waited."""
        if seconds > self._longest:
            self._slow += 1
            if self._slow >= _PATIENCE:
                if not self.share:
                    _log.warning("requests are refused", waited=round(seconds, 3))
                self.share = min(_MOST, self.share + _STEP_UP)
            return
        self._slow = 0
        if self.share:
            self.share = self.share - _STEP_DOWN if self.share > _STEP_DOWN else 0.0
            if not self.share:
                _log.warning("requests are refused no more")

    def keep_watch(self, host: str, port: int, stop: Event | None = None) -> Thread:
        """Ask ourselves in the background; while nobody listens there, nothing is refused."""
        stop = stop or Event()
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - as configured

        def run() -> None:
            while not stop.wait(_SECONDS):
                seconds = wait_at(address, port, 4 * self._longest)
                if seconds is not None:
                    self.waited(seconds)

        thread = Thread(target=run, name="shedding", daemon=True)
        thread.start()
        return thread


def wait_at(host: str, port: int, timeout: float) -> float | None:
    """Seconds until an answer comes; None where nobody listens."""
    began = time.monotonic()
    try:
        with closing(HTTPConnection(host, port, timeout=timeout)) as connection:
            connection.request("GET", PROBE)
            connection.getresponse().read()
    except TimeoutError:
        return timeout
    except (OSError, HTTPException):
        return None
    return time.monotonic() - began


def _refuse(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    answer = problem(503, "unavailable", "Unavailable", _BUSY)
    # The caller, or its load balancer, then tries another process or node.
    answer.headers["Connection"] = "close"
    return answer(environ, start)
