"""A server in this process, and callers that write bytes."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from bandit_platform.web.http_server.server import Hosted, HttpServer

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
KEY = "X-Key: yes\r\n"


class Served:
    """A server that runs in a thread of its own."""

    def __init__(self, hosted: Hosted, *, connections: int, drain_seconds: float) -> None:
        self.server = HttpServer(hosted, connections=connections, drain_seconds=drain_seconds)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._begun, self.ended = Event(), Event()
        self._thread = Thread(target=self._run)

    def _run(self) -> None:
        async def answer() -> None:
            self.loop = asyncio.get_running_loop()
            self._begun.set()
            await self.server.answer(self._listener)

        asyncio.run(answer())
        self.ended.set()

    def start(self) -> None:
        self._thread.start()
        assert self._begun.wait(10)

    def do(self, action: Callable[[], object]) -> None:
        """In the server's thread."""
        if not self.ended.is_set():
            self.loop.call_soon_threadsafe(action)

    def connect(self, sent: bytes = b"") -> Caller:
        return Caller(self.port, sent)

    def stop(self) -> None:
        self.do(self.server.stop)
        self._thread.join(15)
        assert self.ended.is_set()


class Caller:
    """A connection to it."""

    def __init__(self, port: int, sent: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._rest = b""
        if sent:
            self.send(sent)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers (with names in lower case) and body."""
        while b"\r\n\r\n" not in self._rest:
            self._receive()
        first, _, self._rest = self._rest.partition(b"\r\n\r\n")
        lines = first.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): text for name, _, text in (line.partition(": ") for line in lines[1:])
        }
        length = 0 if head else int(headers.get("content-length", "0"))
        while len(self._rest) < length:
            self._receive()
        body, self._rest = self._rest[:length], self._rest[length:]
        return int(lines[0].split(" ")[1]), headers, body

    def ask(self, sent: bytes = GET) -> tuple[int, dict[str, str], bytes]:
        self.send(sent)
        return self.answer()

    def is_closed(self) -> bool:
        """Whether nothing more comes; waits for it."""
        try:
            return self._rest == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self._rest += data


def echo(environ: dict[str, Any], start: Any) -> list[bytes]:
    """Answers with the path and the body."""
    body = f"{environ['PATH_INFO']} ".encode() + environ["wsgi.input"].read()
    start("200 OK", [("Content-Length", f"{len(body)}")])
    return [body]


def by_header(environ: dict[str, Any]) -> int:
    return {"page": 1, "yes": 2}.get(environ.get("HTTP_X_KEY", ""), 0)


@contextmanager
def served(
    app: Any = echo,
    *,
    connections: int = 100,
    threads: int = 0,
    longest: int = 1000,
    drain_seconds: float = 0.0,
) -> Iterator[Served]:
    hosted = Hosted(app=app, longest=longest, rank=by_header, threads=threads)
    made = Served(hosted, connections=connections, drain_seconds=drain_seconds)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for a condition, 10 s at most."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)
