"""One request at a time, but never waiting for a caller who sends slowly.

The server hands a request over before its body has arrived, so reading can take as long as the
caller likes: a telephone that loses its network in mid-request would hold the only thread there is.
So there are several threads, and all but one may wait for slow callers at the same time. The last
one never does: it refuses further bodies when the others have waited for a while.

Threads that compete for the interpreter cost more than a decision does: two that take turns answer
half as many requests as one alone. So one thread is on duty, and the others rest for a moment after
each answer, out of its way. Should it be held up, one of those that come back takes its place.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from io import BytesIO
from random import uniform
from threading import Lock, get_ident
from time import monotonic, sleep
from typing import Any

from bandit_platform.web.observed import Observed, Start
from bandit_platform.web.problems import problem
from bandit_platform.web.reading import BODY

_SLOW_SECONDS, _STEP_SECONDS = 1.0, 0.005
#: how long a thread that gives no answer counts as on duty, and how often one comes back
DUTY_SECONDS = 0.02
_BUSY = "Too many requests are sent too slowly; try again shortly."


class WholeBodies:
    """A WSGI application that is entered by one thread at a time, with the whole body at hand.

    Args:
        inner: the application.
        longest: bytes of the longest body that it takes.
        threads: how many the server has.
        rest: let threads rest, by :pep:`3333`'s ``close``. Only for a server that has sent an
            answer of known length when it calls that.
    """

    def __init__(self, inner: Observed, *, longest: int, threads: int, rest: bool = False) -> None:
        self._inner = inner
        self._refuse = inner.around(_refuse)
        self._longest = longest
        #: a server of one thread, behind a proxy, waits for none but its own
        self._places = deque(range(threads - 1)) if threads > 1 else None
        #: place → since when its last reader has read
        self._since = [-math.inf] * (threads - 1)
        self._rest = DUTY_SECONDS * (threads - 1) if rest else 0.0
        self._lock = Lock()
        self._on_duty = 0
        self._answered = -math.inf

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Read first, then answer."""
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"} and not self._is_read(environ):
            return self._refuse(environ, start)
        with self._lock:
            answer = _whole(self._inner(environ, start))
            may_rest = self._rest and answer and self._is_spare()
        if may_rest:
            return _ThenRest(answer, self._rest * uniform(0.5, 1.5))
        return answer

    def _is_spare(self) -> bool:
        """Whether another thread is on duty; else this one is from now on."""
        me, now = get_ident(), monotonic()
        if me != self._on_duty and now - self._answered < DUTY_SECONDS:
            return True
        self._on_duty, self._answered = me, now
        return False

    def _is_read(self, environ: dict[str, Any]) -> bool:
        """Read the body; False where all the others have been reading theirs for too long."""
        length = environ.get("CONTENT_LENGTH") or ""
        size = int(length) if length.isdecimal() else self._longest + 1
        if length and size > self._longest:
            return True  # whoever answers sees that, and needs none of it
        places = self._places
        if places is None:
            _read(environ, size)
        else:
            place = self._place(places)
            if place is None:
                return False
            self._since[place] = monotonic()
            try:
                _read(environ, size)
            finally:
                places.append(place)
        return True

    def _place(self, places: deque[int]) -> int | None:
        """A free place; None where those who have them all were held up for too long."""
        began = monotonic()
        while True:
            try:
                return places.pop()
            except IndexError:
                if monotonic() - min(began, max(self._since)) > _SLOW_SECONDS:
                    return None
                sleep(_STEP_SECONDS)


class _ThenRest:
    """A whole answer, after which its thread rests."""

    def __init__(self, answer: list[bytes], seconds: float) -> None:
        self._answer = answer
        self._seconds = seconds

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        """Rest; the server calls this when it has sent the answer."""
        sleep(self._seconds)


def _read(environ: dict[str, Any], size: int) -> None:
    body = environ["wsgi.input"].read(size)
    environ["wsgi.input"] = BytesIO(body)
    environ[BODY] = body


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
