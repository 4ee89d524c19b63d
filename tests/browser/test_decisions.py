"""An analyst looks a shopper up in a real browser, and reads why they got what they got."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from bandit_platform.bootstrap import build, build_serving, build_worker
from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.services.serving.query import Query
from bandit_platform.settings import Settings
from bandit_platform.web.apps import create_console_app
from bandit_platform.web.bodies import EventItem
from tests.browser.shop import listening, needs_chromium
from tests.signing_in import sign_in_path

KEY = "checkout-offers"
TAG = "<img src=x onerror=alert(1)>"
PATHS = (f"/experiments/{KEY}", f"/experiments/{KEY}/decisions", "/quality")

pytestmark = needs_chromium


class Moving:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, spec_text: str) -> Iterator[Any]:
    """A console over two days of decisions, some of them followed by events."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("decisions"), refresh_seconds=3600)
    clock = Moving()
    platform = build(settings, clock)
    platform.apply_experiment(parse_toml(spec_text))
    platform.change_state(KEY, Action.START)
    serving = build_serving(settings, clock)
    worker = build_worker(settings, clock)
    for _day in range(2):
        for number in range(60):
            clock.now += timedelta(seconds=1)
            _visit(serving, number)
        clock.now += timedelta(hours=2)
        for _ in range(4):
            worker.round()
            clock.now += timedelta(seconds=2)
        clock.now += timedelta(hours=22)
    serving.registry.close()
    serving.upkeep.close()
    serving.journal.close()
    with closing(platform.database), listening(create_console_app(platform, settings)) as url:
        yield SimpleNamespace(url=url, platform=platform)


def _visit(serving: Any, number: int) -> None:
    query = Query(
        unit_id=f"shopper-{number}",
        context={"cart_value": 20.0 + number, "country": TAG if number == 7 else "GB"},
        request_key=f"order-{number}-{serving.clock().day}",
        eligible_arms=None,
        excluded_arms=(),
        defer_activation=False,
    )
    decision = serving.decider.decide(KEY, query).decision
    for kind in ("accept", "purchase")[: number % 3]:
        event = EventItem(
            event_id=f"{kind}-{TAG}",
            decision_id=decision.decision_id,
            type=kind,
            amount=12.5 if kind == "purchase" else None,
            currency="GBP" if kind == "purchase" else None,
        )
        serving.recorder.record([event], trusted=True)


@pytest.fixture
def visit(console: Any, a_browser: Any) -> Iterator[Any]:
    """Opens windows that are signed in as an analyst and must not complain."""
    link = sign_in_path(console.platform, Role.ANALYST)
    context = a_browser.new_context()
    context.new_page().goto(f"{console.url}{link}?next=/")
    state = context.storage_state()
    complaints: list[str] = []

    def open_window(path: str, width: int = 1440, scheme: str = "light") -> Any:
        window = a_browser.new_context(
            storage_state=state, viewport={"width": width, "height": 900}, color_scheme=scheme
        ).new_page()
        window.on("console", lambda message: complaints.append(message.text))
        window.on("pageerror", lambda error: complaints.append(str(error)))
        window.on("dialog", lambda dialog: complaints.append(dialog.message))
        window.goto(f"{console.url}{path}")
        return window

    yield open_window
    assert complaints == []


def test_pages_fit_and_do_not_complain(visit: Any) -> None:
    for path in PATHS:
        window = visit(path, 390, "dark")
        for chart in window.locator("[data-figure]").all():
            chart.and_(window.locator("[data-drawn]")).wait_for()
        assert window.locator("h1").count() == 1
        for width in (390, 1440):
            window.set_viewport_size({"width": width, "height": 900})
            assert window.evaluate("document.documentElement.scrollWidth") <= width, path


def test_from_a_shopper_to_the_story_of_a_decision_by_keyboard(visit: Any) -> None:
    window = visit(f"/experiments/{KEY}/decisions")
    window.get_by_role("textbox", name="Shopper").focus()
    window.keyboard.type("shopper-7")
    window.keyboard.press("Enter")
    window.wait_for_url(re.compile(r"\?unit=[0-9a-f]{32}$"))
    assert window.locator("[data-decision]").count() == 2
    window.locator("[data-decision] a").first.focus()
    window.keyboard.press("Enter")
    window.wait_for_url(re.compile(r"/decisions/[0-9a-f]{48}$"))
    assert "shopper-7" not in window.content()
    assert "Checked: recomputed" in window.locator("#checked").inner_text()
    assert TAG in window.locator("main").inner_text()  # as text, not as an image
    assert window.locator("main img").count() == 0
    bars = window.locator("#arms tbody tr").count()
    assert bars == 3


def test_an_order_leads_to_its_reward(visit: Any) -> None:
    window = visit(f"/experiments/{KEY}/decisions")
    window.get_by_role("textbox", name="Order or request key").fill("order-5-22")
    window.keyboard.press("Enter")
    window.wait_for_url(re.compile(r"/decisions/[0-9a-f]{48}$"))
    assert window.locator("#events tbody tr").count() == 2
    if window.locator("#reward").count():
        assert float(window.locator("#reward").get_attribute("value")) == pytest.approx(1.125)


def test_metrics_and_funnel_stand_on_the_overview(visit: Any) -> None:
    window = visit(f"/experiments/{KEY}")
    shown = window.locator("[data-step=shown] data").get_attribute("value")
    decided = window.locator("[data-step=decided] data").get_attribute("value")
    assert 0 < int(shown) < int(decided)
    assert window.locator("[data-metric=accept]").count() == 1
    assert window.locator("[data-metric=revenue]").inner_text().count("collecting data") >= 1
    window.get_by_text("Day by day").click()
    assert window.locator("#days tbody tr").count() == 2


def test_quality_says_in_words_how_each_check_stands(visit: Any) -> None:
    window = visit("/quality")
    states = window.locator(f"[data-experiment={KEY}] [data-state]").all_inner_texts()
    rows = window.locator(f"[data-experiment={KEY}] [data-check]").count()
    assert len(states) == rows >= 19
    assert set(states) <= {"fine", "look", "broken", "nothing to check yet"}
    assert window.locator("[data-check=worker]").inner_text().count("broken") == 1  # it has ended
