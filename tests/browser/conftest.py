"""What tests in a browser share: Chromium, a shop, a service, and pages that must not complain."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.browser import shop as shops


@dataclass
class Counter:
    """A shop whose pages carry the script, the service it asks, and a browser."""

    browser: Any
    service: shops.Service
    service_url: str
    shop: shops.Shop
    url: str
    key: str
    #: what pages complained of
    complaints: list[str]

    def open(self, body: str = "", *, path: str = "/", **options: Any) -> Any:
        """A new window, as of another person, with a page that has a slot and the script."""
        settings = {"service": self.service_url, "key": self.key, "consent": True}
        settings |= options.pop("settings", {})
        self.shop.script("/settings.js", f"{shops.STUB}offers('init', {json.dumps(settings)});")
        head = '<script src="/settings.js"></script>'
        load = f'<script async src="{self.service_url}/sdk/v1/offers.js"></script>'
        self.shop.page(path, f"{head}{load}<body>{body or '<div id=slot></div>'}")
        page = self.browser.new_context(**options.pop("context", {})).new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        for script in options.pop("scripts", ()):
            page.add_init_script(script)
        prepare: Callable[[Any], None] = options.pop("prepare", lambda page: None)
        prepare(page)
        page.goto(f"{self.url}{path}")
        page.wait_for_function("() => window.offers && offers.version")
        return page


@pytest.fixture(scope="session")
def a_browser() -> Iterator[Any]:
    """Chromium, one for all tests; everybody opens windows in a context of their own."""
    with shops.chromium() as launched:
        yield launched


@pytest.fixture(autouse=True)
def _windows_are_closed(request: pytest.FixtureRequest) -> Iterator[None]:
    """The browser stays; what a test opened in it does not."""
    yield
    if "a_browser" in request.fixturenames:
        for context in request.getfixturevalue("a_browser").contexts:
            context.close()


@pytest.fixture(scope="module")
def _counter(
    a_browser: Any, tmp_path_factory: pytest.TempPathFactory, spec: Any
) -> Iterator[Counter]:
    folder = tmp_path_factory.mktemp("service")
    shop = shops.Shop()
    with (
        shops.service(folder, spec) as service,
        shops.listening(service) as service_url,
        shops.listening(shop) as url,
    ):
        key = service.key_for(url)
        yield Counter(a_browser, service, service_url, shop, url, key, [])


@pytest.fixture
def counter(_counter: Counter) -> Iterator[Counter]:
    """A shop's counter without trouble, where nothing has happened yet."""
    _counter.service.trouble.clear()
    _counter.service.received.clear()
    _counter.complaints.clear()
    yield _counter
    for context in _counter.browser.contexts:  # what pages do at last may bring complaints
        context.close()
    assert _counter.complaints == []
