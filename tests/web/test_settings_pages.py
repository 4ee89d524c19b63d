"""Keys, users and the audit log by clicking, which without scripts is the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from bandit_platform.domain.access import Role
from tests.signing_in import SignedInClient

Console = Callable[..., SignedInClient]
SHOP = "https://shop.example"


@pytest.fixture
def admin(console_as: Console) -> SignedInClient:
    return console_as(Role.ADMIN)


def last(running: Any, what: str) -> Any:
    return next(entry for entry in running.platform.audit_log() if entry.what == what)


def issued(text: str) -> str:
    found = re.search(r"<code>([ps]k_[^<]+)</code>", text)
    assert found is not None
    return found[1]


def test_a_key_is_shown_once_and_works(running: Any, admin: SignedInClient) -> None:
    made = admin.post(
        "/settings/keys",
        data={"kind": "viewer", "label": "<b>grafana", "experiments": "checkout-offers"},
    )
    text = issued(made.text)
    assert "&lt;b&gt;grafana" in made.text
    assert text not in admin.get("/settings").text
    asked = running.console.test_client().get(
        "/v1/experiments/checkout-offers", headers={"Authorization": f"Bearer {text}"}
    )
    assert asked.status_code == 200
    entry = last(running, "key.created")
    assert (entry.by.kind, entry.by.name) == ("user", "admin")
    assert entry.subject == f"key:{text[3:19]}"
    told = {change.path: change.after for change in entry.difference}
    assert told == {"label": "<b>grafana", "role": "viewer", "experiments": "checkout-offers"}
    assert "minute" in admin.get("/settings").text or "second ago" in admin.get("/settings").text


@pytest.mark.parametrize(
    ("filled", "field", "words"),
    [
        ({"kind": "publishable"}, "origins", "needs the address"),
        ({"kind": "publishable", "origins": "shop.example"}, "origins", "a scheme and a host"),
        ({"kind": "server", "origins": SHOP}, "origins", "Only a publishable key"),
        ({"kind": "root"}, "kind", "Choose what the key is for"),
        ({"kind": "server", "label": "x" * 257}, "label", "at most 256"),
        ({"kind": "server", "lifetime": "9d"}, "lifetime", "Choose one of these"),
    ],
)
def test_a_mistake_stands_beside_its_field_and_nothing_is_made(
    running: Any, admin: SignedInClient, filled: dict[str, str], field: str, words: str
) -> None:
    before = len(running.platform.keys.all())
    answer = admin.post("/settings/keys", data={"label": "till", **filled})
    assert answer.status_code == 422
    assert words in answer.text
    assert f'id="field-{field}-error"' in answer.text
    assert f'value="{filled.get("label", "till")}"' in answer.text  # what was typed stays
    assert len(running.platform.keys.all()) == before


def test_ending_a_key_says_what_stops_and_replacing_it_leaves_time(
    running: Any, admin: SignedInClient
) -> None:
    keys = running.platform.keys
    old = keys.create(role=None, label="pages", origins=[SHOP])
    page = admin.get(f"/settings/keys/{old.key.key_id}")
    assert f"Pages of {SHOP} that carry this key show no offers any more" in page.text
    assert "It was never used." in page.text
    new = admin.post(f"/settings/keys/{old.key.key_id}/rotate", data={"overlap": "1h"})
    replacement = keys.find(issued(new.text))
    assert replacement.origins == frozenset({SHOP})
    assert keys.find(old.text) is not None
    running.clock.advance(3601)
    assert keys.find(old.text) is None
    gone = admin.post(f"/settings/keys/{replacement.key_id}/revoke")
    assert gone.status_code == 303
    assert keys.find(issued(new.text)) is None
    assert last(running, "key.revoked").by.name == "admin"
    assert admin.post(f"/settings/keys/{replacement.key_id}/revoke").status_code == 404


def test_a_user_is_added_by_a_link_that_is_shown_once(
    running: Any, admin: SignedInClient, console_as: Console
) -> None:
    made = admin.post("/settings/users", data={"name": "Ben", "role": "analyst"})
    found = re.search(r"<code>http://127.0.0.1:8081(/link/[^<]+)</code>", made.text)
    assert found is not None
    assert found[1] not in admin.get("/settings/users").text
    ben = console_as(None)
    assert ben.post(found[1], data={"password": "a quiet harbour"}).status_code == 303
    assert ben.get("/").status_code == 200
    assert ben.get("/settings").status_code == 403
    again = admin.post("/settings/users", data={"name": "ben", "role": "analyst"})
    assert again.status_code == 422
    assert "already" in again.text
    changed = admin.post("/settings/users/ben/role", data={"role": "admin"})
    assert changed.status_code == 303
    assert ben.get("/settings").status_code == 303  # signed out by the change
    told = last(running, "user.changed").difference[0]
    assert (told.path, told.before, told.after) == ("role", "analyst", "admin")
    assert admin.post("/settings/users/ben/access", data={"disable": "yes"}).status_code == 303
    refused = admin.post("/settings/users/ben/link")
    assert "enable the user first" in refused.text
    assert admin.post("/settings/users/ben/access", data={"enable": "yes"}).status_code == 303
    assert "/link/" in admin.post("/settings/users/ben/link").text


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/settings/users/admin/role", {"role": "viewer"}),
        ("/settings/users/admin/access", {"disable": "yes"}),
    ],
)
def test_the_last_administrator_stays_one(
    admin: SignedInClient, path: str, data: dict[str, str]
) -> None:
    answer = admin.post(path, data=data)
    assert answer.status_code == 422
    assert "the only administrator" in answer.text
    assert admin.get("/settings").status_code == 200


def test_the_audit_log_tells_who_did_what_with_the_difference(
    running: Any, admin: SignedInClient, spec: Any
) -> None:
    changed = spec.to_file()
    changed["owner"] = "<img src=x>"
    running.console.test_client().put(
        "/v1/experiments/checkout-offers",
        json=changed,
        headers={"Authorization": f"Bearer {running.admin_key}"},
    )
    page = admin.get("/settings/audit-log?subject=checkout-offers").text
    assert "changed the experiment" in page
    assert "owner: <ins>&lt;img src=x&gt;</ins>" in page
    assert "revision: <del>1</del> → <ins>2</ins>" in page
    assert running.admin_key[3:19] in page
    assert running.admin_key not in page


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("who=dora", 0),
        ("what=experiment.", 2),
        ("subject=checkout-offers", 2),
        ("what=experiment.&since=2026-11-22&until=2026-11-22", 2),
        ("what=experiment.&since=2026-11-23", 0),
        ("what=experiment.&until=2026-11-21", 0),
        ("what=experiment.&until=9999-12-31", 2),
        ("what=experiment.&older=1", 0),
        ("who=%25", 0),
    ],
)
def test_the_audit_log_can_be_narrowed(admin: SignedInClient, query: str, count: int) -> None:
    page = admin.get(f"/settings/audit-log?{query}")
    assert page.status_code == 200
    assert page.text.count("data-entry=") == count
    if not count:
        assert "Nothing matches" in page.text


def test_a_day_that_is_none_is_told_beside_its_field(admin: SignedInClient) -> None:
    page = admin.get("/settings/audit-log?since=yesterday")
    assert page.status_code == 422
    assert 'id="field-since-error"' in page.text


def test_the_audit_log_goes_on_page_by_page(running: Any, admin: SignedInClient) -> None:
    for number in range(60):
        running.platform.keys.create(role=Role.SERVER, label=f"key-{number}")
    seen: list[str] = []
    address: str | None = "/settings/audit-log?what=key."
    while address:
        page = admin.get(address).text
        seen += re.findall(r'data-entry="(\d+)"', page)
        link = re.search(r'href="([^"]+)">Older', page)
        address = link[1].replace("&amp;", "&") if link else None
    assert len(seen) == len(set(seen)) == 62
    assert seen == sorted(seen, key=int, reverse=True)


def test_one_s_own_password_can_be_changed(running: Any, console_as: Console) -> None:
    link = running.platform.users.create("ben", Role.VIEWER)
    ben, other = console_as(None), console_as(Role.VIEWER, "ben")
    assert ben.post(
        running.platform.users.link("ben").path, data={"password": "old and long enough"}
    )
    assert link.path  # replaced by the newer one
    wrong = ben.post("/account", data={"old": "nonsense", "new": "new and long enough"})
    assert "not your present password" in wrong.text
    short = ben.post("/account", data={"old": "old and long enough", "new": "short"})
    assert "at least 12" in short.text
    good = ben.post("/account", data={"old": "old and long enough", "new": "new and long enough"})
    assert good.status_code == 303
    assert "was changed" in ben.get(good.headers["Location"]).text
    assert other.get("/").status_code == 303
