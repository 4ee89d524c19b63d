"""A secret and personal data, put wherever a caller can put them, come out nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bandit_platform.bootstrap import build_worker
from tests.web.both_ports import CONTEXT, Site, shown

SECRET = "sk_feedfacecafebeef_" + "CANARYxcanaryXCANARYxcanaryXCANARYxcanaryXY"
CANARIES = {
    "secret": SECRET,
    "e-mail": "canary.person@inbox.example",
    "telephone": "+44 7700 900987",
    "card": "4012 8888 8888 1881",
}
MARKS = ("feedface", "CANARY", "canary", "900987", "88888888", "8888 8888")
DECIDE = "/v1/experiments/checkout-offers/decisions"
HEADERS = ("Authorization", "Idempotency-Key", "X-Request-ID", "Origin", "User-Agent", "Referer")

#: its key cannot be taken, so that nothing of it is ever stored
SPEC: dict[str, Any] = {
    "key": "Other",
    "placement": "cart",
    "context": {"country": {"type": "category", "values": ["GB"]}, "n": {"type": "number"}},
    "arms": {},
    "reward": {"window": "1h", "range": [0, 1], "accept": {"amount": 0.1}},
    "policy": {"mode": "learning", "parameters": {"gamma_scale": 1}},
    "holdout": {"share": 0.1},
    "events": {"secret_only": ["accept"]},
    "report": {"time_zone": "UTC"},
}


def poisoned(body: dict[str, Any], canary: str) -> Iterator[dict[str, Any]]:
    """The body with the canary in place of each value, as a new value and as a new name."""
    for name, value in body.items():
        yield {**body, name: canary}
        yield {**body, name: [canary]}
        if isinstance(value, dict):
            yield from ({**body, name: inner} for inner in poisoned(value, canary))
        if name == "arms":
            arm = {
                "key": "a",
                "features": {"kind": 1.0},
                "offer": {"t": "x"},
                "when": {"n": {}},
            }
            yield from ({**body, name: [inner]} for inner in poisoned(arm, canary))
    yield {**body, "new": canary}
    yield {**body, canary: 1}
    yield {**body, canary[:60]: {"deep": [canary]}}


def marked(text: str) -> list[str]:
    return [mark for mark in MARKS if mark in text]


@pytest.fixture
def texts(site: Site, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Everything that was answered, logged, counted, recorded and stored."""
    answers: list[str] = []
    decision = site.decide(site.keys["server"], "unit").json
    event = {
        "event_id": "e-1",
        "decision_id": decision["decision_id"],
        "type": "accept",
        "amount": 1.0,
        "currency": "GBP",
        "occurred_at": "2026-11-22T10:00:00Z",
    }
    for canary in CANARIES.values():
        for request in requests(canary, event):
            port, method, path, options = request
            options["headers"] = shown(site.keys["admin"]) | options.get("headers", {})
            answer = getattr(site, port).test_client().open(path, method=method, **options)
            assert answer.status_code < 500, request
            answers.append(f"{answer.headers}\n{answer.text}")
    return {"answers": "\n".join(answers), **_kept(site, decision["decision_id"], capsys)}


def requests(canary: str, event: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    asked = {
        "unit_id": "u",
        "context": CONTEXT,
        "request_key": "k",
        "eligible_arms": None,
        "excluded_arms": [],
        "defer_activation": False,
    }
    for body in poisoned(asked, canary):
        yield "shop", "POST", DECIDE, {"json": body}
    for item in poisoned(event, canary):
        if item.get("event_id") == canary and canary[0] not in "sc":
            continue  # ids are the shop's own text: long numbers are taken for order numbers
        yield "shop", "POST", "/v1/events", {"json": {"events": [item]}}
    for body in poisoned({"key": "x", "events": [event]}, canary):
        yield "shop", "POST", "/v1/events", {"data": json.dumps(body), "content_type": "text/plain"}
    for name in HEADERS:
        headers = {name: canary}
        yield "shop", "POST", DECIDE, {"json": {"unit_id": canary}, "headers": headers}
        yield "console", "GET", "/v1/experiments", {"headers": headers}
    for path in ("/v1/experiments", "/healthz", "/openapi.json", "/metrics"):
        yield "console", "GET", path, {"query_string": {"q": canary, canary: "1"}}
    yield "shop", "POST", DECIDE, {"json": {"unit_id": "u"}, "query_string": {canary: canary}}
    yield "shop", "POST", f"/v1/experiments/{canary}/decisions", {"json": {"unit_id": "u"}}
    yield "shop", "POST", f"/v1/decisions/{canary}/activate", {}
    yield "shop", "POST", DECIDE, {"data": f'{{"unit_id": {canary}', "content_type": "text/plain"}
    yield "shop", "POST", DECIDE, {"data": f'{{"{canary}', "content_type": "application/json"}
    for path in ("report", "decisions/x", canary, f"decisions/{canary}"):
        yield "console", "GET", f"/v1/experiments/{canary}/{path}", {}
    yield "console", "POST", f"/v1/experiments/checkout-offers/{canary}", {}
    for body in poisoned(SPEC, canary):
        yield "console", "PUT", "/v1/experiments/Other", {"json": {"key": "Other"} | body}
        yield "console", "POST", "/v1/experiments", {"json": body}
    question = {"experiment": "checkout-offers", "policies": ["uniform"], "by": [], "where": []}
    for body in poisoned(question, canary):
        yield "console", "POST", "/v1/questions", {"json": body}


def _kept(site: Site, decision_id: str, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    journal = "".join(
        path.read_bytes().decode("latin-1") for path in site.settings.journal_dir.iterdir()
    )
    worker = build_worker(site.settings, site.clock)
    worker.round()
    viewer, admin = shown(site.keys["viewer"]), shown(site.keys["admin"])
    trace = f"/v1/experiments/checkout-offers/decisions/{decision_id}"
    return {
        "journal": journal,
        "metrics": site.shop.test_client().get("/metrics", headers=viewer).text
        + site.console.test_client().get("/metrics", headers=viewer).text,
        "trace": site.console.test_client().get(trace, headers=admin).text,
        "database": "".join(
            path.read_bytes().decode("latin-1")
            for path in site.settings.data_dir.glob("*.sqlite3*")
        ),
        "logs": capsys.readouterr().err,
    }


def test_nothing_personal_and_no_secret_comes_out_anywhere(texts: dict[str, str]) -> None:
    assert all(texts[name] for name in ("answers", "journal", "metrics", "trace", "database"))
    assert {name: marked(text) for name, text in texts.items()} == {name: [] for name in texts}
