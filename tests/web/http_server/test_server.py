"""Which connections a server holds when there are too many, and how it ends."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Event, Thread
from typing import Any

import pytest

from bandit_platform.web.http_server.server import STRANGERS_BODIES
from bandit_platform.web.reading import DRAINING
from tests.web.http_server.serving import GET, Caller, Served, echo, served, wait_until


def stalled(key: str = "") -> bytes:
    """A request whose body does not come."""
    shown = f"X-Key: {key}\r\n" if key else ""
    return f"POST / HTTP/1.1\r\nHost: x\r\n{shown}Content-Length: 9\r\n\r\nab".encode()


def test_stalled_strangers_give_their_places_to_newer_ones() -> None:
    with served() as server, ExitStack() as stack:
        strangers = [
            stack.enter_context(server.connect(stalled())) for _ in range(STRANGERS_BODIES)
        ]
        wait_until(lambda: server.server.count == STRANGERS_BODIES)
        slow = stack.enter_context(server.connect(stalled()))
        assert strangers[0].answer()[0] == 503
        assert strangers[0].is_closed()
        slow.send(b"cdefghi")
        assert slow.answer()[2] == b"/ abcdefghi"
        strangers[1].send(b"cdefghi")
        assert strangers[1].answer()[0] == 200
        with server.connect() as other:
            assert other.ask()[0] == 200


def test_stalled_callers_with_a_key_lose_no_place_to_strangers() -> None:
    with served() as server, ExitStack() as stack:
        known = [stack.enter_context(server.connect(stalled("page"))) for _ in range(40)]
        wait_until(lambda: server.server.count == 40)
        for _ in range(2 * STRANGERS_BODIES):
            stack.enter_context(server.connect(stalled()))
        for caller in known:
            caller.send(b"cdefghi")
            assert caller.answer()[0] == 200


def asked(server: Served, key: str) -> Caller:
    """A caller that was answered and keeps its connection."""
    caller = server.connect()
    shown = f"X-Key: {key}\r\n" if key else ""
    assert caller.ask(f"GET / HTTP/1.1\r\nHost: x\r\n{shown}\r\n".encode())[0] == 200
    return caller


def test_idle_connections_make_room_those_of_strangers_first() -> None:
    with served(connections=90) as server, ExitStack() as stack:
        secret = [stack.enter_context(asked(server, "yes")) for _ in range(5)]
        pages = [stack.enter_context(asked(server, "page")) for _ in range(5)]
        strangers = [stack.enter_context(server.connect()) for _ in range(80)]
        wait_until(lambda: server.server.count == 90)
        new = stack.enter_context(server.connect())
        assert new.ask()[0] == 200
        assert all(each.is_closed() for each in strangers[:64])
        for caller in (*secret, *pages, strangers[-1]):
            assert caller.ask()[0] == 200
        for _ in range(100):  # as many as like to come
            stack.enter_context(server.connect())
        for caller in (*secret, *pages):
            assert caller.ask()[0] == 200
        late = [stack.enter_context(asked(server, "page")) for _ in range(160)]
        assert late[-1].ask()[0] == 200
        for caller in secret:
            assert caller.ask()[0] == 200
        assert server.server.count <= 90


def test_callers_that_do_not_read_lose_their_sockets_with_their_places() -> None:
    def app(_environ: dict[str, Any], start: Any) -> list[bytes]:
        start("200 OK", [])
        return [b"x" * 10_000_000]

    with served(app, connections=3) as server, ExitStack() as stack:
        deaf = [stack.enter_context(server.connect(GET)) for _ in range(3)]
        for caller in deaf:
            caller.socket.recv(1)  # its answer has begun
        stack.enter_context(server.connect())
        wait_until(lambda: server.server.count == 1)
        for caller in deaf:
            with pytest.raises((EOFError, ConnectionResetError)):
                caller.answer()


def test_what_is_being_answered_makes_no_room() -> None:
    go_on, begun = Event(), Event()

    def app(environ: dict[str, Any], start: Any) -> list[bytes]:
        begun.set()
        assert go_on.wait(10)
        return echo(environ, start)

    with served(app, connections=1, threads=1) as server, server.connect(GET) as caller:
        assert begun.wait(10)
        with server.connect() as other:
            assert other.is_closed()
        go_on.set()
        assert caller.answer()[0] == 200


def test_a_server_that_drains_lets_each_caller_go_with_its_answer() -> None:
    seen: list[bool] = []

    def app(environ: dict[str, Any], start: Any) -> list[bytes]:
        seen.append(DRAINING in environ)
        return echo(environ, start)

    with served(app, drain_seconds=1.0) as server, ExitStack() as stack:
        kept = [stack.enter_context(asked(server, "")) for _ in range(3)]
        idle = stack.enter_context(asked(server, ""))
        server.do(server.server.drain)
        wait_until(lambda: server.server.is_draining)
        for caller in kept:
            status, headers, _ = caller.ask()
            assert (status, headers["connection"]) == (200, "close")
            assert caller.is_closed()
        with server.connect() as new:  # a balancer may not have noticed yet
            assert new.ask()[1]["connection"] == "close"
        assert seen == [False] * 4 + [True] * 4
        assert not server.ended.is_set()
        assert idle.is_closed()
        assert server.ended.wait(5)
        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_a_server_that_stops_finishes_what_was_begun() -> None:
    go_on, begun = Event(), Event()

    def app(environ: dict[str, Any], start: Any) -> list[bytes]:
        begun.set()
        assert go_on.wait(10)
        return echo(environ, start)

    with (
        served(app, threads=1) as server,
        server.connect(GET) as caller,
        server.connect(stalled()) as slow,
    ):
        assert begun.wait(10)
        server.do(server.server.stop)
        wait_until(lambda: server.server.is_draining)
        Thread(target=go_on.set).start()
        assert caller.answer()[1]["connection"] == "close"
        slow.send(b"cdefghi")
        assert slow.answer()[2] == b"/ abcdefghi"
        assert server.ended.wait(5)
