"""Decisions without the web framework, while a page waits for them.

Finding the route, and making the objects and the hooks of a request, cost half of a decision's
time. A request for a decision that is in order needs none of it. Everything else takes the long
way through the framework, which knows what to say about it: so there is one place for refusals.
Neither way changes anything before it is sure of the request, so the long way can start afresh.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import structlog
from pydantic import ValidationError

from bandit_platform.domain.access import Permission
from bandit_platform.errors import BanditPlatformError
from bandit_platform.logs import SeldomLog, where_raised
from bandit_platform.web.auth import Gate, address_key
from bandit_platform.web.observed import DECIDED, Application, Start
from bandit_platform.web.reading import whole_body
from bandit_platform.web.shop import DECISIONS_AFTER, DECISIONS_BEFORE, Decided, Shop

#: as servers and as browsers' pages spell it
_KINDS = frozenset({"application/json", "text/plain", "text/plain;charset=UTF-8"})
_STATUS = {True: "201 CREATED", False: "200 OK"}
_seldom = SeldomLog(structlog.get_logger(__name__))


class ShortWay:
    """A WSGI application that answers requests for decisions itself, if they are in order.

    Args:
        inner: answers everything else.
        gate: looks at keys.
        shop: decides.
    """

    def __init__(self, inner: Application, gate: Gate, shop: Shop) -> None:
        self.inner = inner
        self._gate = gate
        self._shop = shop

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answer a request."""
        decided = self._decide(environ)
        if decided is None:
            return self.inner(environ, start)
        environ[DECIDED] = decided.choice
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(decided.body))),
        ]
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None:
            headers += [("Vary", "Origin"), ("Access-Control-Allow-Origin", origin)]
        start(_STATUS[decided.new], headers)
        return [decided.body]

    def _decide(self, environ: dict[str, Any]) -> Decided | None:
        """The decision; None where the long way has to be taken."""
        asked = _in_order(environ, self._shop)
        if asked is None:
            return None
        experiment, key, body = asked
        try:
            if not self._gate.admits(environ, key, Permission.DECIDE, experiment):
                return None
            return self._shop.decide(
                experiment,
                body,
                environ.get("HTTP_IDEMPOTENCY_KEY"),
                self._gate.caller(environ),
            )
        except (ValidationError, BanditPlatformError):
            return None
        except Exception as error:  # noqa: BLE001 - the long way may do, and says so if it does not
            _seldom.error("fast path failed, Flask answers", where_raised(error), exc_info=error)
            return None


def _in_order(environ: dict[str, Any], shop: Shop) -> tuple[str, str, bytes] | None:
    """The experiment, the text of the key and the body of a request for a decision."""
    path: str = environ["PATH_INFO"]
    if not (path.startswith(DECISIONS_BEFORE) and path.endswith(DECISIONS_AFTER)):
        return None
    if environ["REQUEST_METHOD"] != "POST" or environ.get("CONTENT_TYPE") not in _KINDS:
        return None
    experiment = path[len(DECISIONS_BEFORE) : -len(DECISIONS_AFTER)]
    limit = shop.decision_bytes(experiment)
    key, body = _key_text(environ), whole_body(environ, limit)
    if key is None or body is None or len(body) > limit:
        return None
    return experiment, key, body


def _key_text(environ: dict[str, Any]) -> str | None:
    header: str | None = environ.get("HTTP_AUTHORIZATION")
    if header is not None:
        return header[7:] if header.startswith("Bearer ") else None
    query: str = environ["QUERY_STRING"]
    return address_key(query[4:]) if query.startswith("key=") else None
