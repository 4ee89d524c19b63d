"""Every page: silent, never wider than the window, and usable by those who cannot see it well."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.domain.access import Role
from tests.browser.furnished import ORDINARY, House, house
from tests.browser.shop import REQUIRED, needs_chromium
from tests.browser.walk import REFUSALS, Window, split, window
from tests.signing_in import signed_in

_PACKAGE = "axe_playwright_python"
needs_axe = pytest.mark.skipif(
    not REQUIRED and find_spec(_PACKAGE) is None,
    reason=f"{_PACKAGE}, which brings axe-core, is missing; it is in the test extra",
)
pytestmark = needs_chromium

PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1440, "height": 900}
#: rules whose result depends on colours or on the width of the window
_LOOKS = ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"]
#: (the drawings of charts are images with a label, and every number in them stands in a table)
_RUN = """async only => {
    const options = {resultTypes: ['violations'], iframes: false, preload: false};
    if (only) options.runOnly = {type: 'rule', values: only};
    const {violations} = await axe.run({exclude: ['.js-plotly-plot svg']}, options);
    return violations.filter(each => ['serious', 'critical'].includes(each.impact)).map(each =>
        `${each.id}: ${each.nodes.map(node => node.html.slice(0, 160)).slice(0, 3).join(' | ')}`);
}"""


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("ordinary"), ORDINARY) as made:
        yield made


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("empty"), None) as made:
        yield made


def _pages(made: House) -> list[str]:
    pages, _ = split(signed_in(made.app, made.platform, Role.ADMIN), made)
    return [*pages, *REFUSALS]


def _axe() -> str:
    found = find_spec(_PACKAGE)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).with_name("axe.min.js").read_text()


def _problems(opened: Window, only: list[str] | None) -> list[str]:
    problems: list[str] = opened.page.evaluate(_RUN, only)
    return problems + ([f"{opened.overhang()} px too wide"] if opened.overhang() > 0 else [])


def _look_over(opened: Window, address: str, axe: str) -> list[str]:
    """What is wrong with a page: on a phone at night, and on a desk by day."""
    page = opened.page
    page.goto("about:blank")
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme="dark")
    opened.to(address)
    assert page.locator("h1").count() == 1, address
    opened.unfold()
    page.evaluate(axe)
    found = [f"phone, dark: {each}" for each in _problems(opened, None)]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(WIDE)
    found += [f"desk, light: {each}" for each in _problems(opened, _LOOKS)]
    found += opened.complaints
    opened.complaints = []
    return found


@needs_axe
@pytest.mark.parametrize("state", ["empty", "ordinary"])
def test_nobody_is_left_out(a_browser: Any, state: str, request: pytest.FixtureRequest) -> None:
    made: House = request.getfixturevalue(state)
    axe = _axe()
    # axe-core comes with the tests, not with the pages, so their policy would not let it run
    with window(a_browser, made, bypass_csp=True) as opened:
        found = {path: _look_over(opened, f"{made.url}{path}", axe) for path in _pages(made)}
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


@needs_axe
@pytest.mark.parametrize("path", ["/sign-in", "/link/{token}", "/link/unknown", "/settings"])
def test_strangers_are_not_left_out(a_browser: Any, ordinary: House, path: str) -> None:
    token = ordinary.platform.users.link("somebody.with.a.long.name@shop.example").path
    address = ordinary.url + path.replace("/link/{token}", token)
    with window(a_browser, ordinary, None, bypass_csp=True) as opened:
        assert _look_over(opened, address, _axe()) == []
