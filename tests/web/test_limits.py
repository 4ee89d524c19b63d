from __future__ import annotations

import timeit
from typing import Any

import pytest

from bandit_platform.web.apps import create_console_app, create_decision_app
from bandit_platform.web.limits import Buckets, Limits, address_of, retry_after
from tests.web.both_ports import Site, shown


class Ticks:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_holds_two_seconds_and_fills_at_its_rate() -> None:
    ticks = Ticks()
    buckets = Buckets(10, ticks)
    assert [buckets.take("a") for _ in range(20)] == [0.0] * 20
    assert buckets.take("a") == pytest.approx(0.1)
    assert buckets.take("b") == 0.0
    ticks.now = 0.5
    assert [buckets.take("a") == 0.0 for _ in range(6)] == [True] * 5 + [False]
    ticks.now = 1000.0
    assert sum(buckets.take("a") == 0.0 for _ in range(100)) == 20


def test_a_rate_of_zero_is_no_limit() -> None:
    buckets = Buckets(0, Ticks())
    assert {buckets.take("a") for _ in range(10_000)} == {0.0}


def test_memory_is_bounded_however_many_callers_come() -> None:
    buckets = Buckets(1, Ticks())
    for number in range(100_000):
        buckets.take(f"{number}")
    assert len(buckets._levels) <= 10_000


def test_a_look_at_a_bucket_costs_next_to_nothing() -> None:
    buckets = Buckets(1e9)
    assert timeit.timeit(lambda: buckets.take("a"), number=10_000) / 10_000 < 20e-6


@pytest.mark.parametrize(("seconds", "text"), [(0.01, "1"), (1.0, "1"), (1.01, "2")])
def test_callers_wait_whole_seconds(seconds: float, text: str) -> None:
    assert retry_after(seconds) == text


@pytest.mark.parametrize(
    ("remote", "forwarded", "proxies", "address"),
    [
        ("10.0.0.9", "1.2.3.4", 0, "10.0.0.9"),
        ("10.0.0.9", "6.6.6.6, 1.2.3.4", 1, "1.2.3.4"),
        ("10.0.0.9", "6.6.6.6, 1.2.3.4, 10.0.0.8", 2, "1.2.3.4"),
        ("10.0.0.9", "", 1, "unknown"),
        ("10.0.0.9", "1.2.3.4", 2, "10.0.0.9"),
        ("10.0.0.9", "<script>", 1, "unknown"),
        ("2001:db8:1:2:3:4:5:6", "", 0, "2001:db8:1:2::"),
        ("::ffff:1.2.3.4", "", 0, "1.2.3.4"),
        ("10.0.0.9", "::FFFF:1.2.3.4", 1, "1.2.3.4"),
        ("10.0.0.9", "1.2.3.4:5678", 1, "1.2.3.4"),
        ("10.0.0.9", "6.6.6.6:1, [2001:db8:1:2:3::4]:5678", 1, "2001:db8:1:2::"),
        ("10.0.0.9", "[2001:db8::1]", 1, "2001:db8::"),
        ("10.0.0.9", "1.2.3.4:5678:9", 1, "unknown"),
        ("", "", 0, "unknown"),
    ],
)
def test_the_address_is_the_one_that_cannot_be_made_up(
    remote: str, forwarded: str, proxies: int, address: str
) -> None:
    environ = {"REMOTE_ADDR": remote, "HTTP_X_FORWARDED_FOR": forwarded}
    assert address_of(environ, proxies) == address


def refused(answer: Any) -> bool:
    if answer.status_code != 429:
        return False
    assert answer.content_type == "application/problem+json"
    assert answer.json["type"] == "urn:bandit-platform:problem:too-many-requests"
    assert int(answer.headers["Retry-After"]) >= 1
    return True


def test_a_key_that_asks_too_often_waits_and_no_other_does(site: Site) -> None:
    site.shop = create_decision_app(site.serving, Limits(key_rate=3))
    answers = [site.decide(site.keys["server"]) for _ in range(12)]
    assert sum(map(refused, answers)) >= 4
    assert [a.status_code for a in answers[:6]] == [201] * 6
    assert site.decide(site.keys["publishable"]).status_code == 201


def test_strangers_wait_and_holders_of_keys_at_the_same_address_do_not(site: Site) -> None:
    site.shop = create_decision_app(site.serving, Limits(stranger_rate=2))
    answers = [site.decide(key) for key in (None, site.keys["garbage"]) * 5]
    assert [a.status_code for a in answers[:4]] == [401] * 4
    assert sum(map(refused, answers)) >= 4
    assert site.decide(site.keys["server"]).status_code == 201
    elsewhere = site.shop.test_client().post(
        "/v1/events", json={}, environ_base={"REMOTE_ADDR": "192.0.2.7"}
    )
    assert elsewhere.status_code == 401


def test_the_console_limits_too(site: Site) -> None:
    console = create_console_app(site.platform, site.settings, Limits(key_rate=1))
    headers = shown(site.keys["viewer"])
    answers = [console.test_client().get("/v1/experiments", headers=headers) for _ in range(6)]
    assert sum(map(refused, answers)) >= 3
    assert console.test_client().get("/healthz").status_code == 200
