"""An analyst asks in a real browser, leaves, comes back, and takes the answer away."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.serving import make_server

from bandit_platform.bootstrap import build, build_serving
from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.services.asking.answer import Answerer
from bandit_platform.services.collecting.ingest import Ingest
from bandit_platform.services.serving.query import Query
from bandit_platform.services.working.work import Worker
from bandit_platform.settings import Settings
from bandit_platform.web.apps import create_console_app
from bandit_platform.web.bodies import EventItem
from tests.signing_in import sign_in_path

KEY = "checkout-offers"
TAG = "<img src=x onerror=alert(1)>"
COUNTRIES = ("GB", TAG, "=cmd|' /C calc'!A1")


class Moving:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, spec_text: str) -> Iterator[Any]:
    """A console over an experiment with matured decisions."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("questions"), refresh_seconds=3600)
    clock = Moving()
    platform = build(settings, clock)
    spec = parse_toml(spec_text)
    platform.apply_experiment(spec)
    platform.change_state(KEY, Action.START)
    _visits(settings, clock)
    worker = Worker(
        platform.database,
        Ingest(platform.database, settings.journal_dir),
        clock,
        lease=timedelta(days=1),
        grace=timedelta(seconds=1),
    )
    while worker.round():
        pass
    server = make_server("127.0.0.1", 0, create_console_app(platform, settings), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with closing(platform.database):
        yield SimpleNamespace(
            url=f"http://127.0.0.1:{server.server_port}",
            platform=platform,
            answerer=Answerer(platform.database, clock, "of this test"),
        )
        server.shutdown()
        thread.join()
        server.server_close()


def _visits(settings: Settings, clock: Moving) -> None:
    serving = build_serving(settings, clock)
    for number in range(150):
        clock.now += timedelta(seconds=1)
        query = Query(
            unit_id=f"unit-{number}",
            context={"cart_value": 80.0, "country": COUNTRIES[number % 3], "returning": True},
            request_key=None,
            eligible_arms=None,
            excluded_arms=(),
            defer_activation=False,
        )
        decision = serving.decider.decide(KEY, query).decision
        if number % 3 == 0:
            event = EventItem(
                event_id=f"event-{number}",
                decision_id=decision.decision_id,
                type="accept",
            )
            serving.recorder.record([event], trusted=True)
    clock.now += timedelta(hours=2)
    serving.registry.close()
    serving.upkeep.close()
    serving.journal.close()


def analyst(browser: Any, console: Any, width: int = 1440, **options: Any) -> tuple[Any, list[str]]:
    """A window of a signed-in analyst, and what its pages complained about."""
    window = browser.new_context(viewport={"width": width, "height": 900}, **options)
    page = window.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    path = sign_in_path(console.platform, Role.ANALYST)
    page.goto(f"{console.url}{path}?next=/questions/")
    return page, complaints


def drawn(page: Any) -> None:
    for chart in page.locator("[data-figure]").all():
        chart.and_(page.locator("[data-drawn]")).wait_for()


def test_an_analyst_asks_leaves_returns_and_takes_away(
    a_browser: Any, console: Any, tmp_path: Path
) -> None:
    page, complaints = analyst(a_browser, console)
    page.get_by_role("link", name="Ask a question").click()
    page.get_by_role("link", name=KEY).click()
    page.get_by_label("Cut by").select_option("country")
    assert "by=country" in page.url
    assert "csrf_token" not in page.url
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_text("Waiting for the worker.").wait_for()
    asked = page.url
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Questions").click()
    page.get_by_text("waiting", exact=True).first.wait_for()
    page.goto(asked)
    assert console.answerer.answer_next()
    page.get_by_role("heading", name="Take it away").wait_for()  # the page noticed by itself
    drawn(page)
    assert page.locator("[data-figure]").count() == 5
    assert page.get_by_text(TAG).count() > 0
    assert page.locator("main img").count() == 0
    page.locator("[data-figure=figure-segments] .point").first.hover(force=True)
    page.locator(".hoverlayer text").first.wait_for()
    assert complaints == []

    for name, ending in (("PNG", b"\x89PNG"), ("SVG", b"<svg")):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=f"Save this chart as {name}").first.click()
        saved = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(saved)
        assert saved.read_bytes().startswith(ending)
        assert saved.name == f"{KEY}-values.{name.lower()}"
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Report as one HTML page").click()
    report = tmp_path / "report.html"
    waiting.value.save_as(report)
    assert complaints == []
    page.context.close()
    stands_alone(a_browser, report)


def stands_alone(browser: Any, report: Path) -> None:
    """The saved report draws its plots without a network, and its texts stay texts."""
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: asked.append(dialog.message))
    page.goto(report.as_uri())
    page.locator("#segments .main-svg").first.wait_for()
    assert asked == [report.as_uri()]
    assert page.locator("body img").count() == 0
    page.close()


def test_no_page_complains_or_scrolls_sideways(a_browser: Any, console: Any) -> None:
    page, complaints = analyst(a_browser, console, 390, color_scheme="dark")
    page.goto(f"{console.url}/questions/new?experiment={KEY}&by=country&policy=serving")
    page.get_by_text("Estimators and error").click()
    fits(page)
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_text("In the queue").wait_for()
    fits(page)
    while console.answerer.answer_next():
        pass
    page.get_by_role("heading", name="Take it away").wait_for()
    drawn(page)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    fits(page)
    page.goto(f"{console.url}/questions/")
    fits(page)
    assert complaints == []


def fits(page: Any) -> None:
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_scripts_a_question_is_asked_and_followed(a_browser: Any, console: Any) -> None:
    page, _ = analyst(a_browser, console, java_script_enabled=False)
    page.goto(f"{console.url}/questions/new?experiment={KEY}")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_text("Waiting for the worker.").wait_for()
    assert re.search(r'http-equiv="refresh" content="5"', page.content())
    console.answerer.answer_next()
    page.reload()
    assert page.locator("#values tbody tr").count() >= 3
    page.context.close()
