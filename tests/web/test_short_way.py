"""A decision is answered alike whichever way it takes, and takes the short one if in order."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from werkzeug.test import Client, TestResponse

from bandit_platform.domain.access import Role
from bandit_platform.errors import JournalError
from bandit_platform.web.limits import Limits
from bandit_platform.web.meter import Meter
from bandit_platform.web.observed import Observed
from bandit_platform.web.short_way import ShortWay
from tests.web.both_ports import CONTEXT, SHOP, Site

PATH = "/v1/experiments/checkout-offers/decisions"
JSON = "application/json"
BODY = {"unit_id": "u-1", "context": CONTEXT}


class Ways:
    """The shop's port by either way, with a note of what took the long one."""

    def __init__(self, site: Site) -> None:
        self.site = site
        observed: Any = site.shop.wsgi_app
        way = observed.inner
        assert isinstance(way, ShortWay)
        framework = way.inner
        self.long_taken = 0

        def noted(environ: Any, start: Any) -> Any:
            self.long_taken += 1
            return framework(environ, start)

        self.short = Client(Observed(ShortWay(noted, way._gate, way._shop), Meter()), TestResponse)
        self.long = Client(Observed(framework, Meter()), TestResponse)

    def ask(self, client: Client, body: Any, **options: Any) -> Any:
        """Status, headers and body of an answer, without what differs each time."""
        key = options.pop("key", self.site.keys["server"])
        headers = ({"Authorization": f"Bearer {key}"} if key else {}) | options.pop("headers", {})
        data = body if isinstance(body, bytes) else json.dumps(body)
        answer = client.open(
            options.pop("path", PATH),
            method=options.pop("method", "POST"),
            data=data,
            content_type=options.pop("kind", JSON),
            headers=headers,
            **options,
        )
        kept = sorted((k, v) for k, v in answer.headers.items() if k != "X-Request-ID")
        return answer.status, kept, answer.get_data()


@pytest.fixture
def ways(site: Site) -> Ways:
    """Both ways over one site."""
    return Ways(site)


IN_ORDER: dict[str, dict[str, Any]] = {
    "a server's": {},
    "with everything": {
        "body": BODY | {"eligible_arms": ["upgrade"], "excluded_arms": [], "defer_activation": True}
    },
    "as text": {"kind": "text/plain"},
    "a page's": {"publishable": True, "kind": "text/plain;charset=UTF-8"},
    "a page's with a header": {"publishable": True, "header": True},
}


