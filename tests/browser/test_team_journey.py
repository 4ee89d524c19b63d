"""A product team's whole journey by clicking, against the platform as it really runs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from bandit_platform.bootstrap import build
from bandit_platform.cli.storefront import storefront
from bandit_platform.domain.access import Role
from bandit_platform.simulation.stage import Stage, stage_settings
from tests.browser.shop import needs_chromium
from tests.browser.walk import Window

pytestmark = [needs_chromium, pytest.mark.processes]

KEY = "thank-you-offers"
PASSWORD = "seven quiet lanterns"  # noqa: S105 - of a user who exists in this test only


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """serve, console and work, each in a process, and the demo's shop."""
    folder = tmp_path_factory.mktemp("team")
    settings = stage_settings(folder, shop=True)
    platform = build(settings)
    with Stage(settings, folder) as stage:
        stage.wait_until_ready()
        with storefront(platform, stage) as shop_url:
            yield SimpleNamespace(
                platform=platform, shop_url=shop_url, console=settings.console_address
            )
    platform.database.close()
    structlog.reset_defaults()


@pytest.fixture
def team(a_browser: Any, running: Any) -> Iterator[Any]:
    """The team's window, in which nothing may complain."""
    context = a_browser.new_context(viewport={"width": 1440, "height": 900})
    opened = Window(context.new_page())
    yield opened.page
    context.close()
    assert opened.complaints == []


def test_from_an_idea_to_the_audit_log(a_browser: Any, running: Any, team: Any) -> None:
    _signs_in(team, running)
    _creates(team)
    key = _makes_a_key(team, running)
    _passes_the_checklist(team, key)
    sold = _sells(a_browser, team)
    _reads_the_numbers(team, running, sold)
    _pauses_changes_resumes_and_stops(team)
    _reads_what_was_done(team)


def _signs_in(page: Any, running: Any) -> None:
    """With the link that a new user gets, and then as on every other day."""
    page.goto(running.console + running.platform.users.create("ada", Role.ADMIN).path)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Save and sign in").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="ada").wait_for()


def _creates(page: Any) -> None:
    page.get_by_role("link", name="New experiment").click()
    page.locator("#key").fill(KEY)
    page.locator("#placement").fill("thank-you")
    page.locator("#owner").fill("growth")
    for number, name in enumerate(("order_value", "country")):
        page.get_by_role("button", name="Add a field").click()
        page.locator(f"#context-{number}-name").fill(name)
    page.locator("#context-0-type").select_option("number")
    page.locator("#arms-0-key").fill("parking")
    page.locator("#arms-0-title").fill("Park at the venue")
    page.locator("#arms-0-value-0-value").fill("1")
    page.locator("#reward-window").fill("2s")
    page.locator("#holdout-share").fill("0")
    page.get_by_role("button", name="Save as a draft").click()
    page.get_by_role("link", name="Go through the checklist").click()
    _expect_open(page, {"decision", "event"})  # the demo's shop has a key that opens all
    assert page.locator('[data-step="start"] button').is_disabled()


def _expect_open(page: Any, parts: set[str]) -> None:
    found = page.locator("#checklist li.open").evaluate_all("all => all.map(e => e.dataset.check)")
    assert len(found) == len(parts), found
    assert all(any(part in name for name in found) for part in parts), found


def _makes_a_key(page: Any, running: Any) -> str:
    page.get_by_role("link", name="Settings").click()
    page.get_by_label("Name", exact=True).fill("the shop's pages")
    page.get_by_label("Pages that use it").fill("https://shop.example")
    page.get_by_label(KEY).check()
    page.get_by_role("button", name="Create the key").click()
    text: str = page.locator(".command code").inner_text()
    assert text.startswith("pk_")
    return text


def _passes_the_checklist(page: Any, key: str) -> None:
    page.get_by_role("link", name="Experiments", exact=True).click()
    page.get_by_role("link", name=KEY).click()
    page.get_by_role("link", name="Setup", exact=True).click()
    page.get_by_role("link", name="Checklist and start").click()
    for _ in range(100):  # the service hears of a new key within a second or two
        page.locator("#shop_key").fill(key)
        page.locator("#try #order_value, #try [name$=order_value]").first.fill("40")
        page.get_by_role("button", name="Send both").click()
        if page.get_by_role("link", name="Look again").count():
            break
        page.wait_for_timeout(100)
    _reload_until(page, "#checklist:has-text('everything is settled')")
    page.locator('[data-step="start"] a').click()
    page.locator("button.main").click()
    page.get_by_text("Running.").first.wait_for()


def _reload_until(page: Any, selector: str) -> None:
    deadline = time.monotonic() + 30
    place = page.url.partition("#")[0].replace("/setup/try", "/setup/launch")
    while True:
        page.goto(place)
        if page.locator(selector).count():
            return
        assert time.monotonic() < deadline, page.locator("main").inner_text()
        page.wait_for_timeout(200)


