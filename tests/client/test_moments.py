"""What a shop may give as the time of an outcome."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest

from bandit_platform.client import Client
from tests.client.services import KEY, accepted, scripted
from tests.web.both_ports import CONTEXT, Site


class _NoOffset(tzinfo):
    def utcoffset(self, _: datetime | None) -> None:
        return None


FOUR = "2026-11-28T16:00:00.000000+00:00"
_LMT = timezone(timedelta(minutes=-1, seconds=-15))


@pytest.mark.parametrize(
    "given",
    [
        datetime(2026, 11, 28, 16, tzinfo=UTC),
        datetime(2026, 11, 28, 17, tzinfo=timezone(timedelta(hours=1))),
        datetime(2026, 11, 28, 15, 58, 45, tzinfo=_LMT),
        "2026-11-28T16:00:00Z",
        "2026-11-28 16:00:00Z",
        "2026-11-28T17:00:00+01:00",
        " 2026-11-28T16:00Z\n",
    ],
    ids=str,
)
def test_a_moment_with_a_time_zone_is_sent_in_utc(given: Any) -> None:
    sent: list[Any] = []

    def answer(_: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        sent.extend(body["events"])
        return 202, accepted(body["events"]), {}

    with scripted(answer) as url, Client(url, "sk") as client:
        assert client.report("d", "purchase", event_id="e", occurred_at=given) == "e"
        assert client.flush() == client.dropped == 0
    assert [each["occurred_at"] for each in sent] == [FOUR]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (datetime(2026, 11, 28, 16), "needs a time zone"),  # noqa: DTZ001 - that is the case
        (datetime(2026, 11, 28, 16, tzinfo=_NoOffset()), "needs a time zone"),
        ("2026-11-28T16:00:00", "needs a time zone"),
        ("2026-11-28", "needs a time zone"),
        ("yesterday", "must be"),
        (date(2026, 11, 28), "must be"),
        (1764345600, "must be"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "must be"),
        (..., "must be"),
    ],
    ids=str,
)
def test_any_other_moment_is_not_taken_and_says_so(
    given: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Client("http://127.0.0.1:9", "sk") as client:
        assert client.report("d", "purchase", occurred_at=given) is None
        assert client.dropped == 1
        assert client.flush(0) == 0
    assert [r.getMessage() for r in caplog.records if f"occurred_at {why}" in r.getMessage()]


@pytest.mark.parametrize(
    "arguments",
    [
        {"decision": ..., "type": "accept"},
        {"decision": b"d", "type": "accept"},
        {"decision": "d", "type": {"a"}},
        {"decision": "d", "type": "accept", "amount": "\ud800"},
        {"decision": "d", "type": "accept", "amount": 1j},
    ],
    ids=str,
)
def test_reporting_and_activating_never_raise(arguments: Any) -> None:
    client = Client("http://127.0.0.1:9", "sk")
    client.report(**arguments)
    client.activate(arguments["decision"])
    client.close(0)


def test_an_event_id_that_is_a_number_is_text(client: Client, service: tuple[Site, str]) -> None:
    decision = client.decide(KEY, "ann", CONTEXT)
    now = service[0].clock()
    assert client.report(decision, "accept", event_id=8841, occurred_at=now) == "8841"  # type: ignore[arg-type]
    assert client.flush() == client.dropped == 0
    lines = [
        json.loads(line)
        for path in service[0].settings.journal_dir.glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert [line["id"] for line in lines if line["k"] == "event"] == ["8841"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"experiment": None, "unit_id": "u"},
        {"experiment": KEY, "unit_id": "u", "context": 7},
        {"experiment": KEY, "unit_id": "u", "eligible_arms": 7},
        {"experiment": KEY, "unit_id": "u", "excluded_arms": None},
    ],
    ids=str,
)
def test_asking_never_raises(arguments: Any) -> None:
    with Client("http://127.0.0.1:9", "sk") as client:
        assert client.decide(**arguments).reason == "unavailable"
