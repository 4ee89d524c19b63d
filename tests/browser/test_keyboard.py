"""Every page by keyboard alone: all that can be pressed is reached, seen, and left again."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from bandit_platform.bootstrap import build_serving, build_worker
from bandit_platform.domain.access import Role
from bandit_platform.web.apps import create_decision_app
from tests.browser.furnished import ORDINARY, House, house
from tests.browser.shop import listening, needs_chromium
from tests.browser.walk import split, window
from tests.signing_in import signed_in

pytestmark = needs_chromium

KEY = "by-hand"
PASSWORD = "seven quiet lanterns"  # noqa: S105 - of users who exist in these tests only
#: everything that can be used, in the order of the page; of radio buttons the chosen one
_USABLE = """() => {
    const found = [];
    const usable = 'a[href], button, input, select, textarea, summary, [tabindex]';
    for (const each of document.querySelectorAll(usable)) {
        if (each.matches(':disabled, [type=hidden], [type=radio]:not(:checked)')
            || each.tabIndex < 0 || !each.checkVisibility({visibilityProperty: true})) continue;
        found.push(each);
    }
    window.usable = found;
    return found.length;
}"""
#: notes what gets the focus: its place among the usable, and whether it can be seen that it has it
_NOTE = """() => {
    window.noted = [];
    addEventListener('focusin', ({target}) => {
        const style = getComputedStyle(target), box = target.getBoundingClientRect();
        const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
        noted.push([usable.indexOf(target), outlined && box.width > 0 && box.height > 0]);
    });
}"""


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with house(tmp_path_factory.mktemp("keyboard"), ORDINARY, port=port) as made:
        yield made


def test_everything_is_reached_in_order_and_seen(a_browser: Any, ordinary: House) -> None:
    pages, _ = split(signed_in(ordinary.app, ordinary.platform, Role.ADMIN), ordinary)
    with window(a_browser, ordinary) as opened:
        for path in pages:
            if "/offers-" in path and "launch" not in path:
                continue  # a draft's pages, of which only the checklist is different
            page = opened.to(f"{ordinary.url}{path}")
            page.evaluate("document.activeElement.blur()")
            count = min(page.evaluate(_USABLE), 50)
            page.evaluate(_NOTE)
            # a field for a date has parts of its own
            for _ in range(count + 7 * page.locator("input[type^=date]").count()):
                page.keyboard.press("Tab")
            noted = page.evaluate("noted")[:count]
            assert [place for place, _ in noted] == list(range(count)), path
            unseen = [place for place, visible in noted if not visible]
            assert [page.evaluate("n => usable[n].outerHTML", n) for n in unseen] == [], path
            page.keyboard.press("Shift+Tab")
            assert page.evaluate("noted.at(-1)[0]") != count - 1 or count == 1, path  # no trap


class Hands:
    """Somebody who has a keyboard only."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def go(self, name: str) -> None:
        """Go on by Tab to what has the name."""
        for _ in range(150):
            self.page.keyboard.press("Tab")
            if self._here() in {name, f"{name} …"}:
                return
        raise AssertionError(f"{name} cannot be reached on {self.page.url}")

    def press(self, name: str) -> None:
        """Go to a link or button and press it."""
        self.go(name)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def write(self, name: str, text: str) -> None:
        """Go to a field and write into it."""
        self.go(name)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def _here(self) -> str:
        found: str = self.page.evaluate(
            """() => { const now = document.activeElement;
                const label = now.labels && now.labels[0];
                const text = label ? label.firstChild.textContent : now.textContent;
                return (now.getAttribute('aria-label') || text || '').trim(); }"""
        )
        return found


@pytest.fixture
def hands(a_browser: Any, ordinary: House) -> Iterator[Hands]:
    with window(a_browser, ordinary, None) as opened:
        opened.to(f"{ordinary.url}/")
        yield Hands(opened.page)
        assert opened.complaints == []


