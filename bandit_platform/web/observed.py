"""Around every request: its id, the headers of its answer, and what is counted of it.

This stands outside the web framework, where it costs a few microseconds instead of a few hooks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

from bandit_platform.domain.randomness import random_bytes
from bandit_platform.logs import REQUEST_ID
from bandit_platform.web.meter import Meter

#: where a view leaves (experiment, arm, reason) of the decision it answered with
DECIDED = "bandit_platform.decided"
#: A caller's id must not be able to hold anything else: no key, no number of a card or telephone.
_WELL_FORMED = re.compile(
    r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE
)
_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)

Start = Callable[..., Any]
Application = Callable[[dict[str, Any], Start], Iterable[bytes]]


class Observed:
    """A WSGI application with everything that all its answers have in common."""

    def __init__(self, inner: Application, meter: Meter) -> None:
        self.inner = inner
        self._meter = meter

    def around(self, other: Application) -> Observed:
        """Another application, watched and counted together with this one."""
        return Observed(other, self._meter)

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answer a request."""
        began = perf_counter()
        meter = self._meter
        given = environ.get("HTTP_X_REQUEST_ID")
        known = given is not None and _WELL_FORMED.fullmatch(given)
        request_id = given if known else random_bytes().hex()
        REQUEST_ID.set(request_id)

        def start_observed(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            present = {name for name, _ in headers}
            headers.extend(pair for pair in _HEADERS if pair[0] not in present)
            headers.append(("X-Request-ID", str(request_id)))
            meter.answered(status)
            return start(status, headers, *rest)

        body = self.inner(environ, start_observed)
        choice = environ.get(DECIDED)
        if choice is not None:
            meter.decided(choice, perf_counter() - began)
        return body
