"""Who may use which route: everything is denied that is not declared.

Pages are opened by people who signed in, and by keys; everything else by keys only. A request shows
its key as ``Authorization: Bearer …``; then no cookie counts. A page that closes can only send a
plain body, so events may carry a publishable key there; and as a header makes browsers ask first,
which is one more round trip, shops' requests may carry it in their address. Browsers are answered
across origins only where a publishable key declares the origin, and never with credentials.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Request, Response, g, request
from werkzeug.wrappers import Response as BaseResponse

from bandit_platform.domain.access import Key, Permission
from bandit_platform.domain.caller import Caller
from bandit_platform.errors import UnavailableError
from bandit_platform.web.limits import AddressRates, Buckets, Limits, address_of, retry_after
from bandit_platform.web.page_gate import PageGate
from bandit_platform.web.problems import problem
from bandit_platform.web.proxy_check import ProxyCheck
from bandit_platform.web.sessions import has_sessions

#: endpoint → what it asks for; None is open to everyone, and what is missing here is closed
PERMISSIONS: Mapping[str, Permission | None] = {
    "decisions.decide": Permission.DECIDE,
    "decisions.activate": Permission.DECIDE,
    "decisions.events": Permission.DECIDE,
    "experiments.all_experiments": Permission.VIEW,
    "experiments.one_experiment": Permission.VIEW,
    "experiments.report": Permission.VIEW,
    "experiments.trace": Permission.ANALYSE,
    "experiments.apply": Permission.CHANGE,
    "experiments.replace": Permission.CHANGE,
    "experiments.change_state": Permission.CHANGE,
    "deployments_api.all_deployments": Permission.VIEW,
    "deployments_api.models": Permission.VIEW,
    "deployments_api.promote": Permission.CHANGE,
    "deployments_api.ramp": Permission.CHANGE,
    "deployments_api.hold": Permission.CHANGE,
    "deployments_api.pin": Permission.CHANGE,
    "deployments_api.release": Permission.CHANGE,
    "deployments_api.roll_back": Permission.CHANGE,
    "questions_api.ask": Permission.ANALYSE,
    "questions_api.newest": Permission.ANALYSE,
    "questions_api.one": Permission.ANALYSE,
    "questions.all_questions": Permission.ANALYSE,
    "questions.new": Permission.ANALYSE,
    "questions.ask": Permission.ANALYSE,
    "questions.one": Permission.ANALYSE,
    "questions.state": Permission.ANALYSE,
    "questions.cancel": Permission.ANALYSE,
    "questions.remove": Permission.ANALYSE,
    "questions.again": Permission.ANALYSE,
    "questions.file": Permission.ANALYSE,
    "downloads.table": Permission.VIEW,
    "health.healthz": None,
    "health.readyz": None,
    "health.metrics": Permission.VIEW,
    "openapi.spec": None,
    "docs.page": None,
    "docs.file": None,
    "sdk.file": None,
    "console.experiments": Permission.VIEW,
    "console.experiment": Permission.VIEW,
    "console.static_file": None,
    "decision_pages.search": Permission.ANALYSE,
    "decision_pages.find": Permission.ANALYSE,
    "decision_pages.trace": Permission.ANALYSE,
    "quality.page": Permission.VIEW,
    "policies.page": Permission.VIEW,
    "segments.page": Permission.VIEW,
    "segments.table": Permission.VIEW,
    "deployments.page": Permission.VIEW,
    "deployments.confirm": Permission.CHANGE,
    "deployments.take_step": Permission.CHANGE,
    "history.page": Permission.VIEW,
    "history.model": Permission.ANALYSE,
    "setup.new": Permission.CHANGE,
    "setup.create": Permission.CHANGE,
    "setup.page": Permission.CHANGE,
    "setup.change": Permission.CHANGE,
    "setup.launch_page": Permission.CHANGE,
    "setup.try_it": Permission.CHANGE,
    "setup.confirm": Permission.CHANGE,
    "setup.take_step": Permission.CHANGE,
    "setup.plan_page": Permission.CHANGE,
    "sign_in.page": None,
    "sign_in.enter": None,
    "sign_in.leave": None,
    "sign_in.link": None,
    "sign_in.use_link": None,
    "sign_in.account": Permission.VIEW,
    "sign_in.change_password": Permission.VIEW,
    "settings.page": Permission.ADMINISTER,
    "settings.create_key": Permission.ADMINISTER,
    "settings.key_page": Permission.ADMINISTER,
    "settings.rotate_key": Permission.ADMINISTER,
    "settings.revoke_key": Permission.ADMINISTER,
    "settings.users": Permission.ADMINISTER,
    "settings.create_user": Permission.ADMINISTER,
    "settings.user_page": Permission.ADMINISTER,
    "settings.set_role": Permission.ADMINISTER,
    "settings.make_link": Permission.ADMINISTER,
    "settings.set_access": Permission.ADMINISTER,
    "settings.audit_log": Permission.ADMINISTER,
}

_BODY_KEY = re.compile(rb'"key"\s*:\s*"(pk_[0-9a-f]{16}_[A-Za-z0-9_-]{43})"')
_QUERY_KEY = re.compile(r"(?:^|&)key=(pk_[0-9a-f]{16}_[A-Za-z0-9_-]{43})(?:&|$)")
_ADDRESS_KEY = re.compile(r"pk_[0-9a-f]{16}_[A-Za-z0-9_-]{43}")
#: where the key lies of a request that was let in already
_ADMITTED = "bandit_platform.admitted"
#: where the address lies that it came from
_ADDRESS = "bandit_platform.address"
#: outcomes a second that an address may report for each request a second that it may send
_EVENTS_A_REQUEST = 5
_ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key"

FindKey = Callable[[str], Key | None]
Origins = Callable[[], frozenset[str]]


def protect(app: Flask, gate: Gate, origins: Origins) -> None:
    """Let an app answer only those whose key opens what they ask for.

    Args:
        app: the application.
        gate: looks at keys.
        origins: every origin that some valid publishable key declares.
    """
    pages = PageGate()

    def check() -> BaseResponse | None:
        asked: Request = request._get_current_object()  # type: ignore[attr-defined] # the proxy is slow
        endpoint = asked.endpoint
        if endpoint is None:
            return None  # no route: the ordinary 404 or 405
        if asked.environ["REQUEST_METHOD"] == "OPTIONS":
            return _preflight(origins())
        if endpoint not in PERMISSIONS:
            return _forbidden("This address is closed.")
        wanted = PERMISSIONS[endpoint]
        if (
            wanted is not Permission.DECIDE
            and has_sessions()
            and pages.is_page()
            and _key_text(asked) is None
        ):
            return pages.refusal(wanted)
        return None if wanted is None else gate.refusal(asked, wanted)

    app.before_request(check)
    app.after_request(_share_with_origin)


def shown_key() -> Key | None:
    """The key that the request showed."""
    key: Key | None = g.get("key")
    return key


def reaches(experiment: str) -> bool:
    """Whether the request's key, if it is restricted to some experiments, reaches this one."""
    key = shown_key()
    return key is None or key.experiments is None or experiment in key.experiments


