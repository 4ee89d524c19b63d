"""Attacks in offers: what a shop shows of them stays text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest

from bandit_platform.simulation.storefront.app import Storefront, create_storefront
from tests.browser.payloads import PAYLOADS, chunks
from tests.browser.shop import listening, needs_chromium
from tests.browser.walk import Window

pytestmark = needs_chromium


@pytest.mark.parametrize("text", chunks(40))
def test_a_whole_purchase_stays_text(a_browser: Any, counter: Any, spec: Any, text: str) -> None:
    """The demo's shop, with an experiment whose offer is nothing but attacks."""
    offer = dict.fromkeys(("title", "text", "url", "image", "currency"), text) | {"price": 5}
    (arm, *_) = spec.arms
    hostile = spec.model_copy(update={"arms": (arm.model_copy(update={"offer": offer}),)})
    shop = Storefront(
        experiment=spec.key,
        find=lambda _: hostile,
        service=counter.service_url,
        console=counter.url,
        publishable_key=counter.key,
        client=SimpleNamespace(report=lambda *_, **__: None),
    )
    counter.service.trouble["/decisions"] = {
        "decision_id": "x", "arm": arm.key, "offer": offer, "reason": text, "pmf": {text: 1.0},
    }  # fmt: skip
    counter.service.trouble["/events"] = {"events": []}
    with listening(create_storefront(shop)) as url:
        opened = Window(a_browser.new_context().new_page())
        page = opened.page
        page.goto(url)
        page.get_by_role("button", name="Add to cart: Hamlet").click()
        page.get_by_role("link", name="Go to checkout").click()
        page.get_by_role("button", name="Pay").click()
        page.locator("#offer .offer").wait_for()
        assert page.text_content(".offer-title") == text
        assert page.locator("#answer dd").nth(1).text_content() == text
        assert _made_in_the_shop(opened) == []
        page.locator(".offer-accept").click()
        page.locator("#extra-buy").click()
        page.get_by_text("Total").wait_for()
        assert page.locator(".lines dt").nth(1).text_content() == text.replace("\r", "\n")
        assert _made_in_the_shop(opened) == []
        page.goto(f"{url}/?{urlencode({'experiment': text})}")
        assert _made_in_the_shop(opened) == []
        assert opened.complaints == []
        page.context.close()


def _made_in_the_shop(opened: Window) -> list[str]:
    """What no page of the shop has; its icon and an offer's image are its own."""
    own = (
        "href data:,",
        f'<img class="offer-image" alt="" src="{opened.page.url.partition("/o")[0]}/',
    )
    return [each for each in opened.made() if not each.startswith(own)]


_KINDS = {"section", "p", "a", "button", "img", "span"}
#: renders an offer that is nothing but the text; its title, elements and addresses
_RENDER = """async text => {
    const offer = {title: text, text, url: text, image: text, price: text, currency: text};
    const answer = {decision_id: null, arm: text, offer, reason: text, expires_at: text};
    await offers('render', '#slot', answer);
    const all = [...document.querySelectorAll('#slot *')];
    return [document.querySelector('.offer-title').textContent, all.map(each => each.localName),
        all.map(each => each.href || each.src).filter(Boolean)];
}"""


def test_offers_stay_text_in_a_shop(counter: Any) -> None:
    page = counter.open()
    for text in PAYLOADS:
        title, kinds, addresses = page.evaluate(_RENDER, text)
        assert title == text
        assert {"section", "p", "button"} <= set(kinds) <= _KINDS
        assert all(each.startswith((counter.url, "https:")) for each in addresses), text
