from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from bandit_platform.web.shedding import PROBE, Shedding, wait_at


def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    start("200 OK", [])
    return [b"ok"]


@pytest.fixture
def shedding() -> Shedding:
    return Shedding(answer, lambda application: application, longest=0.5)


def asked(shedding: Shedding, count: int = 100, path: str = "/v1/events") -> Counter[str]:
    found: Counter[str] = Counter()

    def start(status: str, headers: list[tuple[str, str]]) -> None:
        if status.startswith("503"):
            assert dict(headers)["Retry-After"] == "1"
        found[status[:3]] += 1

    for _ in range(count):
        b"".join(shedding({"PATH_INFO": path, "REQUEST_METHOD": "POST"}, start))
    return found


def test_short_waits_and_single_long_ones_refuse_nobody(shedding: Shedding) -> None:
    for seconds in (0.1, 0.9, 0.9, 0.9, 0.1, 2.0, 2.0, 2.0, 0.4):
        shedding.waited(seconds)
        assert shedding.share == 0.0
    assert asked(shedding) == {"200": 100}


def test_long_waits_refuse_a_growing_share_and_never_all(shedding: Shedding) -> None:
    shares = []
    for _ in range(10):
        shedding.waited(0.6)
        shares.append(round(shedding.share, 2))
    assert shares == [0, 0, 0, 0.3, 0.6, 0.9, 0.9, 0.9, 0.9, 0.9]
    found = asked(shedding)
    assert found["200"] == pytest.approx(10, abs=1)
    assert found["503"] == 100 - found["200"]
    for path in ("/healthz", "/readyz", "/metrics"):
        assert asked(shedding, path=path) == {"200": 100}


def test_short_waits_let_everybody_in_again(shedding: Shedding) -> None:
    for _ in range(5):
        shedding.waited(3.0)
    shares = []
    for _ in range(8):
        shedding.waited(0.1)
        shares.append(round(shedding.share, 2))
    assert shares[0] < 0.6
    assert shares[-1] == 0.0
    assert asked(shedding) == {"200": 100}


def test_the_time_is_taken_over_the_port(shedding: Shedding) -> None:
    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with make_server("127.0.0.1", 0, shedding, handler_class=Quiet) as server:
        port = server.server_port
        thread = Thread(target=server.handle_request)
        thread.start()
        waited = wait_at("127.0.0.1", port, 5.0)
        thread.join()
        assert waited is not None
        assert 0 < waited < 5
        assert wait_at("127.0.0.1", port, 0.05) == 0.05  # it listens and answers nothing
    assert wait_at("127.0.0.1", port, 0.05) is None  # nobody listens
    assert asked(shedding, 1, PROBE) == {"204": 1}
