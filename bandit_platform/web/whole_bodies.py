"""One request at a time, but never waiting for a caller who sends slowly.

The server hands a request over before its body has arrived, so reading can take as long as the
caller likes: a telephone that loses its network in mid-request would hold the only thread there is.
So several threads read bodies, and the application is entered by one at a time, which costs less
than letting threads compete inside it. When all but one thread wait for slow callers, further
bodies are refused at once instead of waiting behind them.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from threading import Lock, get_ident
from time import monotonic
from typing import Any

from bandit_platform.web.observed import Observed, Start
from bandit_platform.web.problems import problem
from bandit_platform.web.reading import BODY

_SLOW_SECONDS = 1.0
_BUSY = "Too many requests are sent too slowly; try again shortly."


class WholeBodies:
    """A WSGI application that is entered by one thread at a time, with the whole body at hand.

    Args:
        inner: the application.
        longest: bytes of the longest body that it takes.
        threads: how many the server has.
    """

    def __init__(self, inner: Observed, *, longest: int, threads: int) -> None:
        self._inner = inner
        self._refuse = inner.around(_refuse)
        self._longest = longest
        self._readers = threads - 1
        self._lock = Lock()
        #: thread → since when it reads
        self._reading: dict[int, float] = {}

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Read first, then answer."""
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            if self._is_held_up():
                return self._refuse(environ, start)
            self._read(environ)
        with self._lock:
            return _whole(self._inner(environ, start))

    def _read(self, environ: dict[str, Any]) -> None:
        """Of a body that is too long, read no more than it takes to know that."""
        length = environ.get("CONTENT_LENGTH") or ""
        size = int(length) if length.isdecimal() else self._longest + 1
        if length and size > self._longest:
            return
        reader = get_ident()
        self._reading[reader] = monotonic()
        try:
            body = environ["wsgi.input"].read(size)
        finally:
            del self._reading[reader]
        environ["wsgi.input"] = BytesIO(body)
        environ[BODY] = body

    def _is_held_up(self) -> bool:
        reading = self._reading
        if not self._readers or len(reading) < self._readers:
            return False  # a server of one thread, behind a proxy, waits for none but its own
        since = list(reading.values())
        return len(since) >= self._readers and monotonic() - max(since) > _SLOW_SECONDS


def _whole(answer: Iterable[bytes]) -> list[bytes]:
    """An answer that was made to its end; the server sends a list at once and streams the rest."""
    if isinstance(answer, list):
        return answer
    try:
        return list(answer)
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()


def _refuse(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    return problem(503, "unavailable", "Unavailable", _BUSY)(environ, start)
