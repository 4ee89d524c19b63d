"""The pages in a real browser: drawn, readable at both widths, silent in the console."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from bandit_platform.errors import NotFoundError
from bandit_platform.services.reporting.report_records import (
    EstimateRow,
    ExperimentReport,
    MoneyRow,
)
from bandit_platform.web.console.overview import console_blueprint
from bandit_platform.web.console.policies import policies_blueprint
from bandit_platform.web.console.segments import segments_blueprint
from tests.browser.shop import listening, needs_chromium
from tests.dashboards.fake_comparisons import rich_whole, whole_reports

pytestmark = needs_chromium

REPORTS = {report.experiment: report for report in whole_reports()}
REPORTS["paid"] = replace(
    REPORTS["confirmation-page"],
    experiment="paid",
    currency="GBP",
    arms=tuple(
        replace(arm, value={} if arm.arm == "nothing" else {"accept": 1234.5})
        for arm in REPORTS["confirmation-page"].arms
    ),
    money=tuple(
        MoneyRow(
            by="advertiser",
            name=name,
            arms=("parking", "vip-upgrade"),
            interactions=1_234_567,
            gross=12_345_678.9,
            taken_back=-1_234_567.8,
            costs=123_456.7,
        )
        for name in ("A very long advertiser name of sixty-four letters in all, really", None)
    ),
)
PATHS = [
    "/",
    *(f"/experiments/{key}" for key in REPORTS),
    *(
        f"/experiments/{key}/{page}"
        for key in ("confirmation-page", "nasty", "cart-upsell", "checkout-insurance")
        for page in ("policies", "segments")
    ),
    "/experiments/paid/policies",
    "/experiments/confirmation-page/policies?baseline=uniform&level=together",
]

LAYOUT_SHIFT = """() => new Promise(resolve => {
    let total = 0;
    new PerformanceObserver(list => list.getEntries().forEach(entry => { total += entry.value; }))
        .observe({type: 'layout-shift', buffered: true});
    setTimeout(() => resolve(total), 300);
})"""


def _report(key: str) -> ExperimentReport:
    if key not in REPORTS:
        raise NotFoundError(key)
    return REPORTS[key]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    app = Flask("console-in-browser")
    app.register_blueprint(console_blueprint(lambda: list(REPORTS.values()), _report))
    app.register_blueprint(policies_blueprint(_report))
    app.register_blueprint(segments_blueprint(_report))
    with listening(app) as address:
        yield address


class Visit:
    """A window with everything its pages complained about."""

    def __init__(self, browser, width, scheme="light"):
        size = {"width": width, "height": 844 if width < 600 else 900}
        self.page = browser.new_page(viewport=size, color_scheme=scheme)
        self.complaints: list[str] = []
        self.requested: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.requested.append(request.url))

    def to(self, address):
        self.page.goto(address)
        for chart in self.page.locator("[data-figure]").all():
            chart.and_(self.page.locator("[data-drawn]")).wait_for()
        return self.page


def test_no_page_complains_scrolls_sideways_or_calls_elsewhere(url, a_browser):
    visit = Visit(a_browser, 390, "dark")
    for path in [*PATHS, "/experiments/unknown"]:
        visit.page.set_viewport_size({"width": 390, "height": 844})
        page = visit.to(f"{url}{path}")
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        for width in (390, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert path.endswith("unknown") or visit.complaints == [], path
    assert all(address.startswith(url) for address in visit.requested)
    assert len(visit.complaints) == 1
    assert "404" in visit.complaints[0]
    page.close()


def test_charts_are_drawn_where_their_space_was_reserved(url, a_browser):
    _are_drawn_in_place(
        Visit(a_browser, 1440).to(f"{url}/experiments/confirmation-page"),
        {"uplift-figure .scatterlayer": 6, "programme-figure .scatterlayer": 3},
    )
    _are_drawn_in_place(
        Visit(a_browser, 1440).to(f"{url}/experiments/confirmation-page/policies"),
        {
            "value-figure .scatterlayer": 12,
            "share-figure .barlayer": 6,
            "reward-figure .scatterlayer": 6,
        },
    )


def _are_drawn_in_place(page, traces):
    for name, count in traces.items():
        figure, layer = name.split()
        assert page.locator(f"[data-figure={figure}] {layer} .trace").count() == count, name
    for chart in page.locator(".chart").all():
        box, drawn = chart.bounding_box(), chart.locator("svg.main-svg").first.bounding_box()
        assert box is not None
        assert drawn is not None
        assert abs(box["height"] - drawn["height"]) < 1
        assert abs(box["width"] - drawn["width"]) < 1
    shift = page.evaluate(LAYOUT_SHIFT)
    assert shift < 0.02
    page.close()


def test_charts_follow_the_colour_scheme(url, a_browser):
    page = Visit(a_browser, 1440).to(f"{url}/experiments/confirmation-page")
    line = page.locator("[data-figure=uplift-figure] .scatterlayer .trace .js-line").last
    light = line.evaluate("node => getComputedStyle(node).stroke")
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(300)
    dark = line.evaluate("node => getComputedStyle(node).stroke")
    assert light == "rgb(74, 63, 196)"
    assert dark == "rgb(167, 159, 251)"
    page.close()


def _exact(row: EstimateRow) -> tuple[float | None, float, float]:
    return row.value, row.lower, row.upper


def test_the_tables_numbers_are_the_reports(url, a_browser):
    report = rich_whole()
    page = Visit(a_browser, 1440).to(f"{url}/experiments/{report.experiment}/policies")
    read = """row => Object.fromEntries([...row.querySelectorAll('[data-cell]')].map(cell => {
        const value = cell.querySelector('data'), bounds = cell.querySelector('.bounds');
        return [cell.dataset.cell, [value && +value.value,
                bounds && +bounds.dataset.lower, bounds && +bounds.dataset.upper]];
    }))"""
    for policy in report.policies:
        row = page.locator(f"tr[data-policy='{policy.name}']")
        cells = row.evaluate(read)
        assert tuple(cells["value"]) == _exact(policy.value)
        assert tuple(cells["snips"]) == _exact(policy.snips)
        assert cells["ess"][0] == policy.ess
        assert cells["max_weight"][0] == policy.max_weight
        if policy.name != "always:nothing":
            assert tuple(cells["uplift"]) == _exact(policy.uplift)
    page.goto(f"{url}/experiments/{report.experiment}")
    counts = page.locator("[data-count]").evaluate_all(
        "nodes => Object.fromEntries(nodes.map(n => [n.dataset.count, +n.value]))"
    )
    assert counts["decisions"] == report.counts.decisions
    assert counts["learned"] == report.counts.learned
    page.close()


@pytest.mark.parametrize("width", [390, 1440])
def test_words_are_explained_on_hover_on_focus_and_inside_the_window(url, a_browser, width):
    page = Visit(a_browser, width).to(f"{url}/experiments/confirmation-page")
    words = page.locator(".term:visible")
    assert words.count() > 10
    for word in words.all():
        word.focus()
        tip = page.locator(f"[id='{word.get_attribute('aria-describedby')}']")
        tip.wait_for(state="visible")
        box = tip.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        page.keyboard.press("Escape")
        tip.wait_for(state="hidden")
    page.evaluate("document.activeElement.blur()")
    words.first.hover()
    page.locator(".tip:visible").wait_for()
    page.mouse.move(5, 5)
    page.locator(".tip:visible").wait_for(state="detached")
    page.close()


def test_a_command_can_be_copied(url, a_browser):
    context = a_browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{url}/experiments/checkout-insurance")
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "bandit-platform experiment start checkout-insurance"
    context.close()


def test_without_scripts_every_number_is_still_there(url, a_browser):
    context = a_browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{url}/experiments/confirmation-page")
    assert page.get_by_text("its numbers are in the table below").first.is_visible()
    page.get_by_text("The numbers behind it").first.click()
    assert page.locator("#uplift-table tbody tr").last.is_visible()
    context.close()


@pytest.mark.parametrize("width", [390, 1440])
def test_sums_of_money_are_never_broken_in_two(url, a_browser, width):
    """Also large ones, beside advertisers with long names."""
    page = Visit(a_browser, width).to(f"{url}/experiments/paid/policies")
    cells = page.locator("#money-advertiser td > *")
    assert cells.count() == 10
    for cell in cells.all():
        assert cell.evaluate("e => e.getClientRects().length") == 1
        assert cell.evaluate("e => e.getBoundingClientRect().height") < 24
    table = page.locator("#money-advertiser").bounding_box()
    assert table["x"] + table["width"] <= width
    assert page.locator("#arms .worth").first.inner_text().endswith("GBP per accept")
