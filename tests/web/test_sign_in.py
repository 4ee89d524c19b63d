"""Signing in and out: by password and by link, and everything that must not work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bandit_platform.domain.access import Role
from bandit_platform.errors import StorageError
from bandit_platform.web.apps import create_console_app
from tests.signing_in import SignedInClient, sign_in_path, signed_in

PASSWORD = "a quiet harbour at dawn"  # noqa: S105 - of a user who exists in these tests only
Console = Callable[..., SignedInClient]


@pytest.fixture
def anna(running: Any) -> SignedInClient:
    """A browser of anna, an analyst, who has chosen her password and signed out again."""
    link = running.platform.users.create("anna", Role.ANALYST)
    client = signed_in(running.console, running.platform, None)
    chosen = client.post(link.path, data={"password": PASSWORD})
    assert chosen.status_code == 303
    client.post("/sign-out")
    return client


def enter(client: SignedInClient, name: str = "anna", password: str = PASSWORD, **more: str) -> Any:
    return client.post("/sign-in", data={"name": name, "password": password, **more})


def cookie(client: SignedInClient, running: Any) -> str:
    found = client.get_cookie(running.console.config["SESSION_COOKIE_NAME"])
    assert found is not None
    return found.value


def test_a_password_opens_the_console_and_signing_out_closes_it(
    running: Any, anna: SignedInClient
) -> None:
    assert anna.get("/").headers["Location"] == "/sign-in"
    answer = enter(anna)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    page = anna.get("/")
    assert page.status_code == 200
    assert "anna" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    kept = cookie(anna, running)
    assert anna.post("/sign-out").headers["Location"] == "/sign-in"
    assert anna.get("/").status_code == 303
    anna.set_cookie(running.console.config["SESSION_COOKIE_NAME"], kept)
    assert anna.get("/").status_code == 303  # a copied cookie is worth nothing any more


@pytest.mark.parametrize(
    ("name", "password"),
    [("anna", "wrong password"), ("anna", ""), ("nobody", PASSWORD), ("", "")],
)
def test_a_wrong_pair_is_refused_in_the_same_words(
    anna: SignedInClient, name: str, password: str
) -> None:
    answer = enter(anna, name, password)
    assert answer.status_code == 422
    assert "Name and password do not belong together." in answer.text
    assert PASSWORD not in answer.text
    assert anna.get("/").status_code == 303


def test_the_cookie_is_for_this_console_only_and_new_at_every_sign_in(
    running: Any, anna: SignedInClient
) -> None:
    anna.get("/sign-in")
    before = cookie(anna, running)
    answer = enter(anna)
    (header,) = answer.headers.getlist("Set-Cookie")
    assert "HttpOnly" in header
    assert "SameSite=Lax" in header
    assert "Secure" not in header
    assert cookie(anna, running) != before
    assert running.platform._secret.decode() not in header


def test_where_to_go_on_is_never_another_site(anna: SignedInClient) -> None:
    for place, then in {
        "/experiments/checkout-offers?day=1": "/experiments/checkout-offers?day=1",
        "https://evil.example/": "/",
        "//evil.example/": "/",
        "/\\evil.example": "/",
        "/\t/evil.example": "/",
        "javascript:alert(1)": "/",
    }.items():
        assert enter(anna, next=place).headers["Location"] == then
        anna.post("/sign-out")


def test_a_page_asked_for_comes_after_signing_in(anna: SignedInClient) -> None:
    answer = anna.get("/experiments/checkout-offers?x=1")
    assert answer.headers["Location"] == "/sign-in?next=/experiments/checkout-offers?x%3D1"
    assert (
        'name="next" value="/experiments/checkout-offers?x=1"'
        in anna.get(answer.headers["Location"]).text
    )


def test_after_five_failures_even_the_right_password_waits(
    running: Any, anna: SignedInClient
) -> None:
    for _ in range(5):
        assert enter(anna, "anna", "guess").status_code == 422
    answer = enter(anna)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 900
    assert "15 minutes" in answer.text
    other = signed_in(running.console, running.platform, None)
    other.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    assert enter(other).status_code == 303  # nobody else can lock her out


def test_sessions_end_after_twelve_idle_hours_and_after_a_week(
    running: Any, console_as: Console
) -> None:
    client = console_as(Role.VIEWER)
    for _ in range(14):
        running.clock.advance(11 * 3600)
        assert client.get("/").status_code == 200
    running.clock.advance(3 * 3600)
    for _ in range(4):
        running.clock.advance(4 * 3600)
        last = client.get("/").status_code
    assert last == 303  # seven days have passed
    again = console_as(Role.VIEWER)
    running.clock.advance(12 * 3600 + 1)
    assert again.get("/").status_code == 303


@pytest.mark.parametrize("change", ["role", "disabled", "password"])
def test_a_session_ends_when_its_user_changes(
    running: Any, console_as: Console, change: str
) -> None:
    users = running.platform.users
    client, other = console_as(Role.EXPERIMENTER), console_as(Role.VIEWER)
    assert client.get("/").status_code == 200
    if change == "role":
        users.set_role("experimenter", Role.VIEWER)
    elif change == "disabled":
        users.disable("experimenter")
    else:
        link = users.link("experimenter")
        running.platform.sign_in.choose_password(link.token, PASSWORD)
    assert client.get("/").status_code == 303
    assert other.get("/").status_code == 200


def test_a_disabled_user_cannot_sign_in_by_anything(running: Any, anna: SignedInClient) -> None:
    link = sign_in_path(running.platform, Role.ANALYST, "anna")
    running.platform.users.disable("anna")
    assert enter(anna).status_code == 422
    assert anna.get(link).status_code == 410
    running.platform.users.enable("anna")
    assert anna.get(link).status_code == 410
    assert enter(anna).status_code == 303


def test_a_link_works_once_and_not_after_a_day(running: Any, console_as: Console) -> None:
    link = sign_in_path(running.platform, Role.VIEWER)
    client = console_as(None)
    assert client.head(link).status_code == 200  # looking at a link does not use it up
    assert client.get(f"{link}?next=/experiments/checkout-offers").headers["Location"] == (
        "/experiments/checkout-offers"
    )
    assert console_as(None).get(link).status_code == 410
    assert client.get(link).status_code == 303  # whoever is signed in already just goes on
    old = sign_in_path(running.platform, Role.VIEWER)
    running.clock.advance(timedelta(hours=24).total_seconds())
    assert console_as(None).get(old).status_code == 410


def test_a_newer_link_takes_the_place_of_an_older_one(running: Any, console_as: Console) -> None:
    older = running.platform.users.create("ben", Role.VIEWER)
    newer = running.platform.users.link("ben")
    client = console_as(None)
    assert client.get(older.path).status_code == 410
    assert client.get(newer.path).status_code == 200


@pytest.mark.parametrize(
    ("password", "words"),
    [("short", "at least 12"), ("x" * 300, "at most 256"), ("aaaaaaaaaaaaaa", "easy to guess")],
)
def test_a_poor_password_is_refused_beside_its_field_and_the_link_stays(
    running: Any, console_as: Console, password: str, words: str
) -> None:
    link = running.platform.users.create("ben", Role.VIEWER)
    client = console_as(None)
    answer = client.post(link.path, data={"password": password})
    assert answer.status_code == 422
    assert words in answer.text
    assert 'aria-describedby="field-password-error' in answer.text
    assert password not in answer.text
    assert client.post(link.path, data={"password": PASSWORD}).status_code == 303


def test_the_first_administrator_is_named_by_a_link_and_only_the_first(
    running: Any, console_as: Console
) -> None:
    first, second = running.platform.users.first_link(), running.platform.users.first_link()
    client = console_as(None)
    assert "Nobody can sign in yet" in client.get("/sign-in").text
    bad = client.post(first.path, data={"name": "No Good!", "password": PASSWORD})
    assert bad.status_code == 422
    assert "field-name-error" in bad.text
    done = client.post(first.path, data={"name": "Carla", "password": PASSWORD})
    assert done.status_code == 303
    (user,) = running.platform.users.all()
    assert (user.name, user.role) == ("carla", Role.ADMIN)
    assert client.get("/").status_code == 200
    assert console_as(None).get(second.path).status_code == 410
    assert running.platform.users.first_link() is None


def test_a_page_says_in_words_that_the_database_is_away(
    console_as: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = console_as(Role.ADMIN)

    def gone(*_: Any) -> Any:
        raise StorageError("connection to canary-database refused")

    monkeypatch.setattr("bandit_platform.storage.database.Database.read", gone)
    for path in ("/", "/settings", "/sign-in"):
        answer = client.get(path)
        assert (answer.status_code, answer.mimetype) == (503, "text/html")
        assert "Its database is locked or does not answer" in answer.text
        assert "canary" not in answer.text
    assert client.get("/static/forms.css").status_code == 200


def test_behind_https_the_cookie_stays_on_https(running: Any) -> None:
    settings = replace(running.settings, console_url="https://console.example")
    app = create_console_app(running.platform, settings)
    client = signed_in(app, running.platform, None)
    answer = client.get(sign_in_path(running.platform, Role.VIEWER), base_url="https://x")
    assert "Secure" in answer.headers["Set-Cookie"]
    proxied = create_console_app(running.platform, replace(running.settings, proxies=1))
    link = sign_in_path(running.platform, Role.VIEWER)
    answer = proxied.test_client().get(link, headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in answer.headers["Set-Cookie"]
