"""The event loop of a serving process: limits connections, drains and stops."""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

import structlog

from bandit_platform.web.http_server.answers import Answer, Application, ask
from bandit_platform.web.http_server.connection import Connection
from bandit_platform.web.http_server.requests import Refusal
from bandit_platform.web.reading import DRAINING

#: callers without a valid key whose bodies may be awaited at the same time
STRANGERS_BODIES = 32
_SWEEP_SECONDS = 0.25
#: how many connections are given up at once when there are too many
_GIVEN_UP = 64
#: files that a process needs beside its connections
_OTHER_FILES = 256
_END_SECONDS = 5.0
_BUSY = Refusal(
    "503 Service Unavailable", "Too many clients are sending slowly; try again shortly."
)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Hosted:
    """An application and how it is served.

    Attributes:
        app: the WSGI application.
        longest: bytes of a body that are kept at most; a function gives them for each path.
        rank: how well a request's key is known: 0 for none, 1 for a page's, 2 for a secret one.
        threads: answer in so many threads; 0 answers in the event loop, one request at a time.
    """

    app: Application
    longest: int | Callable[[str], int]
    rank: Callable[[dict[str, Any]], int]
    threads: int = 0

    def serve(self, host: str, port: int, *, connections: int, drain_seconds: float) -> None:
        """Answer in this process until a signal; arguments as for :class:`HttpServer`."""
        HttpServer(self, connections=connections, drain_seconds=drain_seconds).run(host, port)


class HttpServer:
    """Holds the connections of one process.

    Args:
        hosted: what answers.
        connections: how many it holds at most; the longest idle one makes room for a new one,
            first among those without a valid key.
        drain_seconds: how long it goes on answering, with ``Connection: close``, after SIGTERM.
    """

    def __init__(self, hosted: Hosted, *, connections: int, drain_seconds: float) -> None:
        self._hosted = hosted
        self._most = connections
        self._drain_seconds = drain_seconds
        self._connections: set[Connection] = set()
        #: strangers whose bodies are awaited, the longest waiting one first
        self._waiting: dict[Connection, None] = {}
        self._pool = ThreadPoolExecutor(hosted.threads, "answer") if hosted.threads else None
        self.longest = hosted.longest
        self.rank = hosted.rank
        self.is_draining = False
        self._stopped = asyncio.Event()
        self.common: dict[str, Any] = {}

    def run(self, host: str, port: int) -> None:
        """Answer until a signal: SIGTERM drains first, SIGINT does not."""

        async def answer() -> None:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, self.drain)
            loop.add_signal_handler(signal.SIGINT, self.stop)
            self._most = _with_enough_files(self._most)
            await self.answer(_listen(host, port, self._most))

        asyncio.run(answer())

    async def answer(self, listener: socket.socket) -> None:
        """Answer callers of a listening socket until :meth:`stop`, or the end of a drain."""
        self._loop = asyncio.get_running_loop()
        self.common = _common(*listener.getsockname()[:2])
        listening = await self._loop.create_server(
            lambda: Connection(self), sock=listener, backlog=self._most
        )
        sweeping = self._loop.create_task(self._sweep())
        await self._stopped.wait()
        self.is_draining = True
        listening.close()
        await self._end()
        sweeping.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def count(self) -> int:
        """How many connections it holds."""
        return len(self._connections)

    def stop(self) -> None:
        """Take no further connection, and end when what was begun is answered."""
        self._stopped.set()

    def drain(self) -> None:
        """Let callers go: each answer ends its connection, and after a while the process ends."""
        if not self.is_draining:
            self.is_draining = True
            self._loop.call_later(self._drain_seconds, self.stop)

    async def _end(self) -> None:
        """Close idle connections; wait a while for what is being answered or sent."""
        deadline = monotonic() + _END_SECONDS
        while self._connections and monotonic() < deadline:
            for connection in list(self._connections):
                if connection.is_idle:
                    connection.close()
            await asyncio.sleep(0.02)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = monotonic()
            for connection in list(self._connections):
                connection.check_time(now)

    def ask(self, environ: dict[str, Any], answered: Callable[[Answer], None]) -> Answer | None:
        """The application's answer; None where another thread makes it and it comes later."""
        if self.is_draining:
            environ[DRAINING] = True
        if self._pool is None:
            return ask(self._hosted.app, environ)
        made = self._loop.run_in_executor(self._pool, ask, self._hosted.app, environ)
        made.add_done_callback(lambda done: answered(done.result()))
        return None

    def add(self, connection: Connection) -> None:
        """Hold one more connection, if need be instead of others."""
        if len(self._connections) >= self._most:
            self._make_room()
        self._connections.add(connection)
        if len(self._connections) > self._most:
            connection.close()

    def remove(self, connection: Connection) -> None:
        """Hold it no longer."""
        self._connections.discard(connection)
        self._waiting.pop(connection, None)

    def let_wait(self, connection: Connection) -> None:
        """A stranger's body is awaited; the one awaited longest gives its place to a newer one."""
        waiting = self._waiting
        for other in [each for each in waiting if not each.awaits_body]:
            del waiting[other]
        waiting[connection] = None
        if len(waiting) > STRANGERS_BODIES:
            oldest = next(iter(waiting))
            del waiting[oldest]
            oldest.refuse(_BUSY)

    def _make_room(self) -> None:
        """Give up connections on which the caller is awaited, least known and longest first."""
        free = [each for each in self._connections if not each.is_busy]
        free.sort(key=lambda each: (each.rank, each.since))
        for connection in free[:_GIVEN_UP]:
            if connection.rank > free[0].rank:
                break
            connection.give_up(_BUSY)
            self.remove(connection)


def _common(host: str, port: int) -> dict[str, Any]:
    """What the environments of all requests hold."""
    return {
        "SCRIPT_NAME": "",
        "SERVER_NAME": host,
        "SERVER_PORT": f"{port}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }


def _listen(host: str, port: int, backlog: int) -> socket.socket:
    """A listening socket of this process alone; the system spreads callers over the processes."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = family == socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server(
        (host, port), family=family, backlog=backlog, reuse_port=True, dualstack_ipv6=both
    )


def _with_enough_files(connections: int) -> int:
    """How many connections there can be, after asking the system for as many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
        if soft < wanted:
            _log.warning("fewer connections: raise the limit of open files", files=soft)
            return max(1, soft - _OTHER_FILES)
    return connections
