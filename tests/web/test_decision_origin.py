"""Each decision is logged with the key that asked for it and a keyed hash of the address."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.web.both_ports import CONTEXT, SHOP, Site

PATH = "/v1/experiments/checkout-offers/decisions"
BODY = {"unit_id": "u-1", "context": CONTEXT}


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
def test_a_decision_is_logged_with_where_it_came_from(site: Site, kind: str) -> None:
    """The second kind takes the framework's path instead of the fast one."""
    server = _ask(site, {"Authorization": f"Bearer {site.keys['server']}"}, "192.0.2.7", kind)
    page_key = str(site.keys["publishable"])
    page = {"Authorization": f"Bearer {page_key}", "Origin": SHOP}
    first, same_network, other_network = (
        _ask(site, page, address, kind)
        for address in ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1")
    )
    assert server.get("trusted", True)
    assert server["key_id"] == str(site.keys["server"]).split("_")[1]
    assert not first["trusted"]
    assert first["key_id"] == page_key.split("_")[1]
    assert first["address"] == same_network["address"]
    assert len({each["address"] for each in (server, first, other_network)}) == 3
    for each in (server, first, other_network):
        assert len(each["address"]) == 16
        assert "192.0.2" not in json.dumps(each)
        assert "2001" not in each["address"]
        assert "over_limit" not in each


def _ask(site: Site, headers: dict[str, str], address: str, kind: str) -> dict[str, Any]:
    """The journal's record of a new decision."""
    answer = site.shop.test_client().post(
        PATH,
        data=json.dumps(BODY),
        content_type=kind,
        headers=headers,
        environ_overrides={"REMOTE_ADDR": address},
    )
    assert answer.status_code == 201
    segments = site.settings.journal_dir.glob("*.jsonl")
    lines = [line for segment in segments for line in segment.read_text().splitlines()]
    record: dict[str, Any] = json.loads(lines[-1])
    assert record["decision_id"] == answer.json["decision_id"]
    return record
