"""The API's documentation in a real browser: read, filled in, sent, and nothing blocked."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.settings import Settings
from tests.browser.shop import listening, needs_chromium
from tests.support.databases import place_database
from tests.web.both_ports import CONTEXT, Site

pytestmark = needs_chromium


@pytest.fixture
def site(tmp_path: Path, spec: Any, clock: Any) -> Iterator[Site]:
    """A site that knows where it listens, because requests of its own pages are let through."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = Settings(data_dir=place_database(tmp_path), refresh_seconds=3600, port=port)
    made = Site(options, spec, clock)
    yield made
    made.serving.registry.close()
    made.serving.upkeep.close()
    made.serving.journal.close()


@contextmanager
def opened(browser: Any, app: Any, port: int = 0) -> Iterator[Any]:
    """The page, which must load nothing from elsewhere and have nothing blocked."""
    with listening(app, port) as url:
        page = browser.new_page()
        trouble: list[str] = []
        elsewhere: list[str] = []
        page.on("console", lambda m: trouble.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(url) else elsewhere.append(r.url))
        page.goto(f"{url}/docs")
        page.wait_for_selector("details.operation")
        yield page
        assert trouble == []
        assert elsewhere == []
        page.close()


def test_a_decision_can_be_asked_for(a_browser: Any, site: Site) -> None:
    with opened(a_browser, site.shop, site.settings.port) as page:
        page.fill("#key", str(site.keys["server"]))
        page.click("#decide summary")
        page.fill("#decide input", "checkout-offers")
        sample = json.loads(page.input_value("#decide textarea"))
        assert sample == {"unit_id": "unit_id"}
        page.fill("#decide textarea", json.dumps({**sample, "context": CONTEXT}))
        page.click("#decide button")
        page.locator("#decide pre", has_text="pmf").wait_for()
        assert page.text_content("#decide pre").startswith("201")


def test_experiments_can_be_read(a_browser: Any, site: Site) -> None:
    with opened(a_browser, site.console) as page:
        page.fill("#key", str(site.keys["viewer"]))
        page.click("#list_experiments summary")
        page.click("#list_experiments button")
        page.locator("#list_experiments pre", has_text="running").wait_for()
        assert page.title() == "bandit-platform console"
        assert page.locator("details.operation").count() >= 10