def admitted_rank(environ: Mapping[str, Any]) -> int:
    """How well the key of a request that was answered is known; see :meth:`Gate.rank`."""
    return _rank(environ.get(_ADMITTED))


def _rank(key: Key | None) -> int:
    return 0 if key is None else 1 if key.publishable else 2


class Gate:
    """Looks at keys, and at how often they and strangers come.

    Args:
        find_key: the valid key that a text is, or None.
        limits: how often a key, and an address without one, may ask.
        own: the origins of our own pages, such as ``/docs``, as configured.

    Attributes:
        proxy_check: whether page requests fit the proxies that are configured.
    """

    def __init__(
        self, find_key: FindKey, limits: Limits, own: frozenset[str] = frozenset()
    ) -> None:
        self._find_key = find_key
        self._own = own
        self._proxies = limits.proxies
        self.proxy_check = ProxyCheck(limits.proxies)
        self._keys = Buckets(limits.key_rate)
        self._strangers = AddressRates(limits.stranger_rate)
        self._pages = AddressRates(limits.page_rate)
        self._page_events = AddressRates(limits.page_rate * _EVENTS_A_REQUEST)

    def admits(
        self, environ: dict[str, Any], text: str, wanted: Permission, experiment: str
    ) -> bool:
        """Whether a key opens an experiment; if not, :meth:`refusal` knows what to say.

        A request that was let in is not looked at, and not counted, a second time.
        """
        key = self._find_key(text)
        if key is None or not key.opens(wanted, experiment):
            return False
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and origin not in key.origins:
            return False
        if self._wait(environ, key, wanted):
            return False
        environ[_ADMITTED] = key
        return True

    def caller(self, environ: dict[str, Any]) -> Caller:
        """Who sent a request that was let in."""
        key: Key = environ[_ADMITTED]
        return Caller(
            key_id=key.key_id, trusted=not key.publishable, address=self._address(environ)
        )

    def _address(self, environ: dict[str, Any]) -> str:
        """The address that a request came from, worked out once."""
        known: str | None = environ.get(_ADDRESS)
        if known is None:
            known = environ[_ADDRESS] = address_of(environ, self._proxies)
        return known

    def _wait(self, environ: dict[str, Any], key: Key, wanted: Permission) -> float:
        """Count a request; seconds to wait if the key, or a page's visitor, asks too often."""
        if key.publishable and wanted is Permission.DECIDE:
            self.proxy_check.count(environ)
            wait = self._pages.take(self._address(environ))
            if wait:
                return wait
        return self._keys.take(key.key_id)

    def refuse_events(self, environ: dict[str, Any]) -> Response | None:
        """Why a page's outcomes are not taken now: its address sent too many lately."""
        key: Key = environ[_ADMITTED]
        if not key.publishable:
            return None
        wait = self._page_events.wait(self._address(environ))
        return _too_many(wait) if wait else None

    def count_events(self, environ: dict[str, Any], number: int) -> None:
        """Count the outcomes of a request that was let in."""
        key: Key = environ[_ADMITTED]
        if key.publishable:
            self._page_events.count(self._address(environ), number)

    def rank(self, environ: Mapping[str, Any]) -> int:
        """Whose key the head of a request shows: 0 nobody's, 1 a page's, 2 a secret one."""
        known = admitted_rank(environ)
        if known:
            return known
        text = _early_text(environ)
        try:
            return _rank(None if text is None else self._find_key(text))
        except UnavailableError:
            return 0

    def refusal(self, asked: Request, wanted: Permission) -> Response | None:
        """Why a request is refused; None lets it in, as its key's."""
        admitted = asked.environ.get(_ADMITTED)
        if admitted is not None:
            g.key = admitted
            return None
        text = _key_text(asked)
        key = None if text is None else self._find_key(text)
        if key is None:
            wait = self._strangers.take(address_of(asked.environ, self._proxies))
            return _too_many(wait) if wait else _no_key()
        wait = self._wait(asked.environ, key, wanted)
        if wait:
            asked.get_data()  # unread, it would cost the caller the connection
            return _too_many(wait)
        origin = asked.environ.get("HTTP_ORIGIN")
        if origin is not None and origin not in key.origins and origin not in self._own:
            return _forbidden("The key may not be used from this origin.")
        if not _opens(asked, key, wanted):
            return _forbidden("The key does not open this.")
        asked.environ[_ADMITTED] = g.key = key
        return None


