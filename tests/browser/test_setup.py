"""A product team in a real browser: making, trying, launching and changing an experiment."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.serving import make_server

from bandit_platform.bootstrap import build
from bandit_platform.domain.access import Role
from bandit_platform.domain.floor import FloorTable
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.settings import Settings
from bandit_platform.web.apps import create_console_app
from tests.signing_in import sign_in_path

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'{{7*7}}"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("setup"), refresh_seconds=3600)
    platform = build(settings)
    server = make_server("127.0.0.1", 0, create_console_app(platform, settings), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with closing(platform.database):
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}", platform=platform)
        server.shutdown()
        thread.join()
        server.server_close()


def window(browser: Any, console: Any, place: str, **options: Any) -> tuple[Any, list[str]]:
    """A signed-in team's window, and what its pages complained about."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}, **options).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    path = sign_in_path(console.platform, Role.EXPERIMENTER)
    page.goto(f"{console.url}{path}?next={place}")
    return page, complaints


def applied(console: Any, spec_text: str, key: str, *, start: bool = False) -> str:
    console.platform.apply_experiment(parse_toml(spec_text.replace("checkout-offers", key)))
    if start:
        console.platform.change_state(key, Action.START)
    return f"/experiments/{key}/setup"


def unfold(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")


def spec_of(console: Any, key: str) -> Any:
    return console.platform.experiments.get(key).spec


def expect_value(page: Any, place: str, pattern: str) -> None:
    """Wait for a field to say something; the policy of the page forbids evaluating text."""
    for _ in range(100):
        if re.search(pattern, page.locator(place).input_value()):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{place} never said {pattern}: {page.locator(place).input_value()}")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_team_makes_an_experiment_by_form(a_browser: Any, console: Any, scripts: bool) -> None:
    key = f"by-form-{scripts}".lower()
    page, complaints = window(a_browser, console, "/", java_script_enabled=scripts)
    page.get_by_role("link", name="New experiment").click()
    page.locator("#key").fill(key)
    page.locator("#placement").fill("thank-you")
    page.get_by_role("button", name="Add a field").click()
    page.locator("#context-0-name").fill("country")
    page.locator("#arms-0-key").fill("parking")
    page.locator("#arms-0-title").fill("Park <here>")
    page.get_by_role("button", name="Add a condition").click()
    page.locator("#arms-0-when-0-field").fill("country")
    page.locator("#arms-0-when-0-op").select_option("in")
    page.locator("#arms-0-when-0-value").fill("GB, US")
    page.get_by_role("button", name="Save as a draft").click()
    assert "1 thing is wrong; nothing was saved" in page.locator("#problems").inner_text()
    assert page.locator("#arms-0-value-0-value-error").inner_text() == "must be a number"
    assert page.locator("#key").input_value() == key
    page.locator("#arms-0-value-0-kind").select_option("amount")
    page.locator("#arms-0-value-0-type").fill("purchase")
    page.locator("#arms-0-value-0-value").fill("0.35")
    page.locator("#arms-0-value-0-max").fill("200")  # with and without scripts
    assert not page.locator("#reward-weights-0-max").is_visible()
    page.locator("#holdout-share").fill("0.1")
    page.get_by_role("button", name="Save as a draft").click()
    page.get_by_text("Saved as a draft.").wait_for()
    arm = spec_of(console, key).arms[0]
    assert arm.offer == {"title": "Park <here>"}
    assert arm.when["country"].in_ == ("GB", "US")
    assert arm.value["purchase"].model_dump() == {"amount": 0.35, "max": 200.0}
    assert [c for c in complaints if "422" not in c] == []


def test_rows_come_and_go_with_the_focus_where_one_goes_on(
    a_browser: Any, console: Any, spec_text: str
) -> None:
    page, complaints = window(a_browser, console, applied(console, spec_text, "rows"))
    page.get_by_role("button", name="Add an arm").press("Enter")
    page.locator("#arms-2-key").wait_for()
    assert page.evaluate("document.activeElement.id") == "arms-2-key"
    page.keyboard.type("third")
    page.keyboard.press("Tab")
    expect_value(page, "#toml", 'key = "third"')
    page.locator("#arms-2 > .remove").press("Enter")
    page.locator("#arms-2-key").wait_for(state="detached")
    assert page.evaluate("document.activeElement.value") == "add:arms"
    assert complaints == []


def test_toml_and_form_follow_each_other(a_browser: Any, console: Any, spec_text: str) -> None:
    page, complaints = window(a_browser, console, applied(console, spec_text, "both"))
    page.locator("#policy-floor_kind").select_option("number")
    page.locator("#policy-floor").fill("0.3")
    page.locator("#policy-floor").press("Tab")
    expect_value(page, "#toml", "floor = 0.3")
    text = page.locator("#toml").input_value()
    page.locator("#toml").fill(text.replace("floor = 0.3", "floor = 0.4"))
    page.get_by_role("button", name="Check both sides").click()
    expect_value(page, "#policy-floor", r"0\.4")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved as revision 2.").wait_for()
    assert spec_of(console, "both").policy.floor == 0.4
    assert complaints == []


def test_floors_and_minimum_value_are_set_in_the_form(
    a_browser: Any, console: Any, spec_text: str
) -> None:
    page, complaints = window(a_browser, console, applied(console, spec_text, "floors"))
    assert page.locator("#policy-floor").is_visible()
    assert not page.locator("#policy-floor_nothing").is_visible()
    page.locator("#policy-floor_kind").select_option("table")
    assert not page.locator("#policy-floor").is_visible()
    page.locator("#policy-floor_nothing").fill("0.2")
    page.locator("#policy-floor_offers").fill("0.05")
    page.locator("#policy-minimum_value").fill("0.15")
    page.locator("#policy-minimum_value").press("Tab")
    expect_value(page, "#toml", r"floor = \{ nothing = 0\.2, offers = 0\.05 \}")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved as revision 2.").wait_for()
    policy = spec_of(console, "floors").policy
    assert policy.floor == FloorTable(nothing=0.2, offers=0.05)
    assert policy.minimum_value == 0.15
    assert complaints == []


def test_whoever_was_signed_out_meanwhile_is_told_and_keeps_what_was_typed(
    a_browser: Any, console: Any, spec_text: str
) -> None:
    page, _ = window(a_browser, console, applied(console, spec_text, "away"))
    page.locator("#owner").fill("growth")
    expect_value(page, "#owner", "growth")
    page.context.clear_cookies()
    add = page.get_by_role("button", name="Add an arm")
    add.click()
    page.get_by_text("Nothing was read: you were signed out").wait_for()
    assert page.evaluate("document.activeElement.textContent").startswith("Nothing was read")
    assert add.get_attribute("aria-busy") is None
    assert page.locator("#owner").input_value() == "growth"


def test_a_console_that_does_not_answer_loses_nothing_that_was_typed(
    a_browser: Any, console: Any, spec_text: str
) -> None:
    page, _ = window(a_browser, console, applied(console, spec_text, "silent"))
    page.locator("#owner").fill("growth")
    page.context.set_offline(True)
    page.get_by_role("button", name="Check both sides").click()
    page.get_by_text("The console did not answer.").wait_for()
    assert page.locator("#owner").input_value() == "growth"
    page.context.set_offline(False)
    page.get_by_role("button", name="Check both sides").click()
    page.get_by_text("Nothing is wrong.").wait_for()


def test_the_preview_answers_beside_the_form(a_browser: Any, console: Any, spec_text: str) -> None:
    page, complaints = window(a_browser, console, applied(console, spec_text, "tried"))
    page.locator("#try-cart_value").fill("20")
    page.get_by_role("button", name="Preview").press("Enter")
    result = page.locator("#preview-result")
    result.wait_for()
    assert "must be at least 50" in result.inner_text()
    page.locator("#try-cart_value").fill("60")
    page.get_by_role("button", name="Preview").press("Enter")
    page.locator('#preview-result tr[data-arm="upgrade"] svg').wait_for()
    assert complaints == []


def test_a_change_of_a_running_experiment_is_reviewed(
    a_browser: Any, console: Any, spec_text: str
) -> None:
    place = applied(console, spec_text, "running", start=True)
    page, complaints = window(a_browser, console, place)
    assert page.locator("#reward-window").is_disabled()
    assert page.locator("#placement").is_disabled()
    page.locator("#owner").fill("growth")
    page.locator("#policy-floor").fill("0.2")
    page.get_by_role("button", name="Review the changes").click()
    assert page.locator('[data-path="policy.floor"]').is_visible()
    page.get_by_role("button", name="Save as revision 2").click()
    page.get_by_text("Saved as revision 2.").wait_for()
    assert spec_of(console, "running").policy.floor == 0.2
    assert complaints == []


def test_hostile_values_stay_text(a_browser: Any, console: Any, spec_text: str) -> None:
    """Every field of the form filled with an attack: shown again as typed, never run."""
    page, complaints = window(a_browser, console, applied(console, spec_text, "hostile"))
    unfold(page)
    names = [
        field.get_attribute("name")
        for field in page.locator(
            "#editor input:not([type=hidden], [type=checkbox], [readonly])"
        ).all()
    ]
    for name in names:
        row, floor, rest = name.partition("-floor")
        if floor:  # only those of the chosen kind are shown
            kind = "table" if rest else "number"
            page.locator(f'[name="{row}-floor_kind"]').select_option(kind)
        line = name.removesuffix("-max")
        if line != name and page.locator(f'[name="{line}-kind"]').count():
            page.locator(f'[name="{line}-kind"]').select_option("amount")
        page.locator(f'[name="{name}"]').fill(HOSTILE)
    page.locator("#hypothesis").fill(HOSTILE)
    page.locator("#arms-0-text").fill(HOSTILE)
    page.locator("#arms-0-more").fill(HOSTILE)
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("#problems").wait_for()
    for name in names:
        if page.locator(f'[name="{name}"]').count():
            assert page.locator(f'[name="{name}"]').first.input_value() == HOSTILE
    page.locator("#toml").fill(f"key = '''{HOSTILE}")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Use the TOML").or_(
        page.get_by_text("not valid TOML")
    ).first.wait_for()
    text = spec_text.replace("checkout-offers", "hostile").replace('"Upgrade"', f"'''{HOSTILE}'''")
    hostile = text.replace('key = "hostile"', f"key = 'hostile'\nowner = '''{HOSTILE}'''", 1)
    console.platform.apply_experiment(parse_toml(hostile))
    for path in ("setup", "history", "setup/launch", "setup/plan"):
        page.goto(f"{console.url}/experiments/hostile/{path}")
        assert page.locator("img").count() == 0
    page.goto(f"{console.url}/")
    assert page.locator("img").count() == 0
    assert [c for c in complaints if "422" not in c] == []


