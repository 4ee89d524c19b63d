"""Page traffic over HTTP: marked above the limits, refused far above, never with a secret key."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from bandit_platform.bootstrap import build_serving
from bandit_platform.web.apps import create_decision_app
from bandit_platform.web.bare_app import limits_of
from bandit_platform.web.limits import Limits
from tests.web.both_ports import CONTEXT, SHOP, Site

PATH = "/v1/experiments/checkout-offers/decisions"
KINDS = ["application/json", "application/json; charset=utf-8"]  # fast path, framework


@pytest.fixture
def ask(site: Site) -> Callable[..., Any]:
    """Asks for a decision, by default with the page's key."""
    numbers = iter(range(10_000))

    def ask(
        key: str = "publishable",
        *,
        unit: str | None = None,
        address: str = "192.0.2.1",
        kind: str = KINDS[0],
        forwarded: str = "",
    ) -> Any:
        headers = {"Authorization": f"Bearer {site.keys[key]}", "X-Forwarded-For": forwarded}
        if key == "publishable":
            headers["Origin"] = SHOP
        return site.shop.test_client().post(
            PATH,
            data=json.dumps({"unit_id": unit or f"u-{next(numbers)}", "context": CONTEXT}),
            content_type=kind,
            headers=headers,
            environ_overrides={"REMOTE_ADDR": address},
        )

    return ask


def marks(site: Site) -> list[bool]:
    """Of every decision in the journal, whether it was marked."""
    segments = site.settings.journal_dir.glob("*.jsonl")
    lines = [json.loads(line) for each in segments for line in each.read_text().splitlines()]
    return [each.get("over_limit", False) for each in lines if each["k"] == "decision"]


def serve(site: Site, **settings: Any) -> None:
    """Answer with other settings from now on."""
    chosen = replace(site.settings, page_rate=0, **settings)
    site.shop = create_decision_app(build_serving(chosen, site.serving.clock), limits_of(chosen))


@pytest.mark.parametrize("kind", KINDS)
def test_page_traffic_is_marked_by_address(site: Site, ask: Any, kind: str) -> None:
    serve(site, address_limit=4)
    answers = [ask(kind=kind) for _ in range(7)]
    assert {each.status_code for each in answers} == {201}
    assert {frozenset(each.json) for each in answers} == {frozenset(answers[0].json)}
    assert marks(site) == [False] * 4 + [True] * 3
    ask(kind=kind, address="192.0.2.2")
    assert not marks(site)[-1]


def test_page_traffic_is_marked_by_unit(site: Site, ask: Any) -> None:
    serve(site, unit_limit=2)
    for number in range(4):
        ask(unit="one", address=f"192.0.2.{number}")
    assert marks(site) == [False, False, True, True]


def test_servers_are_never_marked(site: Site, ask: Any) -> None:
    serve(site, unit_limit=1, address_limit=1)
    for _ in range(5):
        assert ask("server", unit="one").status_code == 201
    assert marks(site) == [False] * 5


def test_the_address_is_the_shoppers_behind_proxies(site: Site, ask: Any) -> None:
    serve(site, address_limit=1, proxies=1)
    for number in range(5):
        ask(forwarded=f"6.6.6.6, 192.0.2.{number}")
    ask(forwarded="7.7.7.7, 192.0.2.0")
    assert marks(site) == [False] * 5 + [True]


def proxy_warnings(site: Site) -> list[str]:
    found = site.shop.test_client().get("/readyz").json
    return [each for each in found.get("warnings", ()) if "BANDIT_PLATFORM_PROXIES" in each]


@pytest.mark.parametrize(
    ("proxies", "forwarded", "fits"),
    [
        (0, "", True),
        (0, "192.0.2.7", False),
        (1, "192.0.2.7", True),
        (1, "6.6.6.6, 192.0.2.7", True),
        (1, "", False),
        (2, "192.0.2.7", False),
        (2, "192.0.2.7, 10.0.0.2", True),
    ],
)
def test_a_process_warns_where_its_proxies_do_not_fit(
    site: Site, ask: Any, proxies: int, forwarded: str, fits: bool
) -> None:
    serve(site, proxies=proxies)
    with capture_logs() as logs:
        for number in range(40):
            ask(forwarded=forwarded, kind=KINDS[number % 2])
    assert len(proxy_warnings(site)) == (not fits)
    said = [each for each in logs if "BANDIT_PLATFORM_PROXIES" in each["event"]]
    assert len(said) == (not fits)
    assert "192.0.2.7" not in f"{logs}"


def test_some_callers_who_write_the_header_are_no_reason_to_warn(site: Site, ask: Any) -> None:
    serve(site)
    for number in range(1000):
        ask(forwarded="192.0.2.7" if number % 5 < 2 else "")
        ask("server", forwarded="192.0.2.7")  # not limited by address
    assert proxy_warnings(site) == []


@pytest.mark.parametrize("kind", KINDS)
def test_far_above_an_address_waits_and_no_other_does(site: Site, ask: Any, kind: str) -> None:
    site.shop = create_decision_app(site.serving, Limits(page_rate=3))
    answers = [ask(kind=kind) for _ in range(12)]
    assert [each.status_code for each in answers[:6]] == [201] * 6
    refused = [each for each in answers if each.status_code == 429]
    assert len(refused) >= 4
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert len(marks(site)) == 12 - len(refused)
    assert ask(address="192.0.2.2").status_code == 201
    assert ask("server").status_code == 201
    events = site.shop.test_client().post(
        "/v1/events",
        json={"events": []},
        headers={"Authorization": f"Bearer {site.keys['publishable']}", "Origin": SHOP},
        environ_overrides={"REMOTE_ADDR": "192.0.2.1"},
    )
    assert events.status_code == 429


def test_a_page_that_is_refused_uses_up_nothing_of_its_key(site: Site, ask: Any) -> None:
    site.shop = create_decision_app(site.serving, Limits(page_rate=2, key_rate=4))
    for _ in range(50):
        ask()
    assert [ask(address="192.0.2.2").status_code for _ in range(4)] == [201] * 4


def test_a_page_that_reports_too_many_outcomes_waits_and_may_still_ask(
    site: Site, ask: Callable[..., Any]
) -> None:
    """A hundred outcomes fit into one request, so requests alone would be no limit."""
    decision_id = ask().json["decision_id"]

    def report(key: str, address: str = "192.0.2.1") -> int:
        numbers = iter(range(10_000_000))
        events = [
            {"event_id": f"{key}-{next(numbers)}", "decision_id": decision_id, "type": "accept"}
            for _ in range(100)
        ]
        headers = {"Authorization": f"Bearer {site.keys[key]}"}
        if key == "publishable":
            headers["Origin"] = SHOP
        answer = site.shop.test_client().post(
            "/v1/events",
            json={"events": events},
            headers=headers,
            environ_overrides={"REMOTE_ADDR": address},
        )
        return int(answer.status_code)

    limits = Limits(page_rate=20, stranger_rate=0)
    site.shop = create_decision_app(site.serving, limits)
    answers = [report("publishable") for _ in range(10)]
    assert answers[:2] == [202, 202]
    assert set(answers[3:]) == {429}
    assert ask().status_code == 201  # a decision is not what came too often
    assert report("publishable", "198.51.100.7") == 202
    assert [report("server") for _ in range(10)] == [202] * 10