def _opens(asked: Request, key: Key, wanted: Permission) -> bool:
    """Whether the key opens what is asked for, with the experiment that the address names.

    A page that names none shows all of them.
    """
    named = asked.view_args or {}
    if not asked.path.startswith("/v1/") and key.experiments is not None:
        return "key" in named and key.opens(wanted, named["key"])
    return key.opens(wanted, named.get("experiment"))


def _no_key() -> Response:
    response = problem(
        401, "no-valid-key", "No valid key", "Send a valid key as Authorization: Bearer."
    )
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _too_many(wait: float) -> Response:
    response = problem(429, "too-many-requests", "Too many requests", "Come back a little later.")
    response.headers["Retry-After"] = retry_after(wait)
    return response


def _key_text(asked: Request) -> str | None:
    header: str | None = asked.environ.get("HTTP_AUTHORIZATION")
    if header is not None:
        return header[7:] if header[:7].lower() == "bearer " else None
    in_address = asked.args.get("key") if asked.blueprint == "decisions" else None
    if in_address is not None:
        return address_key(in_address)
    if asked.endpoint == "decisions.events":
        found = _BODY_KEY.search(asked.get_data())
        return found[1].decode() if found else None
    return None


def _early_text(environ: Mapping[str, Any]) -> str | None:
    """The text of a key that stands in the head of a request."""
    header: str | None = environ.get("HTTP_AUTHORIZATION")
    if header is not None:
        return header[7:] if header[:7].lower() == "bearer " else None
    found = _QUERY_KEY.search(environ.get("QUERY_STRING", ""))
    return found[1] if found else None


def address_key(text: str) -> str | None:
    """A key that may stand in an address, which is a publishable one."""
    return text if _ADDRESS_KEY.fullmatch(text) else None


def _forbidden(detail: str) -> Response:
    return problem(403, "forbidden", "Forbidden", detail)


def _preflight(allowed: frozenset[str]) -> Response:
    """The answer to a browser that asks before it sends; a key cannot be with it yet."""
    response = Response(status=204)
    origin = request.environ.get("HTTP_ORIGIN")
    if origin in allowed:
        g.shared_origin = origin
        response.headers["Access-Control-Allow-Methods"] = "POST"
        response.headers["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = "600"
    return response


def _share_with_origin(response: Response) -> Response:
    """Let the page that asked read the answer, if its key declares the page's origin."""
    origin = request.environ.get("HTTP_ORIGIN")
    if origin is not None:
        response.vary.add("Origin")
        if "key" in g or g.get("shared_origin") == origin:
            response.headers["Access-Control-Allow-Origin"] = origin
    return response
