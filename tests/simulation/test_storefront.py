"""The demo's shop without a browser: its pages, its orders, and what its server reports."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from bandit_platform.domain.context import validate_context
from bandit_platform.domain.eligibility import eligible_arms
from bandit_platform.domain.exclusion import ExclusionCode
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.services.launching.spec_files import read_spec_file
from bandit_platform.simulation.experiment_files import shipped_experiment
from bandit_platform.simulation.storefront.app import Storefront, create_storefront
from bandit_platform.simulation.storefront.catalogue import EVENINGS

SERVICE = "http://127.0.0.1:8080"
#: what a team might make: little context, an offer without a price, one in another currency
NEW = """
key = "new-offers"
placement = "thank-you"
[context]
order_value = { type = "number", max = 100 }
country = { type = "category" }
device = { type = "category", values = ["television"] }
shoe_size = { type = "number", required = true }
[[arms]]
key = "gift"
[[arms]]
key = "abroad"
offer = { title = "Ferry", price = 25, currency = "EUR", url = "https://ferry.example" }
[reward]
window = "1h"
range = [0, 1]
accept = 1.0
"""


@dataclass
class Reports:
    """Takes the place of the client that reports."""

    sent: list[tuple[Any, ...]] = field(default_factory=list)

    def report(self, decision: str, kind: str, **more: Any) -> str:
        self.sent.append((decision, kind, more["amount"], more["currency"], more["event_id"]))
        return kind


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def client(reports: Any) -> Any:
    own = read_spec_file(shipped_experiment("demo_shop"))
    specs = {own.key: own, "new-offers": parse_toml(NEW)}
    shop = Storefront(
        experiment=own.key,
        find=specs.get,
        service=SERVICE,
        console="http://127.0.0.1:8081",
        publishable_key="pk_public",
        client=reports,
    )
    return create_storefront(shop).test_client()


def buy(client: Any, evening: str = "derby", tickets: int = 3) -> str:
    """Buys tickets; the address of the confirmation page."""
    assert client.post("/cart", data={"evening": evening, "tickets": tickets}).status_code == 302
    placed = client.post("/orders", data={"country": "IE"})
    address: str = placed.headers["Location"]
    assert address.startswith("/orders/")
    return address


def test_every_page_has_the_script_and_a_policy_without_exceptions(client: Any) -> None:
    pages = ["/", "/cart", buy(client)]
    client.post("/cart", data={"evening": "hamlet", "tickets": 1})
    for path in [*pages, "/cart", "/checkout"]:
        answer = client.get(path)
        assert answer.status_code == 200
        policy = answer.headers["Content-Security-Policy"]
        assert f"script-src 'self' {SERVICE}; connect-src 'self' {SERVICE};" in policy
        assert "unsafe" not in policy
        assert f'<script src="{SERVICE}/sdk/v1/offers.js" async></script>' in answer.text
        assert not re.search(r"<script>|<style|style=| on\w+=", answer.text)
        assert "pk_public" in answer.text
        assert "made up" in answer.text


def test_what_is_on_fits_the_experiment(client: Any) -> None:
    spec = read_spec_file(shipped_experiment("demo_shop"))
    for evening in EVENINGS:
        page = client.get(buy(client, evening.key)).text
        assert evening.title in page.replace("&#39;", "'")
        kinds, times = spec.context["event_kind"], spec.context["event_in"]
        assert evening.kind in kinds.values
        assert evening.event_in in times.values
    assert {"purchase", "return", "complaint"} == set(spec.events.secret_only)


def test_amounts_are_the_shop_s_own_and_reported_once(client: Any, reports: Reports) -> None:
    page = buy(client)
    bought = {"arm": "parking", "decision": "d1", "price": "0.01"}
    assert client.post(f"{page}/extra", data=bought).status_code == 302
    client.post(f"{page}/extra", data={**bought, "arm": "vip-upgrade"})
    client.post(f"{page}/complaint", data={"decision": "another"})
    client.post(f"{page}/return")
    client.post(f"{page}/return")
    assert reports.sent == [
        ("d1", "purchase", 14.0, "GBP", "purchase"),
        ("d1", "complaint", None, None, "complaint"),
        ("d1", "return", 14.0, "GBP", "return"),
    ]
    assert "Your order was returned" in client.get(page).text


def test_without_a_decision_nothing_is_reported(client: Any, reports: Reports) -> None:
    page = buy(client)
    client.post(f"{page}/return", data={"decision": ""})
    client.post(f"{page}/complaint", data={"decision": "<script>"})
    assert reports.sent == []


def test_the_offer_is_asked_for_until_it_was_answered(client: Any) -> None:
    page = buy(client)
    assert 'id="offer"' in client.get(page).text
    assert client.post(f"{page}/dismissed").status_code == 204
    assert 'id="offer"' not in client.get(page).text


def test_nonsense_is_refused_and_orders_are_private(client: Any) -> None:
    page = buy(client)
    assert client.post(f"{page}/extra", data={"arm": "unknown"}).status_code == 400
    assert client.post("/cart", data={"evening": "unknown"}).status_code == 404
    assert client.post("/orders").headers["Location"] == "/cart"
    assert client.get("/checkout").headers["Location"] == "/cart"
    assert client.post("/consent", data={"back": "//evil.example"}).headers["Location"] == "/"
    stranger = client.application.test_client()
    for method, path in (("get", page), ("post", f"{page}/return"), ("post", f"{page}/extra")):
        assert getattr(stranger, method)(path).status_code == 404


def test_consent_is_off_until_given(client: Any) -> None:
    assert 'data-consent="no"' in client.get("/").text
    assert client.post("/consent", data={"consent": "yes", "back": "/cart"}).location == "/cart"
    assert 'data-consent="yes"' in client.get("/").text
    client.post("/consent", data={"consent": "no"})
    assert 'data-consent="no"' in client.get("/").text


def test_it_can_be_opened_for_any_experiment(client: Any, reports: Reports) -> None:
    assert client.get("/?experiment=new-offers").location == "/"
    assert "back to demo-shop" in client.get("/").text
    page = buy(client, "hamlet", 1)
    text = html.unescape(client.get(page).text)
    assert 'data-experiment="new-offers"' in text
    assert 'data-context="{"order_value": 42.0}"' in text
    assert 'data-personal="{"country": "IE"}"' in text
    assert 'data-device="no"' in text
    assert "requires shoe_size" in text
    client.get("/?experiment=demo-shop")  # does not change whose order it was
    assert client.post(f"{page}/extra", data={"arm": "parking"}).status_code == 400
    client.post(f"{page}/extra", data={"arm": "abroad", "decision": "d1"})
    assert reports.sent == [("d1", "purchase", 25.0, "EUR", "purchase")]
    text = client.get(page).text
    assert "<dt>Ferry</dt><dd>25.00 EUR</dd>" in text
    assert "<dt>Total</dt><dd>£42.00</dd>" in text
    assert 'data-experiment="demo-shop"' in client.get(buy(client)).text


def test_what_a_field_would_refuse_is_not_said(client: Any) -> None:
    client.get("/?experiment=new-offers")
    text = html.unescape(client.get(buy(client, "three-days-of-summer", 2)).text)
    assert 'data-context="{}"' in text  # 190 pounds are more than it takes


def test_an_offer_without_a_title_or_price_can_be_taken(client: Any, reports: Reports) -> None:
    client.get("/?experiment=new-offers")
    page = buy(client)
    client.post(f"{page}/extra", data={"arm": "gift", "decision": "d1"})
    assert "<dt>gift</dt><dd>£0.00</dd>" in client.get(page).text
    assert reports.sent == [("d1", "purchase", 0.0, "GBP", "purchase")]


def test_an_unknown_experiment_changes_nothing(client: Any) -> None:
    answer = client.get("/?experiment=<script>")
    assert answer.status_code == 404
    assert "There is no such experiment" in answer.text
    assert "<script>" not in answer.text
    assert 'data-experiment="demo-shop"' in client.get(buy(client)).text


def test_the_cart_goes_to_the_service_and_keeps_its_own_offers_away(client: Any) -> None:
    client.post("/cart", data={"evening": "northern-lights", "tickets": 2})
    for sku in ("TOUR-SHIRT", "PARKING", "PARKING"):
        assert client.post("/cart/add-ons", data={"sku": sku}).status_code == 302
    assert client.post("/cart/add-ons", data={"sku": "GOLD"}).status_code == 404
    cart = client.get("/cart").text
    assert "£130.00" in cart
    assert cart.count("/cart/add-ons") == 1
    page = client.get(client.post("/orders", data={"country": "GB"}).headers["Location"]).text
    found = re.search(r'data-context="([^"]*)"', page)
    assert found is not None
    context = json.loads(html.unescape(found[1]))
    assert context["cart_skus"] == ["PARKING", "TOUR-SHIRT", "northern-lights"]
    assert context["order_value"] == 130.0
    spec = read_spec_file(shipped_experiment("demo_shop"))
    known = validate_context(spec.context, {**context, "device": "mobile"})
    found_arms = eligible_arms(spec, known, datetime.now(UTC))
    assert found_arms.arms == ("nothing", "vip-upgrade", "insurance")
    assert {why.code for why in found_arms.excluded.values()} == {ExclusionCode.IN_CART}
    assert "Nothing is in it yet" in client.get("/cart").text
    assert "PARKING" not in client.get(buy(client)).text
