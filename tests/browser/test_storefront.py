"""A person in the demo's shop: buys, is offered something, takes it, gives it back, complains."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from bandit_platform.bootstrap import build
from bandit_platform.cli.storefront import storefront
from bandit_platform.simulation.stage import Stage, stage_settings
from tests.browser.axe import PHONE, needs_axe, problems
from tests.browser.shop import needs_chromium
from tests.browser.walk import Window

pytestmark = [needs_chromium, pytest.mark.processes]

KEY = "demo-shop"


class House:
    """The platform, its shop, and what the tables hold."""

    def __init__(self, platform: Any, url: str) -> None:
        self.platform = platform
        self.url = url

    def rows(self, statement: str, decision: str) -> list[tuple[Any, ...]]:
        """What is stored of a decision."""
        with self.platform.database.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement, (decision,))]

    def is_activated(self, decision: str) -> bool:
        return bool(self.rows("SELECT 1 FROM activation WHERE decision_id = ?", decision))

    def events(self, decision: str) -> dict[str, tuple[float | None, bool]]:
        """Type → amount and whether it is trusted."""
        found = self.rows("SELECT type, amount, trusted FROM event WHERE decision_id = ?", decision)
        return {kind: (amount, bool(trusted)) for kind, amount, trusted in found}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    settings = stage_settings(folder)
    platform = build(settings)
    with Stage(settings, folder, processes=("serve", "work")) as stage:
        stage.wait_until_ready()
        with storefront(platform, stage) as url:
            yield House(platform, url)
    platform.database.close()
    structlog.reset_defaults()


@pytest.fixture
def visitor(a_browser: Any, house: House) -> Iterator[Any]:
    """Somebody's window, in which nothing may complain."""
    context = a_browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def until(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def buy_tickets(page: Any, house: House) -> None:
    page.goto(house.url)
    page.get_by_role("button", name="Add to cart: Northern Lights").click()
    page.get_by_role("link", name="Go to checkout").click()
    page.get_by_role("button", name="Pay £96.00").click()
    page.locator("#answer div").first.wait_for(state="attached")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def become_another(page: Any, house: House) -> None:
    """Go on as a visitor whom the shop has not seen."""
    if not page.evaluate("localStorage.length"):
        return  # without consent each order is another visitor's
    page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
    page.context.clear_cookies()
    page.goto(house.url)
    page.get_by_role("button", name="Give consent").click()


def buy_until(page: Any, house: House, *, offered: bool) -> str:
    """Buys tickets until something, or nothing, is offered; the decision's id."""
    deadline, bought = time.monotonic() + 60, 0
    while bought < 40 and time.monotonic() < deadline:
        buy_tickets(page, house)
        reason = page.locator("#answer dd").nth(1).text_content()
        if reason == "unavailable":
            continue  # the server has not heard of the shop's key yet, or has no time
        if offered and reason == "holdout":  # a tenth of all visitors, who always get nothing
            become_another(page, house)
            continue
        bought += 1
        if bool(page.locator("#offer .offer").count()) is offered:
            found: str = page.locator("#answer dd").last.text_content()
            return found
    raise AssertionError


def test_buy_accept_return_complain(house: House, visitor: Any) -> None:
    page = visitor
    page.goto(house.url)
    page.get_by_role("button", name="Give consent").click()
    decision = buy_until(page, house, offered=True)
    title = page.text_content(".offer-title")
    page.reload()  # the same order gets the same answer
    page.locator("#offer .offer").wait_for()
    assert page.locator("#answer dd").last.text_content() == decision
    page.get_by_role("button", name="Yes, add it").click()
    page.get_by_role("button", name="Buy for").click()
    page.get_by_text("Total").wait_for()
    assert title in page.text_content("main")
    assert page.locator("#offer").count() == 0
    page.get_by_role("button", name="Return the order").click()
    page.get_by_role("button", name="Complain").click()
    page.get_by_text("Your complaint has arrived").wait_for()

    # a page that claims what only the shop's server may say
    forged = "d => offers('track', {decision_id: d}, 'purchase', {amount: 999, currency: 'GBP'})"
    page.evaluate(forged, decision)
    rows = until(lambda: (found := house.events(decision)) and len(found) >= 4 and found)
    price = rows["return"][0]
    assert price in {30.0, 14.0, 20.0, 9.0}
    assert rows["accept"] == (None, False)
    assert rows["return"] == (price, True)
    assert rows["complaint"] == (None, True)
    purchases = (
        "SELECT amount, trusted FROM event "
        "WHERE decision_id = ? AND type = 'purchase' ORDER BY amount"
    )
    until(lambda: house.rows(purchases, decision) == [(price, 1), (999.0, 0)])
    assert house.is_activated(decision)
    assert house.platform.report(KEY).counts.events >= 5


def test_dismiss_and_be_left_alone(house: House, visitor: Any) -> None:
    decision = buy_until(visitor, house, offered=True)
    visitor.get_by_role("button", name="No, thanks").click()
    assert visitor.locator("#offer .offer").count() == 0
    until(lambda: "dismiss" in house.events(decision))
    visitor.reload()
    assert visitor.locator("#offer").count() == 0
    assert visitor.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]


def test_nothing_is_counted_like_an_offer(house: House, visitor: Any) -> None:
    decision = buy_until(visitor, house, offered=False)
    assert visitor.locator("#offer *:visible").count() == 0
    until(lambda: house.is_activated(decision))
    visitor.get_by_role("button", name="Return the order").click()
    until(lambda: house.events(decision) == {"return": (0.0, True)})


@needs_axe
def test_nobody_is_left_out_of_the_shop(house: House, a_browser: Any) -> None:
    # axe-core comes with the tests, not with the shop, so its policy would not let it run
    page = a_browser.new_context(viewport=PHONE, bypass_csp=True).new_page()
    opened = Window(page)
    found = {}

    def look(name: str) -> None:
        found[name] = problems(opened)
        page.set_viewport_size(PHONE)

    page.goto(house.url)
    look("what's on")
    page.get_by_role("link", name="Cart").click()
    look("empty cart")
    page.goto(f"{house.url}?experiment=unknown")
    look("unknown experiment")
    buy_until(page, house, offered=True)
    look("offer")
    page.get_by_role("button", name="Yes, add it").click()
    look("extra")
    page.get_by_role("button", name="Buy for").click()
    page.get_by_role("button", name="Complain").click()
    page.get_by_role("button", name="Return the order").click()
    look("returned")
    page.get_by_role("link", name="What").click()
    page.get_by_role("button", name="Add to cart: Northern Lights").click()
    look("cart")
    page.get_by_role("link", name="Go to checkout").click()
    look("checkout")
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
