"""A product team's whole journey by clicking, against the platform as it really runs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from bandit_platform.bootstrap import build
from bandit_platform.domain.access import Role
from bandit_platform.simulation.stage import Stage, stage_settings
from tests.browser import shop as shops
from tests.browser.shop import needs_chromium
from tests.browser.walk import Window
from tests.signing_in import sign_in_path

pytestmark = needs_chromium

KEY = "thank-you-offers"
#: shoppers, one after the other, each on the shop's page
SHOPPERS = 24
_VISIT = """async ([experiment, unit]) => {
    offers('init', {...window.shop, unitId: unit});
    const context = {order_value: 40, country: 'GB'};
    const decision = await offers('decide', experiment, {context, timeout: 5000, unitId: unit});
    await offers('render', '#slot', decision);
    return decision;
}"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """serve, console and work, each in a process, and a shop with pages."""
    folder = tmp_path_factory.mktemp("team")
    settings = stage_settings(folder)
    platform = build(settings)
    shop = shops.Shop()
    with Stage(settings, folder) as stage, shops.listening(shop) as shop_url:
        stage.wait_until_ready()
        yield SimpleNamespace(
            platform=platform,
            shop=shop,
            shop_url=shop_url,
            console=f"http://{settings.console_host}:{settings.console_port}",
            service=f"http://{settings.host}:{settings.port}",
        )
    platform.database.close()
    structlog.reset_defaults()


@pytest.fixture
def team(a_browser: Any, running: Any) -> Iterator[Any]:
    """The team's window, in which nothing may complain."""
    context = a_browser.new_context(viewport={"width": 1440, "height": 900})
    opened = Window(context.new_page())
    opened.page.goto(running.console + sign_in_path(running.platform, Role.ADMIN))
    yield opened.page
    context.close()
    assert opened.complaints == []


def test_from_an_idea_to_the_audit_log(a_browser: Any, running: Any, team: Any) -> None:
    _creates(team)
    key = _makes_a_key(team, running)
    _passes_the_checklist(team, key)
    shown, accepted = _sells(a_browser, running, key)
    _reads_the_numbers(team, running, shown, accepted)
    _pauses_changes_resumes_and_stops(team)
    _reads_what_was_done(team)


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
    page.locator("#reward-window").fill("2s")
    page.locator("#reward-range_low").fill("0")
    page.locator("#reward-range_high").fill("1")
    page.locator("#reward-weights-0-value").fill("1")
    page.locator("#holdout-share").fill("0")
    page.get_by_role("button", name="Save as a draft").click()
    page.get_by_role("link", name="Go through the checklist").click()
    _expect_open(page, {"key", "decision", "event"})
    assert page.locator('[data-step="start"] button').is_disabled()


def _expect_open(page: Any, parts: set[str]) -> None:
    found = page.locator("#checklist li.open").evaluate_all("all => all.map(e => e.dataset.check)")
    assert len(found) == len(parts), found
    assert all(any(part in name for name in found) for part in parts), found


def _makes_a_key(page: Any, running: Any) -> str:
    page.get_by_role("link", name="Settings").click()
    page.get_by_label("Name", exact=True).fill("the shop's pages")
    page.get_by_label("Pages that use it").fill(running.shop_url)
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


def _sells(browser: Any, running: Any, key: str) -> tuple[int, int]:
    """Shoppers come to the shop's page; how many got an offer, and how many took it."""
    settings = {"service": running.service, "key": key, "consent": True}
    running.shop.script(
        "/settings.js", f"{shops.STUB}; window.shop = {json.dumps(settings)}; offers('init', shop);"
    )
    running.shop.page(
        "/",
        '<script src="/settings.js"></script>'
        f'<script async src="{running.service}/sdk/v1/offers.js"></script>'
        "<body><main id=slot></main>",
    )
    opened = Window(browser.new_context().new_page())
    page = opened.page
    page.goto(running.shop_url)
    page.wait_for_function("() => window.offers && offers.version")
    shown = accepted = shoppers = 0
    deadline = time.monotonic() + 30
    while shoppers < SHOPPERS:
        decision = page.evaluate(_VISIT, [KEY, f"shopper-{shoppers}"])
        if decision["reason"] not in {"uniform", "policy"}:  # not heard of the start yet
            assert time.monotonic() < deadline, decision
            page.wait_for_timeout(100)
            continue
        shoppers += 1
        offer = page.locator("#slot .offer-title")
        if decision["arm"] == "nothing":
            assert offer.count() == 0
            continue
        assert offer.inner_text() == "Park at the venue"
        shown += 1
        if shown % 2:
            page.get_by_role("button", name="Yes, please").click()
            accepted += 1
    page.close()
    assert opened.complaints == []
    return shown, accepted


def _reads_the_numbers(page: Any, running: Any, shown: int, accepted: int) -> None:
    page.get_by_role("link", name="Overview").click()
    _reload_until(page, f'[data-count="interactions"][value="{SHOPPERS}"]')
    report = running.platform.report(KEY)
    assert report.counts.interactions == SHOPPERS
    assert report.counts.events_by_type["accept"] == accepted
    page.get_by_role("link", name="Policies", exact=True).click()
    row = page.locator("tr[data-policy=logging] [data-cell=value] data")
    whole = running.platform.whole_report(KEY)
    logging = next(each for each in whole.policies if each.name == "logging")
    if row.count():
        assert float(row.get_attribute("value")) == logging.value.value
        assert logging.value.value == pytest.approx(accepted / SHOPPERS)
    assert 0 < accepted <= shown < SHOPPERS


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
    for what in ("created", "started", "paused", "changed", "resumed", "stopped"):
        assert what in told, told
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Audit log").click()
    told = page.locator("main").inner_text()
    assert told.count(KEY) >= 6
    assert "the shop's pages" in told or "pk_" in told
