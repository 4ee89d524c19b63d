"""A body is read before the application is entered, with one thread or with several."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest

from bandit_platform.web.meter import Meter
from bandit_platform.web.observed import Observed
from bandit_platform.web.reading import BODY
from bandit_platform.web.whole_bodies import WholeBodies


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