def test_from_signing_in_to_signing_out(hands: Hands, ordinary: House) -> None:
    """Every action of an experiment's life, without a mouse."""
    _sign_in(hands, ordinary, "ada", Role.ADMIN)
    _create(hands)
    assert _state(ordinary) == "draft"
    hands.press("Go through the checklist")
    _try(hands, ordinary)
    hands.press("Look again")
    hands.press("Start")
    _confirm(hands, "Start", "Running. Shoppers outside")
    hands.press("Pause")
    hands.page.get_by_text("Paused. Every shopper").wait_for()
    assert _state(ordinary) == "paused"
    _change(hands)
    hands.press("Resume")
    hands.page.get_by_text("Running. Shoppers outside").wait_for()
    _ask(hands)
    hands.page.goto(f"{ordinary.url}/experiments/{KEY}/setup/launch")
    hands.press("Stop for good")
    _confirm(hands, "Stop for good", "Stopped. Every shopper")
    hands.press("Archive")
    _confirm(hands, "Archive", "No further step is possible")
    assert _state(ordinary) == "archived"
    hands.press("Sign out")
    hands.page.get_by_role("heading", name="Sign in").wait_for()


def _state(made: House) -> str:
    return str(made.platform.experiments.get(KEY).state)


def _sign_in(hands: Hands, made: House, name: str, role: Role) -> None:
    link = made.platform.users.create(name, role)
    made.platform.sign_in.choose_password(link.token, PASSWORD)
    hands.page.keyboard.type(name)  # the field has the focus
    hands.write("Password", PASSWORD)
    with hands.page.expect_navigation():
        hands.page.keyboard.press("Enter")


def _create(hands: Hands) -> None:
    hands.press("New experiment")
    page = hands.page
    for name, text in (("key", KEY), ("placement", "checkout"), ("arms-0-key", "parking")):
        _write_into(page, name, text)
    for name, text in (
        ("arms-0-value-0-value", "1"),
        ("holdout-share", "0.1"),
    ):
        _write_into(page, name, text)
    hands.press("Save as a draft")
    page.get_by_text("Saved as a draft.").wait_for()


def _try(hands: Hands, made: House) -> None:
    """Send a test decision and a test event to the service, which listens for this only."""
    key = made.platform.keys.create(role=Role.SERVER, label="to be tried").text
    serving = build_serving(made.settings, made.clock)
    with listening(create_decision_app(serving), made.settings.port):
        hands.write("The shop's key", key)
        hands.press("Send both")
    serving.registry.close()
    serving.upkeep.close()
    serving.journal.close()
    worker = build_worker(made.settings, made.clock)
    while worker.round():
        pass


def _confirm(hands: Hands, name: str, told: str) -> None:
    hands.page.wait_for_url("**/steps/**")
    hands.press(name)
    hands.page.get_by_text(told).first.wait_for()


def _change(hands: Hands) -> None:
    hands.press("Definition")
    _write_into(hands.page, "arms-0-title", "Park at the door")
    hands.press("Review the changes")
    hands.press("Save as revision 2")
    hands.page.get_by_text("Saved as revision 2.").wait_for()
    hands.press("Pause, stop, archive")


def _ask(hands: Hands) -> None:
    hands.press("Questions")
    hands.press("Ask a question")
    hands.press(KEY)
    hands.press("Ask")
    hands.page.get_by_text("Waiting for the worker.").wait_for()


def _write_into(page: Any, name: str, text: str) -> None:
    for _ in range(150):
        if page.evaluate("document.activeElement.id") == name:
            page.keyboard.press("Control+A")
            page.keyboard.type(text)
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{name} cannot be reached")


def test_a_key_is_revoked(hands: Hands, ordinary: House) -> None:
    _sign_in(hands, ordinary, "bob", Role.ADMIN)
    ordinary.platform.keys.create(role=Role.SERVER, label="to be ended")
    hands.press("Settings")
    hands.press("to be ended")
    hands.go("End this key")
    with hands.page.expect_navigation():
        hands.page.keyboard.press("Space")
    (ended,) = [each for each in ordinary.platform.keys.all() if each.key.label == "to be ended"]
    assert ended.key.revoked_at is not None
