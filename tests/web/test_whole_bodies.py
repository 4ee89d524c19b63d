"""A body is read before the application is entered, with one thread or with several."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from io import BytesIO
from threading import get_ident
from typing import Any

import pytest

from bandit_platform.parent import end_with_parent
from bandit_platform.web import whole_bodies
from bandit_platform.web.meter import Meter
from bandit_platform.web.observed import Observed
from bandit_platform.web.reading import BODY
from bandit_platform.web.whole_bodies import WholeBodies
from tests.test_readme import free_ports


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_whole_body_is_at_hand(threads: int) -> None:
    seen: list[Any] = []

    def inner(environ: dict[str, Any], start: Any) -> list[bytes]:
        seen.append((environ[BODY], environ["wsgi.input"].read()))
        start("204 No Content", [])
        return []

    app = WholeBodies(Observed(inner, Meter()), longest=10, threads=threads)
    for _ in range(3):
        environ = {"REQUEST_METHOD": "POST", "wsgi.input": BytesIO(b"body"), "CONTENT_LENGTH": "4"}
        app(environ, lambda *_: None)
    assert seen == [(b"body", b"body")] * 3


def test_an_answer_is_made_whole_and_let_go() -> None:
    closed: list[bool] = []

    class Streamed:
        def __iter__(self) -> Any:
            return iter([b"a", b"b"])

        def close(self) -> None:
            closed.append(True)

    def inner(environ: dict[str, Any], start: Any) -> Any:
        start("200 OK", [])
        return Streamed()

    app = WholeBodies(Observed(inner, Meter()), longest=10, threads=4)
    assert app({"REQUEST_METHOD": "GET"}, lambda *_: None) == [b"a", b"b"]
    assert closed == [True]


def answering(environ: dict[str, Any], start: Any) -> list[bytes]:
    """Tells which thread answered; slowly enough for others to be needed."""
    time.sleep(0.005)
    told = str(get_ident()).encode()
    start("200 OK", [("Content-Length", str(len(told)))])
    return [told]


def ask(app: WholeBodies) -> Any:
    return app({"REQUEST_METHOD": "GET"}, lambda *_: None)


def test_a_thread_rests_only_while_another_is_on_duty(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    now = 100.0
    monkeypatch.setattr(whole_bodies, "sleep", slept.append)
    monkeypatch.setattr(whole_bodies, "monotonic", lambda: now)
    app = WholeBodies(Observed(answering, Meter()), longest=10, threads=5, rest=True)
    now = 101.0
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        for _ in range(2):
            assert isinstance(first.submit(ask, app).result(), list)
        spare = second.submit(ask, app).result()
        assert not isinstance(spare, list)
        assert slept == []
        assert next(iter(spare)).isdigit()
        spare.close()
        assert len(slept) == 1
        assert 0.04 <= slept[0] <= 0.12
        now = 101.1  # the first is held up
        assert isinstance(second.submit(ask, app).result(), list)
        assert not isinstance(first.submit(ask, app).result(), list)


def test_no_thread_rests_where_nobody_asked_for_it() -> None:
    app = WholeBodies(Observed(answering, Meter()), longest=10, threads=5)
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        assert isinstance(first.submit(ask, app).result(), list)
        assert isinstance(second.submit(ask, app).result(), list)


def long_rests() -> WholeBodies:
    """An application whose threads rest for several seconds."""
    end_with_parent()
    whole_bodies.DUTY_SECONDS = 4.0
    return WholeBodies(Observed(answering, Meter()), longest=10, threads=3, rest=True)


@pytest.fixture
def port() -> Iterator[int]:
    (free,) = free_ports(1)
    code = (
        "from granian.constants import HTTPModes, Interfaces\n"
        "from bandit_platform.cli.server import Server\n"
        "from bandit_platform.parent import be_parent\n"
        "be_parent()\n"
        f"Server('tests.web.test_whole_bodies:long_rests', port={free}, factory=True,"
        " interface=Interfaces.WSGI, http=HTTPModes.http1, blocking_threads=3).serve()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                with closing(HTTPConnection("127.0.0.1", free, timeout=20)) as connection:
                    connection.request("GET", "/")
                    connection.getresponse().read()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield free
    finally:
        process.kill()  # its threads still rest
        process.wait()


@pytest.mark.parametrize("version", [10, 11])
def test_an_answer_has_arrived_before_its_thread_rests(port: int, version: int) -> None:
    class Connection(HTTPConnection):
        _http_vsn = version
        _http_vsn_str = f"HTTP/1.{version - 10}"

    def ask_often(_: int) -> set[bytes]:
        found = set()
        with closing(Connection("127.0.0.1", port, timeout=20)) as connection:
            for _ in range(10):
                connection.request("GET", "/")
                found.add(connection.getresponse().read())
        return found

    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        threads = set().union(*pool.map(ask_often, range(4)))
    assert len(threads) > 1  # one of them rests
    assert time.monotonic() - began < 2.0  # and none rests for less than four seconds