@dataclass
class Sold:
    """What shoppers were shown, and what they took."""

    #: answers that count
    counted: int = 0
    shown: int = 0
    accepted: int = 0
    #: decisions that came into view
    seen: list[str] = field(default_factory=list)


def _sells(browser: Any, team: Any) -> Sold:
    """Shoppers buy tickets in the shop that the console leads to, until every answer was given."""
    address = team.get_by_role("link", name="try it in the shop").get_attribute("href")
    opened = Window(browser.new_context(viewport={"width": 1440, "height": 900}).new_page())
    page, sold = opened.page, Sold()
    page.on("requestfinished", lambda r: sold.seen.append(r.url) if "/activate" in r.url else None)
    page.goto(address)
    assert page.locator(".demo").inner_text().count(KEY) == 1
    deadline = time.monotonic() + 60
    while min(sold.counted - sold.shown, sold.accepted) < 1 or sold.counted < 6:
        assert time.monotonic() < deadline
        if _buys(page) in {"uniform", "policy"}:  # the shop has heard of the start
            _meets_what_is_offered(page, sold)
    page.close()
    assert opened.complaints == []
    return sold


def _buys(page: Any) -> str:
    """Buys tickets; why the answer is what it is."""
    page.get_by_role("navigation", name="Shop").get_by_role("link").first.click()
    page.get_by_role("button", name="Add to cart: Hamlet").click()
    page.get_by_role("link", name="Go to checkout").click()
    page.get_by_role("button", name="Pay £84.00").click()
    page.locator("#answer div").first.wait_for(state="attached")
    reason: str = page.locator("#answer dd").nth(1).text_content()
    return reason


def _meets_what_is_offered(page: Any, sold: Sold) -> None:
    sold.counted += 1
    offer = page.locator("#offer .offer-title")
    if page.locator("#answer dd").first.text_content() == "nothing":
        assert offer.count() == 0
    else:
        assert offer.inner_text() == "Park at the venue"
        sold.shown += 1
        if sold.shown % 2:
            page.get_by_role("button", name="Yes, add it").click()
            page.get_by_role("button", name="Buy (pretended)").click()
            page.get_by_text("Park at the venue").wait_for()
            sold.accepted += 1
    for _ in range(200):  # what was never seen is no interaction
        if len(sold.seen) >= sold.counted:
            return
        page.wait_for_timeout(20)
    raise AssertionError(sold)


def _reads_the_numbers(page: Any, running: Any, sold: Sold) -> None:
    page.get_by_role("link", name="Overview").click()
    _reload_until(page, f'[data-count="interactions"][value="{sold.counted}"]')
    report = running.platform.report(KEY)
    assert report.counts.interactions == sold.counted
    assert report.counts.events_by_type["accept"] == sold.accepted
    page.get_by_role("link", name="Policies", exact=True).click()
    row = page.locator("tr[data-policy=logging] [data-cell=value] data")
    whole = running.platform.whole_report(KEY)
    logging = next(each for each in whole.policies if each.name == "logging")
    if row.count():
        assert float(row.get_attribute("value")) == logging.value.value
        assert logging.value.value == pytest.approx(sold.accepted / sold.counted)


def _pauses_changes_resumes_and_stops(page: Any) -> None:
    page.get_by_role("link", name="Setup", exact=True).click()
    page.get_by_role("link", name="Pause, stop, archive").click()
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("Paused. Every shopper gets nothing").first.wait_for()
    page.locator("main").get_by_role("link", name=re.compile("^Definition|^Setup")).first.click()
    page.locator("#arms-0-title").fill("Park beside the door")
    page.get_by_role("button", name="Review the changes").click()
    assert "Park beside the door" in page.locator("main").inner_text()
    page.get_by_role("button", name="Save as revision 2").click()
    page.get_by_text("Saved as revision 2.").wait_for()
    page.get_by_role("link", name="Pause, stop, archive").click()
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("Running.").first.wait_for()
    page.get_by_role("link", name="Stop for good").click()
    page.get_by_role("button", name="Stop for good").click()
    page.get_by_text("Stopped.").first.wait_for()


def _reads_what_was_done(page: Any) -> None:
    page.get_by_role("link", name="History").click()
    assert page.locator("[data-revision]").count() == 2
    told = page.locator("#log").inner_text()
    assert "ada" in told
    for what in ("created", "started", "paused", "changed", "resumed", "stopped"):
        assert what in told, told
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Audit log").click()
    told = page.locator("main").inner_text()
    assert told.count(KEY) >= 6
    assert "the shop's pages" in told or "pk_" in told
