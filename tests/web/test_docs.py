"""The documented API: its page needs nothing from elsewhere, its document is the committed one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.web.both_ports import Site, shown

COMMITTED = Path(__file__).parent / "openapi"


@pytest.mark.parametrize("port", ["shop", "console"])
def test_the_document_is_the_committed_one(site: Site, port: str) -> None:
    """A changed API is a change in this folder; write it anew with the text in the message."""
    served = json.dumps(
        getattr(site, port).test_client().get("/openapi.json").json, indent=2, sort_keys=True
    )
    path = COMMITTED / f"{port}.json"
    if not path.exists():
        path.write_text(served + "\n")
        pytest.fail(f"{path} was written anew; read and commit it")
    assert path.read_text() == served + "\n", f"if that is meant: rm {path} and run again"


@pytest.mark.parametrize("port", ["shop", "console"])
def test_the_page_is_served_under_a_strict_policy(site: Site, port: str) -> None:
    client = getattr(site, port).test_client()
    for name in ("", "/docs.js", "/docs.css"):
        answer = client.get(f"/docs{name}")
        assert answer.status_code == 200
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert "://" not in answer.text.replace("http://www.w3.org", "")
    assert client.get("/docs/page.py").status_code == 404
    assert client.get("/docs/../docs.py").status_code == 404


def test_a_page_of_the_same_address_may_use_any_key(site: Site) -> None:
    for origin in ("http://127.0.0.1:8080", "http://localhost:8080"):
        assert site.decide(site.keys["server"], Origin=origin).status_code == 201


def test_the_header_host_makes_no_page_our_own(site: Site) -> None:
    for host in ("evil.example", "evil.example:80"):
        asked = {"Host": host, "Origin": f"http://{host}"}
        assert site.decide(site.keys["server"], **asked).status_code == 403
        console = site.console.test_client()
        answer = console.get("/v1/experiments", headers=shown(site.keys["admin"]) | asked)
        assert answer.status_code == 403
    asked = {"Host": "evil.example", "Origin": "http://localhost:8081"}
    answer = console.get("/v1/experiments", headers=shown(site.keys["admin"]) | asked)
    assert answer.status_code == 200
    for other in ("http://localhost.evil.example", "http://evil.example", "null", "localhost"):
        assert site.decide(site.keys["server"], Origin=other).status_code == 403
    read = site.console.test_client().get(
        "/v1/experiments", headers={**shown(site.keys["viewer"]), "Origin": "http://localhost:8081"}
    )
    assert read.status_code == 200
