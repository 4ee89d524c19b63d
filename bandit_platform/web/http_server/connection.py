"""Reads requests from one connection and sends answers, one at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import structlog

from bandit_platform.web.http_server.answers import INTERNAL, Answer, refusal, to_bytes
from bandit_platform.web.http_server.requests import Refusal, Request, RequestReader

if TYPE_CHECKING:
    from bandit_platform.web.http_server.server import HttpServer

#: how long a connection is read, and thrown away, after an answer that the caller did not wait for
_LINGER_SECONDS = 2.0
_HEAD_SECONDS, _BODY_SECONDS, _WRITE_SECONDS = 10.0, 30.0, 30.0
#: longer than the 60 s for which proxies keep connections, so that these close them first
_IDLE_SECONDS = 75.0
_log = structlog.get_logger(__name__)


class Connection(asyncio.Protocol):
    """A caller's connection.

    Attributes:
        rank: 0 while no valid key was shown on it, 1 for a page's key, 2 for a secret one.
        since: when its present state began.
        is_busy: whether the application works on a request of it.
    """

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._queue: deque[Request | Refusal] = deque()
        self._lingers = self._ended = self._is_full = self._told_to_go_on = False
        self._unsent = 0
        self.rank = 0
        self.since = monotonic()
        self.is_busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        address = transport.get_extra_info("peername") or ("",)
        common = {**self._server.common, "REMOTE_ADDR": str(address[0]).partition("%")[0]}
        self._reader = RequestReader(common, self._server.longest)
        self._server.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """Be forgotten."""
        self._queue.clear()
        self._ended = True
        self._server.remove(self)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request, or several requests."""
        if self._is_ending:
            return
        was_idle = self.is_idle
        self._queue.extend(self._reader.feed(data))
        if was_idle and not self.is_idle:  # line ends before a request begin none
            self.since = monotonic()
        self._answer_next()
        if self._reader.head is not None:
            self._wait_for_body()

    def eof_received(self) -> bool:
        """The caller sends nothing more; it may still wait for answers."""
        self._ended = True
        return self.is_busy or bool(self._queue)

    def pause_writing(self) -> None:
        """The caller reads too slowly: nothing more is answered until it has read."""
        self._is_full = True
        self._read_or_wait()

    def resume_writing(self) -> None:
        """Go on."""
        self._is_full = False
        self._go_on()

    @property
    def is_idle(self) -> bool:
        """Whether the caller waits for nothing: no request was begun, no answer is owed."""
        return not (self._reader.started or self.is_busy or self._queue or self._lingers)

    @property
    def awaits_body(self) -> bool:
        """Whether the head of a request has arrived and its body has not."""
        return self._reader.head is not None and not self._is_ending

    @property
    def _is_ending(self) -> bool:
        return self._lingers or self._transport.is_closing()

    def _go_on(self) -> None:
        """Answer the next request, or read on."""
        if self._is_ending:
            return
        self._answer_next()
        self._read_or_wait()
        self._wait_for_body()

    def _wait_for_body(self) -> None:
        """Where a body is to come, judge the key, without which there are few places."""
        head = self._reader.head
        if head is None or self._is_ending:
            return
        owes_answers = self.is_busy or bool(self._queue)
        if self._reader.wants_continue and not self._told_to_go_on and not owes_answers:
            self._told_to_go_on = True
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._judge_key(head)
        if self.rank == 0:
            self._server.let_wait(self)

    def _judge_key(self, environ: dict[str, Any]) -> None:
        """Remember how well a key that was shown is known; an answer never fails by this."""
        if self.rank == 0:
            try:
                self.rank = self._server.rank(environ)
            except Exception:  # noqa: BLE001 - the caller counts as unknown
                _log.exception("checking a key failed")

    def _answer_next(self) -> None:
        """Answer a request that has arrived whole; other connections are served before the next.

        Else one caller who sends thousands of requests at once would keep all others waiting.
        """
        if not self._queue or self.is_busy or self._is_full:
            return
        request = self._queue.popleft()
        if isinstance(request, Refusal):
            self.refuse(request)
            return
        self._told_to_go_on = False
        answer = self._server.ask(request.environ, partial(self._answered, request))
        if answer is None:
            self.is_busy = True
            self._read_or_wait()
            return
        self._send(request, answer)
        if self._queue:
            self._read_or_wait()
            asyncio.get_running_loop().call_soon(self._go_on)

    def _answered(self, request: Request, answer: Answer) -> None:
        """An answer that another thread made."""
        self.is_busy = False
        if self._transport.is_closing():
            return
        self._send(request, answer)
        self._go_on()

    def _read_or_wait(self) -> None:
        """Read nothing more while answers are owed, or while the caller does not read."""
        if self._transport.is_closing():
            return
        if self.is_busy or self._is_full or self._queue:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _send(self, request: Request, answer: Answer) -> None:
        self._judge_key(request.environ)
        last = (
            not request.keep_alive
            or self._server.is_draining
            or any(name == "Connection" for name, _ in answer.headers)
        )
        if last:
            self._queue.clear()
            answer.headers = [pair for pair in answer.headers if pair[0] != "Connection"]
        said = "close" if last else "keep-alive" if request.is_http10 else None
        self._transport.write(_sent(answer, request.environ["REQUEST_METHOD"], said))
        self.since = monotonic()
        if request.is_cut:
            self._linger()
        elif last or (self._ended and not self._queue):
            self._transport.close()

    def refuse(self, why: Refusal) -> None:
        """Answer what is not given to the application, and end."""
        self._queue.clear()
        if not self._is_ending:
            self._transport.write(to_bytes(refusal(why.status, why.detail), "GET", "close"))
            self._linger()

    def _linger(self) -> None:
        """End so that the caller gets the answer although it is still sending (RFC 9112, 9.6)."""
        self._lingers = True
        self.since = monotonic()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def close(self) -> None:
        """End when everything written was sent."""
        self._transport.close()

    def give_up(self, why: Refusal) -> None:
        """End at once, also where the caller does not read; say why where a request was begun."""
        if self._reader.started and not self._is_ending:
            self._transport.write(to_bytes(refusal(why.status, why.detail), "GET", "close"))
        if self._transport.get_write_buffer_size():
            self._transport.abort()  # else it would hold its socket for as long as it likes
        self._transport.close()

    def check_time(self, now: float) -> None:
        """End what has waited for the caller too long."""
        waited = now - self.since
        unsent, self._unsent = self._unsent, self._transport.get_write_buffer_size()
        if self.is_busy:
            return
        if self._unsent:
            if self._unsent != unsent:  # the caller reads, or there is a new answer
                self.since = now
            elif waited > _WRITE_SECONDS:
                self._transport.abort()
        elif self._lingers:
            if waited > _LINGER_SECONDS:
                self._transport.abort()
        elif self._reader.head is not None:
            if waited > _BODY_SECONDS:
                self.refuse(Refusal("408 Request Timeout", "The body did not arrive in time."))
        elif self._reader.started:
            if waited > _HEAD_SECONDS:
                self.refuse(Refusal("408 Request Timeout", "The head did not arrive in time."))
        elif waited > _IDLE_SECONDS:
            self._transport.close()


def _sent(answer: Answer, method: str, connection: str | None) -> bytes:
    try:
        return to_bytes(answer, method, connection)
    except ValueError:
        _log.exception("sending an answer failed")
        return to_bytes(refusal("500 Internal Server Error", INTERNAL), method, connection)
