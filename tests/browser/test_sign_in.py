"""Signing in with a real browser: by keyboard, wrongly, and when a session ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from bandit_platform.bootstrap import Platform, build
from bandit_platform.domain.access import Role
from bandit_platform.settings import Settings
from bandit_platform.web.apps import create_console_app
from tests.browser.shop import listening, needs_chromium
from tests.signing_in import sign_in_path

PASSWORD = "a quiet harbour at dawn"  # noqa: S105 - of a user who exists in these tests only

pytestmark = needs_chromium


class Console:
    """A console that listens, with a user anna who has a password."""

    def __init__(self, platform: Platform, url: str) -> None:
        self.platform = platform
        self.url = url

    def signs_in(self, role: Role, place: str = "/", name: str | None = None) -> str:
        """An address that signs a browser in."""
        return f"{self.url}{sign_in_path(self.platform, role, name)}?next={place}"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, spec: Any) -> Iterator[Console]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("console"))
    platform = build(settings)
    link = platform.users.create("anna", Role.ADMIN)
    platform.sign_in.choose_password(link.token, PASSWORD)
    platform.apply_experiment(spec)
    with listening(create_console_app(platform, settings)) as url:
        yield Console(platform, url)
    platform.database.close()
    structlog.reset_defaults()


@pytest.fixture
def page(a_browser: Any) -> Iterator[Any]:
    """A window of a browser that has never been here."""
    context = a_browser.new_context(viewport={"width": 390, "height": 844})
    yield context.new_page()
    context.close()


def focused(page: Any) -> str:
    return str(page.evaluate("document.activeElement.name || document.activeElement.textContent"))


def test_signing_in_and_out_by_keyboard_alone(console: Console, page: Any) -> None:
    page.goto(f"{console.url}/experiments/checkout-offers")
    assert page.url.startswith(f"{console.url}/sign-in?next=")
    assert focused(page) == "name"
    page.keyboard.type("anna")
    page.keyboard.press("Tab")
    assert focused(page) == "password"
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{console.url}/experiments/checkout-offers")
    for _ in range(12):
        page.keyboard.press("Tab")
        if focused(page) == "Sign out":
            break
    assert focused(page) == "Sign out"
    page.keyboard.press("Enter")
    page.wait_for_url(f"{console.url}/sign-in")
    page.go_back()
    page.wait_for_url(f"{console.url}/sign-in?next=**")  # nothing was kept for going back


def test_a_wrong_password_keeps_the_name_and_asks_again(console: Console, page: Any) -> None:
    page.goto(f"{console.url}/sign-in")
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill("not hers")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    assert "do not belong together" in page.get_by_role("alert").text_content()
    assert page.get_by_label("Name").input_value() == "anna"
    assert page.get_by_label("Password").input_value() == ""
    assert focused(page) == "password"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_when_a_session_ends_a_form_changes_nothing_and_says_so(
    console: Console, page: Any
) -> None:
    page.goto(console.signs_in(Role.ADMIN, "/settings/users", "ben"))
    page.get_by_label("Name").fill("dora")
    console.platform.users.set_role("ben", Role.VIEWER)
    page.get_by_role("button", name="Add and show the link").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    assert "dora" not in {user.name for user in console.platform.users.all()}
    page.goto(console.signs_in(Role.VIEWER, "/settings", "ben"))
    assert page.get_by_role("heading", name="Your role does not open this page").is_visible()
    assert page.get_by_role("link", name="Settings").count() == 0


def test_a_key_is_made_and_ended_without_a_mouse(console: Console, page: Any) -> None:
    page.goto(console.signs_in(Role.ADMIN, "/settings", "carla"))
    page.get_by_label("Name").focus()
    page.keyboard.type("till")
    page.keyboard.press("Tab")
    page.keyboard.type("https://shop.example")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="The new key").wait_for()
    key = page.locator("pre code").first.text_content()
    assert console.platform.keys.find(key) is not None
    page.get_by_role("link", name="Replace or end till").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="End this key").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{console.url}/settings")
    assert console.platform.keys.find(key) is None


def test_the_longest_name_fits_a_phone(console: Console, page: Any) -> None:
    page.goto(console.signs_in(Role.ADMIN, "/settings/users", "a" * 64))
    for place in ("/settings/users", f"/settings/users/{'a' * 64}", "/settings/audit-log"):
        page.goto(f"{console.url}{place}")
        assert page.get_by_text("a" * 64).first.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, place
