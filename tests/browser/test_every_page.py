"""Every page: silent, never wider than the window, and usable by those who cannot see it well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bandit_platform.domain.access import Role
from tests.browser.axe import needs_axe, open_first, problems
from tests.browser.furnished import ORDINARY, House, house
from tests.browser.shop import needs_chromium
from tests.browser.walk import REFUSALS, split, window
from tests.signing_in import signed_in

pytestmark = [needs_chromium, needs_axe]


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("ordinary"), ORDINARY) as made:
        yield made


def _wrong(browser: Any, made: House, addresses: list[str], role: Role | None) -> dict[str, Any]:
    found = {}
    with window(browser, made, role, bypass_csp=True) as opened:
        for address in addresses:
            open_first(opened, f"{made.url}{address}")
            found[address] = problems(opened)
    return {address: wrong for address, wrong in found.items() if wrong}


def _pages(made: House) -> list[str]:
    return split(signed_in(made.app, made.platform, Role.ADMIN), made)[0]


def test_nobody_is_left_out(a_browser: Any, ordinary: House) -> None:
    assert _wrong(a_browser, ordinary, [*_pages(ordinary), *REFUSALS], Role.ADMIN) == {}


def test_nobody_is_left_out_on_the_first_day(
    a_browser: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with house(tmp_path_factory.mktemp("empty"), None) as empty:
        assert _wrong(a_browser, empty, _pages(empty), Role.ADMIN) == {}


def test_strangers_are_not_left_out(a_browser: Any, ordinary: House) -> None:
    link = ordinary.platform.users.link("somebody.with.a.long.name@shop.example").path
    addresses = ["/sign-in", link, "/link/unknown", "/settings", "/no/such/page"]
    assert _wrong(a_browser, ordinary, addresses, None) == {}


def test_whoever_is_left_out_is_noticed(a_browser: Any, ordinary: House) -> None:
    with window(a_browser, ordinary, bypass_csp=True) as opened:
        open_first(opened, f"{ordinary.url}/account")
        opened.page.evaluate("""() => { document.querySelector('main').innerHTML += `<h1>Two</h1>
            <p style="color: #777; background: #666; width: 1500px">Pale</p><input>`; }""")
        found = problems(opened)
    for name in ("phone, dark", "phone, light", "desk, light", "desk, dark"):
        assert any(each.startswith(f"{name}: color-contrast") for each in found)
        assert any(each.startswith(name) and "too wide" in each for each in found)
    assert "not one heading" in found
    assert any("label" in each for each in found)
