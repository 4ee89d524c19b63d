"""Default deny: every route, with no key, each kind of key and each role."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.domain.access import Permission, Role
from bandit_platform.domain.user import USER_ROLES
from bandit_platform.services.serving.key_ring import KeyRing
from bandit_platform.web.auth import PERMISSIONS, Gate
from bandit_platform.web.limits import Limits
from bandit_platform.web.sessions import session_shown
from tests.signing_in import signed_in
from tests.web.both_ports import SHOP, Site, shown

KEY_TEXT = re.compile(r"[ps]k_[0-9a-f]{16}_")
OPENED: dict[str, set[Permission]] = {
    "none": set(),
    "garbage": set(),
    "publishable": {Permission.DECIDE},
    "server": {Permission.DECIDE},
    "viewer": {Permission.VIEW},
    "analyst": {Permission.VIEW, Permission.ANALYSE},
    "experimenter": {
        Permission.DECIDE,
        Permission.VIEW,
        Permission.ANALYSE,
        Permission.CHANGE,
    },
    "admin": set(Permission),
}


def routes(app: Any) -> list[tuple[str, str, str]]:
    """(endpoint, method, path) of everything an app answers."""
    experiment = "checkout-offers"
    filled = {"experiment": experiment, "key": experiment, "action": "pause", "version": 1}
    found = []
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            values = {name: filled.get(name, "x") for name in rule.arguments}
            path = rule.build(values, append_unknown=False)[1]
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            found += [(rule.endpoint, method, path) for method in sorted(methods)]
    return found


@pytest.mark.parametrize("holder", list(OPENED))
@pytest.mark.parametrize("port", ["shop", "console"])
def test_every_route_opens_to_exactly_those_it_should(site: Site, port: str, holder: str) -> None:
    app = getattr(site, port)
    seen = set()
    for endpoint, method, path in routes(app):
        wanted = PERMISSIONS[endpoint]
        seen.add(wanted)
        answer = app.test_client().open(path, method=method, headers=shown(site.keys[holder]))
        if wanted is None or wanted in OPENED[holder]:
            assert answer.status_code not in {401, 403}, (endpoint, method)
        elif holder == "none" and is_page(endpoint, path):
            assert_sent_to_sign_in(answer, method, (endpoint, method))
        elif holder in {"none", "garbage"}:
            assert answer.status_code == 401, (endpoint, method)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        else:
            assert answer.status_code == 403, (endpoint, method)
        assert wanted is None or not KEY_TEXT.search(answer.get_data(as_text=True)), endpoint
    assert len(seen) > 1


def is_page(endpoint: str, path: str) -> bool:
    """Whether people open it; everything else is for programs."""
    programs = {"health", "openapi", "docs", "decisions", "experiments"}
    return endpoint.partition(".")[0] not in programs and not path.startswith("/v1/")


def assert_sent_to_sign_in(answer: Any, method: str, what: Any) -> None:
    if method == "GET":
        assert answer.status_code == 303, what
        assert answer.headers["Location"].startswith("/sign-in"), what
    else:  # without a session there is no form to send
        assert answer.status_code == 400, what


@pytest.mark.parametrize("role", [None, *USER_ROLES])
def test_every_page_opens_to_exactly_the_roles_it_should(site: Site, role: Role | None) -> None:
    opened = set() if role is None else OPENED[role.value]
    site.platform.users.create("somebody", Role.VIEWER)  # else there is no form to sign in with
    tried = 0
    for endpoint, method, path in routes(site.console):
        if not is_page(endpoint, path):
            continue
        wanted, what = PERMISSIONS[endpoint], (endpoint, method)
        client = signed_in(site.console, site.platform, role)
        if method != "GET":
            bare = client.open(path, method=method)
            assert bare.status_code == 400, what
            assert "This form is out of date" in bare.text, what
            client.environ_base["HTTP_SEC_FETCH_SITE"] = "cross-site"
            assert client.post(path).status_code == 400, what
            del client.environ_base["HTTP_SEC_FETCH_SITE"]
            answer = client.post(path)
        else:
            answer = client.get(path)
        tried += 1
        if wanted is None or wanted in opened:
            assert answer.status_code != 403, what
            assert wanted is None or not _is_to_sign_in(answer), what
        elif role is None:
            assert _is_to_sign_in(answer), what
        else:
            assert answer.status_code == 403, what
            assert "Your role does not open this page" in answer.text, what
    assert tried > 5


def _is_to_sign_in(answer: Any) -> bool:
    place = answer.headers.get("Location", "")
    return bool(answer.status_code == 303 and place.startswith("/sign-in"))


@pytest.mark.parametrize("path", ["/v1/experiments", "/metrics"])
def test_a_session_opens_nothing_that_is_for_keys(site: Site, path: str) -> None:
    client = signed_in(site.console, site.platform, Role.ADMIN)
    assert client.get("/").status_code == 200
    assert client.get(path).status_code == 401


def test_with_a_key_no_session_counts(site: Site) -> None:
    client = signed_in(site.console, site.platform, Role.ADMIN)
    assert client.get("/", headers=shown(site.keys["server"])).status_code == 403
    assert client.get("/", headers=shown(site.keys["garbage"])).status_code == 401


def test_a_restricted_key_opens_the_pages_of_its_experiments_only(site: Site) -> None:
    keys = site.platform.keys
    for names, status in ({"checkout-offers": 200, "another": 403}).items():
        text = keys.create(role=Role.VIEWER, experiments=[names]).text
        client = site.console.test_client()
        page = client.get("/experiments/checkout-offers", headers=shown(text))
        assert page.status_code == status
        assert client.get("/", headers=shown(text)).status_code == 403


def test_a_restricted_key_neither_sees_nor_makes_another_experiment(site: Site, spec: Any) -> None:
    keys, client = site.platform.keys, site.console.test_client()
    spec_file = {**spec.to_file(), "key": "another"}
    mine = shown(keys.create(role=Role.EXPERIMENTER, experiments=["another"]).text)
    yours = shown(keys.create(role=Role.EXPERIMENTER, experiments=["checkout-offers"]).text)
    assert client.post("/v1/experiments", json=spec_file, headers=yours).status_code == 403
    assert client.put("/v1/experiments/another", json=spec_file, headers=yours).status_code == 403
    assert client.post("/v1/experiments", json=spec_file, headers=mine).status_code == 201
    for headers, seen in ((mine, ["another"]), (yours, ["checkout-offers"])):
        listed = client.get("/v1/experiments", headers=headers).json["experiments"]
        assert [each["experiment"] for each in listed] == seen


def test_a_route_nobody_declared_is_closed(site: Site) -> None:
    site.shop.add_url_rule("/undeclared", "undeclared", lambda: "secret")
    answer = site.shop.test_client().get("/undeclared", headers=shown(site.keys["admin"]))
    assert answer.status_code == 403
    assert "secret" not in answer.get_data(as_text=True)


def test_a_page_of_a_declared_origin_may_ask(site: Site) -> None:
    client = site.shop.test_client()
    path = "/v1/experiments/checkout-offers/decisions"
    before = client.options(path, headers={"Origin": SHOP, "Access-Control-Request-Method": "POST"})
    assert before.status_code == 204
    assert before.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Authorization" in before.headers["Access-Control-Allow-Headers"]
    answer = site.decide(site.keys["publishable"], Origin=SHOP)
    assert answer.status_code == 201
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_pages_of_other_origins_are_not_answered(site: Site) -> None:
    client = site.shop.test_client()
    path = "/v1/experiments/checkout-offers/decisions"
    before = client.options(path, headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in before.headers
    answer = site.decide(site.keys["publishable"], Origin="https://evil.example")
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_secret_key_is_refused_in_a_page(site: Site) -> None:
    assert site.decide(site.keys["server"], Origin=SHOP).status_code == 403


def test_an_expired_and_a_revoked_key_are_refused(site: Site) -> None:
    keys = site.platform.keys
    short = keys.create(role=Role.SERVER, lifetime=timedelta(hours=1))
    ended = keys.create(role=Role.SERVER)
    site.serving.registry.refresh()
    assert site.decide(short.text).status_code == 201
    assert site.decide(ended.text).status_code == 201
    keys.revoke(ended.key.key_id)
    site.serving.registry.refresh()
    site.clock.advance(3601)
    assert site.decide(short.text).status_code == 401
    assert site.decide(ended.text).status_code == 401


def test_a_rotated_key_stays_valid_during_the_overlap(site: Site) -> None:
    keys = site.platform.keys
    old = keys.create(role=Role.SERVER)
    new = keys.rotate(old.key.key_id, timedelta(hours=1))
    site.serving.registry.refresh()
    assert site.decide(old.text).status_code == site.decide(new.text).status_code == 201
    site.clock.advance(3601)
    assert site.decide(old.text).status_code == 401
    assert site.decide(new.text).status_code == 201


def test_the_successor_of_a_key_lives_as_long_as_that_was_meant_to(site: Site) -> None:
    keys = site.platform.keys
    old = keys.create(role=Role.SERVER, lifetime=timedelta(hours=2))
    site.clock.advance(7000)
    new = keys.rotate(old.key.key_id, timedelta(minutes=1))
    assert new.key.expires_at == site.clock() + timedelta(hours=2)
    site.serving.registry.refresh()
    site.clock.advance(300)
    assert site.decide(old.text).status_code == 401
    assert site.decide(new.text).status_code == 201


def test_a_key_of_one_experiment_does_not_open_another(site: Site) -> None:
    issued = site.platform.keys.create(role=Role.SERVER, experiments=["another"])
    site.serving.registry.refresh()
    assert site.decide(issued.text).status_code == 403


def test_a_key_of_one_experiment_reports_nothing_for_another(site: Site) -> None:
    keys = site.platform.keys
    mine = keys.create(role=Role.SERVER, experiments=["checkout-offers"]).text
    others = keys.create(role=Role.SERVER, experiments=["another"]).text
    site.serving.registry.refresh()
    decision_id = site.decide(mine).json["decision_id"]
    client = site.shop.test_client()

    def report(key: str) -> str:
        event = {"event_id": f"by {key[3:9]}", "decision_id": decision_id, "type": "accept"}
        sent = client.post("/v1/events", json={"events": [event]}, headers=shown(key))
        return str(sent.json["events"][0]["status"])

    def activate(key: str) -> int:
        path = f"/v1/decisions/{decision_id}/activate"
        return int(client.post(path, headers=shown(key)).status_code)

    assert (report(mine), activate(mine)) == ("accepted", 204)
    assert (report(others), activate(others)) == ("rejected", 404)


@pytest.mark.parametrize(("holder", "trusted"), [("publishable", False), ("server", True)])
def test_only_a_secret_key_makes_events_trusted(site: Site, holder: str, trusted: bool) -> None:
    decision = site.decide(site.keys[holder]).json
    event = {"event_id": "e", "decision_id": decision["decision_id"], "type": "purchase"}
    sent = site.shop.test_client().post(
        "/v1/events", json={"events": [event]}, headers=shown(site.keys[holder])
    )
    assert sent.json["events"][0]["status"] == "accepted"
    journal = "".join(p.read_text() for p in (site.settings.journal_dir).iterdir())
    assert f'"trusted":{str(trusted).lower()}' in journal


def test_a_beacon_shows_its_publishable_key_in_the_body(site: Site) -> None:
    decision = site.decide(site.keys["publishable"]).json
    event = {"event_id": "e", "decision_id": decision["decision_id"], "type": "accept"}
    client = site.shop.test_client()
    body = {"key": site.keys["publishable"], "events": [event]}
    sent = client.post("/v1/events", data=json.dumps(body), content_type="text/plain")
    assert sent.status_code == 202
    body["key"] = site.keys["server"]
    refused = client.post("/v1/events", data=json.dumps(body), content_type="text/plain")
    assert refused.status_code == 401


def test_keys_are_stored_as_hashes_only(site: Site, tmp_path: Path) -> None:
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("*.sqlite3*"))
    for text in site.keys.values():
        if text is not None and text != site.keys["garbage"]:
            assert text.split("_", 2)[2].encode() not in stored


def test_last_use_reaches_the_list(site: Site) -> None:
    assert site.decide(site.keys["server"]).status_code == 201
    site.serving.registry.note_uses()
    used = {each.key.role: each.last_used_at for each in site.platform.keys.all()}
    assert used[Role.SERVER] == site.clock()
    assert used[Role.ADMIN] is None


def test_a_key_is_judged_by_the_head_of_a_request(site: Site) -> None:
    gate = Gate(lambda text: site.serving.registry.keys.find(text, site.clock()), Limits())
    page, secret = site.keys["publishable"], site.keys["server"]
    for environ, rank in (
        ({"HTTP_AUTHORIZATION": f"Bearer {secret}"}, 2),
        ({"HTTP_AUTHORIZATION": f"bearer {page}"}, 1),
        ({"QUERY_STRING": f"key={page}"}, 1),
        ({"QUERY_STRING": f"a=b&key={page}&c=d"}, 1),
        ({"QUERY_STRING": f"key={secret}"}, 0),  # no secret key may stand in an address
        ({"HTTP_AUTHORIZATION": f"Bearer {site.keys['garbage']}"}, 0),
        ({"HTTP_AUTHORIZATION": "Bearer x", "QUERY_STRING": f"key={page}"}, 0),
        ({"HTTP_AUTHORIZATION": f"Basic {secret}"}, 0),
        ({"QUERY_STRING": f"monkey={page}"}, 0),
        ({}, 0),
    ):
        assert gate.rank(environ) == rank, environ


def test_a_key_is_not_known_before_any_is(site: Site) -> None:
    gate = Gate(lambda text: KeyRing().find(text, site.clock()), Limits())
    assert gate.rank({"HTTP_AUTHORIZATION": f"Bearer {site.keys['server']}"}) == 0


def test_a_session_is_known_by_its_signature(console_as: Any) -> None:
    client = console_as(Role.VIEWER)
    shown = session_shown(client.application)
    (cookie,) = (each for each in client._cookies.values())
    for text, known in (
        (f"{cookie.key}={cookie.value}", True),
        (f"other=1; {cookie.key}={cookie.value}", True),
        (f"other=\xff\xfe; {cookie.key}={cookie.value}", True),  # no UTF-8
        (f"{cookie.key}=\xff\xfe", False),
        (f"{cookie.key}={cookie.value}x", False),
        (f"other={cookie.value}", False),
        ("", False),
    ):
        assert shown({"HTTP_COOKIE": text}) is known
    stranger = console_as(None)
    stranger.get("/sign-in")
    (cookie,) = (each for each in stranger._cookies.values())
    assert not shown({"HTTP_COOKIE": f"{cookie.key}={cookie.value}"})
