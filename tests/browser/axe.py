"""Looks at pages for those who cannot see them well: axe-core, on phone and desk, day and night."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.browser.shop import REQUIRED
from tests.browser.walk import Window

_PACKAGE = "axe_playwright_python"
needs_axe = pytest.mark.skipif(
    not REQUIRED and find_spec(_PACKAGE) is None,
    reason=f"{_PACKAGE}, which brings axe-core, is missing; it is in the test extra",
)
PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1440, "height": 900}
#: rules whose result depends on colours, and on the width of the window
_COLOURS = ["color-contrast", "link-in-text-block"]
_WIDTH = ["scrollable-region-focusable", "target-size"]
#: name, size, colours, and rules; of the first, everything is looked at
_LOOKED_AT: tuple[tuple[str, dict[str, int], str, list[str] | None], ...] = (
    ("phone, dark", PHONE, "dark", None),
    ("phone, light", PHONE, "light", _COLOURS),
    ("desk, light", WIDE, "light", _COLOURS + _WIDTH),
    ("desk, dark", WIDE, "dark", _COLOURS),
)
#: (the drawings of charts are images with a label, and every number in them stands in a table)
_RUN = """async only => {
    const options = {resultTypes: ['violations'], iframes: false, preload: false};
    if (only) options.runOnly = {type: 'rule', values: only};
    const {violations} = await axe.run({exclude: ['.js-plotly-plot svg']}, options);
    return violations.filter(each => ['serious', 'critical'].includes(each.impact)).map(each =>
        `${each.id}: ${each.nodes.map(node => node.html.slice(0, 160)).slice(0, 3).join(' | ')}`);
}"""


@cache
def _axe() -> str:
    found = find_spec(_PACKAGE)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).with_name("axe.min.js").read_text()


def open_first(opened: Window, address: str) -> None:
    """Open a page as it is looked at first.

    Args:
        opened: of a context that bypasses the pages' policy, which would not let axe-core run.
        address: of the page.
    """
    page = opened.page
    _, size, scheme, _ = _LOOKED_AT[0]
    page.goto("about:blank")
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    opened.to(address)


def problems(opened: Window) -> list[str]:
    """What is wrong with the page that is open, everything of it unfolded."""
    page = opened.page
    found = [] if page.locator("h1").count() == 1 else ["not one heading"]
    opened.unfold()
    page.evaluate(_axe())
    for name, size, scheme, rules in _LOOKED_AT:
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        found += [f"{name}: {each}" for each in page.evaluate(_RUN, rules)]
        if opened.overhang() > 0:
            found.append(f"{name}: {opened.overhang()} px too wide")
    found += opened.complaints
    opened.complaints = []
    return found
