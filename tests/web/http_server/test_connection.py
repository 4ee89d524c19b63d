"""Answers over a connection, as callers of every kind see them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from structlog.testing import capture_logs

from bandit_platform.web.http_server import connection as connections
from tests.web.http_server.serving import GET, Served, echo, served, wait_until

TWO = b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"


def posted(body: bytes, *headers: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in (f"Content-Length: {len(body)}", *headers))
    return f"POST /p HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode() + body


@pytest.fixture(params=[0, 2], ids=["loop", "threads"])
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(threads=request.param) as made:
        yield made


def test_a_connection_answers_one_request_after_the_other(server: Served) -> None:
    with server.connect() as caller:
        for body in (b"", b"a", b"b" * 1000):
            status, headers, answer = caller.ask(posted(body))
            assert (status, answer) == (200, b"/p " + body)
            assert "connection" not in headers
            assert headers["date"].endswith(" GMT")


def test_requests_sent_together_are_answered_in_order(server: Served) -> None:
    with server.connect(TWO * 20 + GET[:10]) as caller:
        assert [caller.answer()[2] for _ in range(40)] == [b"/1 ", b"/2 "] * 20
        assert caller.ask(GET[10:])[2] == b"/ "


def test_what_is_no_http_ends_the_connection_after_the_answers_before(server: Served) -> None:
    with server.connect(TWO + b"GET / HTTP/1.1\nHost: x\n\n" + GET) as caller:
        assert [caller.answer()[0] for _ in range(3)] == [200, 200, 400]
        assert caller.is_closed()


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "close"),
        (b"GET / HTTP/1.0\r\n\r\n", "close"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive"),
    ],
)
def test_a_caller_says_whether_it_goes_on(server: Served, head: bytes, said: str) -> None:
    with server.connect(head) as caller:
        status, headers, _ = caller.answer()
        assert (status, headers["connection"]) == (200, said)
        if said == "close":
            assert caller.is_closed()
        else:
            assert caller.ask(head)[0] == 200


def test_a_caller_that_waits_before_its_body_is_told_to_send_it(server: Served) -> None:
    sent = posted(b"body", "Expect: 100-continue")
    with server.connect(sent[:-4]) as caller:
        assert caller.answer()[0] == 100
        assert caller.ask(b"body")[2] == b"/p body"
    with server.connect(sent) as caller:  # one that does not wait needs not be told
        assert caller.answer()[2] == b"/p body"


def test_a_body_over_the_limit_is_answered_before_it_has_arrived(server: Served) -> None:
    head = posted(b"", "X: y").replace(b"Length: 0", b"Length: 5000000")
    with server.connect(head + b"x" * 100_000) as caller:
        status, headers, _ = caller.answer()
        assert (status, headers["connection"]) == (200, "close")
        caller.send(b"x" * 1_000_000)  # it is still sending, and is not cut off
        assert caller.is_closed()


def test_a_caller_that_stops_sending_still_gets_its_answers(server: Served) -> None:
    import socket  # noqa: PLC0415

    with server.connect(TWO) as caller:
        caller.socket.shutdown(socket.SHUT_WR)
        assert [caller.answer()[2] for _ in range(2)] == [b"/1 ", b"/2 "]
        assert caller.is_closed()


@pytest.mark.parametrize("threads", [0, 2])
def test_answers_that_must_have_no_body_have_none(threads: int) -> None:
    def app(environ: dict[str, Any], start: Any) -> list[bytes]:
        status = environ["PATH_INFO"][1:]
        headers = [("Content-Length", "4")] if status == "200 OK" else []
        start(status, headers)
        return [b"body"]

    with served(app, threads=threads) as server, server.connect() as caller:
        caller.send(b"HEAD /200%20OK HTTP/1.1\r\nHost: x\r\n\r\n")
        assert caller.answer(head=True)[1]["content-length"] == "4"
        for status in ("204 No Content", "304 Not Modified"):
            caller.send(f"GET /{status.replace(' ', '%20')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert "content-length" not in caller.answer()[1]
        assert caller.ask(b"GET /201%20Created HTTP/1.1\r\nHost: x\r\n\r\n")[2] == b"body"


@pytest.mark.parametrize("threads", [0, 2])
def test_a_failure_is_answered_and_harms_no_later_request(threads: int) -> None:
    closed: list[bool] = []

    class Failing:
        def __iter__(self) -> Iterator[bytes]:
            yield b"a"
            raise RuntimeError

        def close(self) -> None:
            closed.append(True)

    def app(environ: dict[str, Any], start: Any) -> Any:
        if environ["PATH_INFO"] == "/raises":
            raise RuntimeError
        if environ["PATH_INFO"] == "/streams":
            start("200 OK", [])
            return Failing()
        if environ["PATH_INFO"] == "/header":
            start("200 OK", [("X-A", "b\r\nSet-Cookie: c")])
            return [b""]
        return echo(environ, start)

    with (
        capture_logs() as logged,
        served(app, threads=threads) as server,
        server.connect() as caller,
    ):
        for path in ("raises", "streams", "header"):
            status, headers, body = caller.ask(f"GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert (status, "set-cookie" in headers) == (500, False)
            assert b'"type": "urn:bandit-platform:problem:http-500"' in body
        assert caller.ask()[0] == 200
    assert closed == [True]
    assert [each["event"] for each in logged].count("the application failed") == 2


@pytest.mark.parametrize("threads", [0, 2])
def test_a_key_that_cannot_be_judged_costs_no_answer(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_environ: dict[str, Any]) -> int:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid")

    with capture_logs() as logged, served(threads=threads) as server:
        monkeypatch.setattr(server.server, "rank", fail)
        with server.connect() as caller:
            assert caller.ask()[0] == 200
            sent = posted(b"body")
            caller.send(sent[:-2])
            assert caller.ask(sent[-2:])[2] == b"/p body"
    assert "checking a key failed" in {each["event"] for each in logged}


def test_threads_answer_at_the_same_time_and_a_connection_still_in_order() -> None:
    go_on = Event()

    def app(environ: dict[str, Any], start: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/slow":
            assert go_on.wait(10)
        return echo(environ, start)

    slow = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
    with served(app, threads=2) as server, server.connect(slow + GET) as one:
        with server.connect() as other:
            assert other.ask()[2] == b"/ "
        go_on.set()
        assert [one.answer()[2] for _ in range(2)] == [b"/slow ", b"/ "]


@pytest.mark.parametrize(
    ("sent", "status", "limit"),
    [
        (b"GET / HTTP/1.1\r\nHost", 408, "_HEAD_SECONDS"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab", 408, "_BODY_SECONDS"),
        (b"", None, "_IDLE_SECONDS"),
        (GET, 200, "_IDLE_SECONDS"),
    ],
)
def test_nothing_is_awaited_without_end(
    monkeypatch: pytest.MonkeyPatch, sent: bytes, status: int | None, limit: str
) -> None:
    monkeypatch.setattr(connections, limit, 0.3)
    with served() as server, server.connect(sent) as caller:
        began = time.monotonic()
        if status is not None:
            assert caller.answer()[0] == status
        assert caller.is_closed()
        assert 0.2 < time.monotonic() - began < 5


def test_line_ends_alone_keep_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_IDLE_SECONDS", 0.5)
    with served() as server, server.connect(b"\r\n") as caller:
        caller.socket.settimeout(0.05)
        for _ in range(100):
            try:
                assert caller.socket.recv(1) == b""
                break
            except TimeoutError:
                caller.send(b"\r\n")
        else:
            pytest.fail("the connection was kept")


@pytest.mark.parametrize("last", [b"", b"Connection: close\r\n"])
def test_a_caller_that_does_not_read_is_let_go_and_one_that_reads_slowly_is_not(
    monkeypatch: pytest.MonkeyPatch, last: bytes
) -> None:
    monkeypatch.setattr(connections, "_WRITE_SECONDS", 0.6)

    def app(_environ: dict[str, Any], start: Any) -> list[bytes]:
        start("200 OK", [])
        return [b"x" * 20_000_000]

    request = b"GET / HTTP/1.1\r\nHost: x\r\n" + last + b"\r\n"
    with served(app) as server, server.connect(request) as slow, server.connect(request) as deaf:
        wait_until(lambda: server.server.count == 2)
        read = 0
        while read < 20_000_000:
            read += len(slow.socket.recv(200_000))
            if server.server.count > 1 or not read:
                time.sleep(0.05)
        with pytest.raises((EOFError, ConnectionResetError)):
            deaf.answer()


def test_a_caller_with_many_requests_at_once_lets_others_in_between() -> None:
    order: list[str] = []
    go_on, begun = Event(), Event()

    def app(environ: dict[str, Any], start: Any) -> list[bytes]:
        order.append(environ["PATH_INFO"])
        begun.set()
        assert go_on.wait(10)
        return echo(environ, start)

    many = 2000
    with (
        served(app) as server,
        server.connect(GET.replace(b"/", b"/many", 1) * many) as greedy,
        server.connect() as other,
    ):
        assert begun.wait(10)
        other.send(GET)
        go_on.set()
        assert other.answer()[0] == 200
        for _ in range(many):
            assert greedy.answer()[2] == b"/many "
    assert order.index("/") < many / 2


def test_a_caller_is_told_to_send_its_body_after_the_answers_before(server: Served) -> None:
    sent = posted(b"body", "Expect: 100-continue")
    with server.connect(TWO + sent[:-4]) as caller:
        assert [caller.answer()[0] for _ in range(3)] == [200, 200, 100]
        assert caller.ask(b"body")[2] == b"/p body"


def test_a_caller_that_asks_on_without_reading_costs_little_memory() -> None:
    answered = 0

    def app(environ: dict[str, Any], start: Any) -> list[bytes]:
        nonlocal answered
        answered += 1
        start("200 OK", [])
        return [b"x" * 1000]

    with served(app) as server, server.connect() as caller:
        caller.socket.setblocking(False)
        sent = 0
        stalled_since = time.monotonic()
        while time.monotonic() - stalled_since < 1.0:
            try:
                sent += caller.socket.send(GET * 1000)
                stalled_since = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
        taken = answered
        assert taken < 30_000  # what the system's buffers hold, and some more
        with server.connect() as other:
            assert other.ask()[0] == 200
        caller.socket.settimeout(10)
        for _ in range(taken):
            assert caller.answer()[0] == 200
