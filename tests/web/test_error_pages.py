"""Errors where a person looks: a page of the console; where a program asks: a problem document."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bandit_platform.domain.access import Role
from bandit_platform.errors import ConflictError, StorageError

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
MENU = '<nav aria-label="Main"><a'
PAUSE = "/experiments/checkout-offers/setup/steps/pause"


def page(answer: Any, status: int, heading: str) -> str:
    assert answer.status_code == status
    assert answer.content_type == "text/html; charset=utf-8"
    assert re.findall(r"<h1[^>]*>(.*?)</h1>", answer.text) == [heading]
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "Accept" in answer.headers["Vary"]
    found: str = answer.text
    return found


def test_an_address_without_a_page_keeps_the_menus(console_as: Any) -> None:
    client = console_as(Role.VIEWER)
    for path in ("/nowhere", "/experiments/checkout-offers/nowhere", "/static/nothing.css"):
        text = page(client.get(path, headers=BROWSER), 404, "There is no page at this address")
        assert MENU in text
        assert "Sign out" in text
        assert "Sign in<" not in text
        assert "nowhere" not in text


def test_a_stranger_is_shown_the_door(console_as: Any) -> None:
    answer = console_as(None).get("/<script>alert(1)</script>", headers=BROWSER)
    text = page(answer, 404, "There is no page at this address")
    assert MENU not in text
    assert '<div class="door">' in text
    assert '<a href="/sign-in">Sign in</a>' in text
    assert "alert(1)" not in text


@pytest.mark.parametrize("path", ["/v1", "/v1/nowhere", "/v1/experiments/x/y/z"])
def test_programs_addresses_are_answered_for_programs(
    console_as: Any, refused: Any, path: str
) -> None:
    refused(console_as(Role.ADMIN).get(path, headers=BROWSER), 404, "not-found")


@pytest.mark.parametrize("accept", ["*/*", "application/json", "", "application/json, text/html"])
def test_whoever_does_not_prefer_pages_gets_a_problem(
    console_as: Any, refused: Any, accept: str
) -> None:
    answer = console_as(None).get("/nowhere", headers={"Accept": accept})
    refused(answer, 404, "not-found")
    assert "Accept" in answer.headers["Vary"]


def test_an_address_for_forms_that_is_opened_says_so(console_as: Any) -> None:
    answer = console_as(Role.EXPERIMENTER).get("/sign-out", headers=BROWSER)
    page(answer, 405, "This address only takes what a form sends")
    assert set(answer.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


def test_a_mistake_of_ours_is_a_page_with_the_number_of_the_request(
    console_as: Any, running: Any, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a mistake of ours")

    client = console_as(Role.EXPERIMENTER)
    monkeypatch.setattr(type(running.platform), "change_state", broken)
    answer = client.post(PAUSE, headers=BROWSER)
    text = page(answer, 500, "Something went wrong in the console")
    assert MENU in text
    assert f"<code>{answer.headers['X-Request-ID']}</code>" in text
    assert "mistake of ours" not in text
    assert "ZeroDivisionError" in "".join(capfd.readouterr())


def test_a_refusal_without_a_page_of_its_own_says_why(
    console_as: Any, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(*_: Any, **__: Any) -> Any:
        raise ConflictError("somebody was <faster>")

    client = console_as(Role.EXPERIMENTER)
    monkeypatch.setattr(type(running.platform), "change_state", refusing)
    text = page(client.post(PAUSE, headers=BROWSER), 409, "Conflict")
    assert "somebody was &lt;faster&gt;" in text


def test_without_its_database_the_console_still_answers(
    console_as: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> Any:
        raise StorageError("refused by 10.9.8.7")

    client = console_as(Role.ADMIN)
    monkeypatch.setattr("bandit_platform.storage.database.Database.read", gone)
    text = page(client.get("/nowhere", headers=BROWSER), 404, "There is no page at this address")
    assert MENU not in text
    assert "10.9.8.7" not in text
    unavailable = client.get("/settings", headers=BROWSER)
    assert unavailable.status_code == 503
    assert unavailable.mimetype == "text/html"
    assert unavailable.headers["Retry-After"]


@pytest.mark.parametrize("path", ["/experiments/a%00b", "/questions/%00", "/v1/experiments/%00"])
def test_nothing_is_called_what_no_database_can_hold(console_as: Any, path: str) -> None:
    assert console_as(Role.ADMIN).get(path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/experiments/checkout-offers/decisions?unit=%00",
        "/settings/audit-log?who=a%00b",
        "/sign-in?%00=1",
    ],
)
def test_no_field_is_filled_in_with_what_no_database_can_hold(console_as: Any, path: str) -> None:
    answer = console_as(Role.ADMIN).get(path, headers=BROWSER)
    page(answer, 400, "Bad Request")


def test_no_form_is_filled_in_with_it_either(console_as: Any) -> None:
    client = console_as(Role.ADMIN)
    for form in ({"name": "a\0b"}, {"name": "anna", "ro\0le": "viewer"}):
        assert client.post("/settings/users", data={"role": "viewer", **form}).status_code == 400
    assert (
        client.post("/settings/users", data={"name": "anna", "role": "viewer"}).status_code == 200
    )
