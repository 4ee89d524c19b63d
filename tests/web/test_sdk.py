"""The shops' script and its types: open, small, cacheable; and the key that pages send."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

from bandit_platform import __version__
from bandit_platform.web.sdk import files
from tests.web.both_ports import CONTEXT, SHOP, Site

MOST_BYTES = 4096
TYPES = (Path(files.__file__).parent / "offers.d.ts").read_text()
PATH = "/v1/experiments/checkout-offers/decisions"


def test_the_script_is_small_and_tells_its_version() -> None:
    script = files.served_script()
    assert len(gzip.compress(script.encode(), 9)) <= MOST_BYTES
    assert script.startswith(f"// bandit-platform offers.js {__version__}\n")
    assert "VERSION" not in script


def test_it_evaluates_no_text_and_writes_no_html() -> None:
    script = files.served_script()
    for word in ("eval(", "Function(", "innerHTML", "outerHTML", "insertAdjacentHTML", ".write("):
        assert word not in script
    assert not re.search(r"setTimeout\(['\"`]", script)
    assert "`" not in script  # a text over several lines could hold a line that looks a comment


def test_any_page_may_load_it_and_keep_it_for_a_while(site: Site) -> None:
    client = site.shop.test_client()
    answer = client.get("/sdk/v1/offers.js", headers={"Origin": "https://any.example"})
    assert answer.status_code == 200
    assert answer.content_type == "text/javascript; charset=utf-8"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.cache_control.public
    assert answer.cache_control.max_age == 300
    assert answer.text == files.served_script()
    kept = client.get("/sdk/v1/offers.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert (kept.status_code, kept.data) == (304, b"")


def test_it_is_packed_where_the_browser_takes_it_so(site: Site) -> None:
    client = site.shop.test_client()
    packed = client.get("/sdk/v1/offers.js", headers={"Accept-Encoding": "gzip"})
    plain = client.get("/sdk/v1/offers.js")
    assert packed.content_encoding == "gzip"
    assert len(packed.data) <= MOST_BYTES
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert "Accept-Encoding" in packed.headers["Vary"]


def test_types_are_served_and_nothing_else_of_the_folder(site: Site) -> None:
    client = site.shop.test_client()
    assert client.get("/sdk/v1/offers.d.ts").text == TYPES
    for name in ("files.py", "..%2fauth.py", "__init__.py", ""):
        assert client.get(f"/sdk/v1/{name}").status_code == 404
    assert site.console.test_client().get("/sdk/v1/offers.js").status_code == 404


def test_the_types_name_what_the_script_can_do() -> None:
    script = files.served_script()
    commands = re.search(r"const commands = \{(.*?)\}", script)
    assert commands
    known = {"decide", *re.findall(r"(\w+)(?::|,| *$)", commands[1])} - {"setConsent"}
    assert known == set(re.findall(r'command: "(\w+)"', TYPES))
    assert set(re.findall(r"\bo\.(\w+)", script)) - {"accept", "dismiss"} <= set(
        re.findall(r"(\w+)\??:", TYPES)
    )


def test_a_page_may_send_its_publishable_key_in_the_address(site: Site) -> None:
    client = site.shop.test_client()
    key = site.keys["publishable"]
    headers = {"Origin": SHOP}
    body = json.dumps({"unit_id": "u", "context": CONTEXT, "defer_activation": True})
    made = client.post(f"{PATH}?key={key}", data=body, content_type="text/plain", headers=headers)
    assert made.status_code == 201
    assert made.headers["Access-Control-Allow-Origin"] == SHOP
    decision = made.json["decision_id"]
    shown = client.post(f"/v1/decisions/{decision}/activate?key={key}", data="{}", headers=headers)
    assert shown.status_code == 204
    event = {"event_id": "e", "decision_id": decision, "type": "accept"}
    sent = client.post(f"/v1/events?key={key}", json={"events": [event]}, headers=headers)
    assert sent.json["events"] == [{"event_id": "e", "status": "accepted"}]


def test_a_secret_key_in_the_address_and_a_foreign_page_are_refused(site: Site) -> None:
    client = site.shop.test_client()
    body = {"unit_id": "u", "context": CONTEXT}
    for name in ("server", "admin", "garbage"):
        assert client.post(f"{PATH}?key={site.keys[name]}", json=body).status_code == 401
    foreign = {"Origin": "https://evil.example"}
    key = site.keys["publishable"]
    assert client.post(f"{PATH}?key={key}", json=body, headers=foreign).status_code == 403
    assert site.console.test_client().get(f"/v1/experiments?key={key}").status_code == 401