@pytest.mark.parametrize("path", ["", "/launch", "/plan"])
def test_nothing_scrolls_sideways_on_a_phone(
    a_browser: Any, console: Any, spec_text: str, path: str
) -> None:
    place = applied(console, spec_text, "phone")
    page, complaints = window(a_browser, console, place + path)
    page.set_viewport_size({"width": 390, "height": 844})
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert complaints == []


@pytest.mark.parametrize("width", [390, 1440])
def test_what_an_arm_is_worth_is_typed_into_the_form(
    a_browser: Any, console: Any, spec_text: str, width: int
) -> None:
    key = f"worth-{width}"
    place = applied(console, spec_text, key)
    page, complaints = window(a_browser, console, place)
    page.set_viewport_size({"width": width, "height": 900})
    unfold(page)
    page.locator('[value="add:arms-0-value"]').click()
    page.locator("#arms-0-value-0-type").fill("accept")
    page.locator("#arms-0-value-0-value").fill("12")
    page.locator('[value="add:arms-0-cost"]').click()
    page.locator("#arms-0-cost-0-type").fill("purchase")
    assert not page.locator("#arms-0-cost-0-max").is_visible()
    page.locator("#arms-0-cost-0-kind").select_option("amount")
    assert page.locator("#arms-0-cost-0-max").is_visible()  # amounts can have a maximum
    page.locator("#arms-0-cost-0-value").fill("-0.1")
    page.locator("#arms-0-cost-0-max").fill("50")
    page.locator("#arms-0-advertiser").fill("Lounges Ltd")
    page.get_by_role("button", name="Check both sides").click()
    page.locator("#arms-0-cost-0-type-error").wait_for()
    page.locator("#arms-0-cost-0-value").fill("0.1")
    page.locator('button[value="save"]').click()
    page.get_by_text("Saved as revision 2.").wait_for()
    arm = spec_of(console, key).arms[0]
    assert (arm.value, arm.advertiser) == ({"accept": 12.0}, "Lounges Ltd")
    assert arm.cost["purchase"].model_dump() == {"amount": 0.1, "max": 50.0}
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    console.platform.change_state(key, Action.START)
    page.goto(f"{console.url}{place}")
    unfold(page)
    assert page.locator("#arms-0-value-0-value").get_attribute("readonly") is not None
    assert page.locator('[value="add:arms-0-value"]').count() == 0
    assert [c for c in complaints if "422" not in c] == []