def _options(site: Site, case: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    options = dict(case)
    body = options.pop("body", BODY)
    if options.pop("publishable", False):
        options["headers"] = {"Origin": SHOP}
        key = site.keys["publishable"]
        if options.pop("header", False):
            options["key"] = key
        else:
            options |= {"key": None, "path": f"{PATH}?key={key}"}
    return body, options


@pytest.mark.parametrize("name", IN_ORDER)
def test_what_is_in_order_takes_the_short_way_and_is_answered_alike(name: str, ways: Ways) -> None:
    body, options = _options(ways.site, IN_ORDER[name])
    named = body | {"request_key": uuid4().hex}
    first = ways.ask(ways.short, named, **options)
    assert first[0] == "201 CREATED"
    again = ways.ask(ways.short, named, **options)
    assert ways.long_taken == 0
    assert again == ways.ask(ways.long, named, **options)
    assert again[0] == "200 OK"
    assert again[2] == first[2]
    other = body | {"request_key": uuid4().hex}
    new = ways.ask(ways.long, other, **options)
    assert new[0] == first[0]
    assert _without_length(new[1]) == _without_length(first[1])


def _without_length(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pair for pair in headers if pair[0] != "Content-Length"]


NOT_IN_ORDER: dict[str, tuple[str, dict[str, Any]]] = {
    "not JSON": ("400 BAD REQUEST", {"body": b"{"}),
    "an unknown field": ("422", {"body": BODY | {"nonsense": 1}}),
    "a wrong context": ("422", {"body": BODY | {"context": CONTEXT | {"cart_value": "x"}}}),
    "an unknown arm": ("422", {"body": BODY | {"excluded_arms": ["nowhere"]}}),
    "a long body": ("413", {"body": b" " * 33_000}),
    "another kind of body": ("415", {"kind": "application/xml"}),
    "another method": ("405", {"method": "PUT"}),
    "no experiment": ("404", {"path": "/v1/experiments/none/decisions"}),
    "a longer path": ("404", {"path": "/v1/experiments/a/b/decisions"}),
    "no key": ("401", {"key": None}),
    "an unknown key": ("401", {"key": "sk_0000000000000000_" + "A" * 43}),
    "a viewer's key": ("403", {"role": "viewer"}),
    "an empty Idempotency-Key": ("422", {"headers": {"Idempotency-Key": ""}}),
    "a page of another shop": ("403", {"headers": {"Origin": "https://evil.example"}}),
    "a secret key in the address": ("401", {"role": "server", "address": True}),
}


@pytest.mark.parametrize("name", NOT_IN_ORDER)
def test_what_is_not_in_order_is_refused_by_the_long_way(name: str, ways: Ways) -> None:
    status, case = NOT_IN_ORDER[name]
    options = dict(case)
    body = options.pop("body", BODY)
    if role := options.pop("role", None):
        options["key"] = ways.site.keys[role]
    if options.pop("address", False):
        options["path"] = f"{PATH}?key={options['key']}"
        options["key"] = None
    refused = ways.ask(ways.short, body, **options)
    assert refused[0].startswith(status)
    assert ways.long_taken == 1
    assert refused == ways.ask(ways.long, body, **options)


def test_a_key_for_other_experiments_is_refused(ways: Ways) -> None:
    made = ways.site.platform.keys.create(role=Role.SERVER, experiments=["another"])
    ways.site.serving.registry.refresh()
    refused = ways.ask(ways.short, BODY, key=made.text)
    assert refused[0].startswith("403")
    assert refused == ways.ask(ways.long, BODY, key=made.text)


def test_a_request_key_with_another_body_is_a_conflict(ways: Ways) -> None:
    named = BODY | {"request_key": "order-1"}
    ways.ask(ways.short, named)
    refused = ways.ask(ways.short, named | {"unit_id": "u-2"})
    assert refused[0].startswith("409")
    assert refused == ways.ask(ways.long, named | {"unit_id": "u-2"})


def test_a_page_sees_the_answer_of_its_own_shop_only(ways: Ways) -> None:
    _, headers, _ = ways.ask(
        ways.short, BODY, key=ways.site.keys["publishable"], headers={"Origin": SHOP}
    )
    assert ("Access-Control-Allow-Origin", SHOP) in headers
    assert ("Vary", "Origin") in headers


def test_a_refused_request_is_counted_once(ways: Ways) -> None:
    """One that came in order but asks for nonsense costs one token, not two."""
    from bandit_platform.web.auth import Gate  # noqa: PLC0415

    way: Any = ways.site.shop.wsgi_app.inner  # type: ignore[attr-defined]
    keys = ways.site.serving.registry.keys
    gate = Gate(lambda text: keys.find(text, ways.site.clock()), Limits(key_rate=1))
    taken = gate._keys
    way._gate = gate
    client = Client(ways.site.shop.wsgi_app, TestResponse)
    for _ in range(2):  # a bucket holds two seconds
        assert ways.ask(client, BODY | {"context": {"cart_value": "x"}})[0].startswith("422")
    assert taken.take(str(ways.site.keys["server"])[3:19]) > 0


def test_an_unexpected_failure_leaves_it_to_the_long_way(
    ways: Ways, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    way: Any = ways.site.shop.wsgi_app.inner  # type: ignore[attr-defined]
    decide = way._shop.decide
    calls = iter([RuntimeError("broken")])

    def once(*arguments: Any) -> Any:
        error = next(calls, None)
        if error is not None:
            raise error
        return decide(*arguments)

    monkeypatch.setattr(way._shop, "decide", once)
    assert ways.ask(ways.short, BODY)[0] == "201 CREATED"
    assert ways.long_taken == 1


def test_nothing_is_shown_where_nothing_can_be_recorded(
    ways: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise JournalError("disk full")

    monkeypatch.setattr(ways.site.serving.journal, "append", full)
    status, _, body = ways.ask(ways.short, BODY)
    assert status == "201 CREATED"
    assert json.loads(body)["reason"] == "fallback"
    assert ways.long_taken == 0
