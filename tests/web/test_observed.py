"""What every answer of both ports carries, and what a log line says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import structlog

from tests.web.both_ports import Site, shown

UUID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
TRACE = "4BF92F3577B34DA6A3CE929D0E0E4736"
PATHS = ["/healthz", "/nowhere", "/openapi.json", "/v1/events", "/v1/experiments", "/", "/metrics"]


@pytest.mark.parametrize("given", [UUID, TRACE])
def test_a_well_formed_request_id_comes_back(site: Site, given: str) -> None:
    answer = site.decide(site.keys["server"], **{"X-Request-ID": given})
    assert answer.headers.getlist("X-Request-ID") == [given]


@pytest.mark.parametrize(
    "given",
    ["", "short", "4111111111111111", "+447700900123", "a@b.example", "x" * 200, f"{UUID}x"],
)
def test_any_other_is_replaced(site: Site, given: str) -> None:
    first = site.decide(site.keys["server"], **{"X-Request-ID": given}).headers["X-Request-ID"]
    second = site.decide(site.keys["server"], **{"X-Request-ID": given}).headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert first != second


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
@pytest.mark.parametrize("port", ["shop", "console"])
def test_every_answer_has_an_id_and_the_security_headers(
    site: Site, port: str, method: str
) -> None:
    client = getattr(site, port).test_client()
    for path in PATHS:
        headers = client.open(path, method=method).headers
        assert re.fullmatch("[0-9a-f]{32}", headers["X-Request-ID"])
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] in {"no-referrer", "same-origin"}
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        for name in ("X-Request-ID", "Content-Security-Policy", "Cache-Control"):
            assert len(headers.getlist(name)) == 1, (path, name)
        if port == "shop":
            assert headers["Cache-Control"] == "no-store"


def test_log_lines_are_json_with_the_request_id_and_without_values(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: Any) -> None:
        raise ValueError(f"cannot handle {arguments}")

    monkeypatch.setattr(site.serving.decider, "_make", fail)
    answer = site.decide(site.keys["server"], "canary", **{"X-Request-ID": UUID})
    assert answer.status_code == 500
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (line,) = [each for each in lines if each["event"] == "unexpected error"]
    assert line["request_id"] == UUID
    assert line["level"] == "error"
    assert line["timestamp"].endswith("Z")
    assert "in fail" in line["exception"]
    assert line["exception"].endswith("ValueError")
    assert "canary" not in json.dumps(line)


def test_outside_a_request_there_is_no_id(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    import threading  # noqa: PLC0415

    site.decide(site.keys["server"])
    thread = threading.Thread(target=lambda: structlog.get_logger().info("in the background"))
    thread.start()
    thread.join()
    (line,) = capsys.readouterr().err.splitlines()
    assert "request_id" not in json.loads(line)


def test_reasons_of_our_own_are_logged_through_the_chain(
    capsys: pytest.CaptureFixture[str], site: Site
) -> None:
    from bandit_platform.errors import StorageError  # noqa: PLC0415

    def fail(value: str) -> None:
        try:
            {}[value]
        except KeyError as error:
            raise StorageError("the database went away") from error

    try:
        fail("shopper@example.com".lower())
    except StorageError:
        structlog.get_logger().exception("failed")
    text = capsys.readouterr().err
    assert "the database went away" in text
    assert "KeyError" in text
    assert "KeyError: " not in text


def test_keys_are_never_shown_in_an_answer(site: Site) -> None:
    for name in ("server", "publishable", "admin"):
        answer = site.shop.test_client().get("/nowhere", headers=shown(site.keys[name]))
        assert str(site.keys[name]) not in f"{answer.headers}{answer.text}"
