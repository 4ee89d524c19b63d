"""WSGI middleware for gunicorn and others: reads bodies first, then answers one at a time.

Our own server does both already. Threads that compete for the interpreter cost more than a decision
does, so a request is answered by one thread while the others read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

from bandit_platform.web.observed import Application, Start
from bandit_platform.web.reading import whole_body


class BodyBuffer:
    """A WSGI application that is entered by one thread at a time, with the whole body read.

    Args:
        inner: the application.
        longest: gives the bytes of the longest body that a path takes.
    """

    def __init__(self, inner: Application, longest: Callable[[str], int]) -> None:
        self._inner = inner
        self._longest = longest
        self._lock = Lock()

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Read first, then answer."""
        whole_body(environ, self._longest(environ["PATH_INFO"]))
        with self._lock:
            answer = self._inner(environ, start)
            try:
                return list(answer)
            finally:
                close = getattr(answer, "close", None)
                if close is not None:
                    close()
