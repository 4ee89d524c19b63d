"""Requests refused because of their request key are counted where operators and analysts look."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bandit_platform.bootstrap import build_worker
from tests.web.both_ports import CONTEXT, SHOP, Site, shown
from tests.web.test_metrics import seen

PATH = "/v1/experiments/checkout-offers/decisions"


def ask(site: Site, key: str, kind: str, **body: Any) -> Any:
    headers = shown(site.keys[key]) | ({"Origin": SHOP} if key == "publishable" else {})
    asked = {"unit_id": "u", "context": CONTEXT, "request_key": "order-1"} | body
    client = site.shop.test_client()
    return client.post(PATH, json=asked, content_type=kind, headers=headers)


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
def test_conflicts_are_counted_once_each_and_shown(site: Site, kind: str) -> None:
    """The second kind takes the framework's path instead of the fast one."""
    assert ask(site, "server", kind).status_code == 201
    assert ask(site, "publishable", kind).status_code == 201
    assert ask(site, "server", kind).status_code == 200
    assert ask(site, "publishable", kind, unit_id="v").status_code == 201
    refused = [
        ask(site, "server", kind, unit_id="v"),
        ask(site, "server", kind, context={}),
        ask(site, "publishable", kind, context={}),
    ]
    assert [each.status_code for each in refused] == [409] * 3
    assert seen(site)["request_conflicts_total", "checkout-offers"] == 3
    build_worker(site.settings, site.clock).round()
    counts = site.platform.report("checkout-offers").counts
    assert (counts.server_conflicts, counts.page_conflicts) == (2, 1)
    page = site.console.test_client().get("/quality", headers=shown(site.keys["viewer"])).text
    row = re.search(r'<tr data-check="request_conflicts">.*?</tr>', page, re.DOTALL)
    assert row is not None
    assert "2 from servers" in row[0]
    assert "1 from pages" in row[0]
    assert 'data-state="broken"' in row[0]
