"""The double that shops use in their tests."""

from __future__ import annotations

from importlib.resources import files
from inspect import signature

from bandit_platform.client import Client, Decision, FakeClient


def test_the_fake_answers_as_told_and_remembers() -> None:
    with FakeClient().will_answer("page", "parking", {"title": "Park"}) as fake:
        shown = fake.decide("page", "ann", {"country": "GB"}, request_key="r")
        other = fake.decide("elsewhere", "ann")
        fake.report(shown, "accept", amount=1.0)
        fake.report_request("page", "r", "purchase", amount=2.0)
        fake.activate(shown)
    assert (shown.arm, shown.offer, bool(shown)) == ("parking", {"title": "Park"}, True)
    assert not other
    assert fake.asked[0]["context"] == {"country": "GB"}
    assert fake.events == [
        {"event_id": "event-1", "decision_id": "decision-1", "type": "accept", "amount": 1.0},
        {
            "event_id": "event-2",
            "experiment": "page",
            "request_key": "r",
            "type": "purchase",
            "amount": 2.0,
        },
    ]
    assert fake.activated == ["decision-1"]


def test_the_fake_takes_no_time_without_a_zone_either() -> None:
    with FakeClient() as fake:
        assert fake.report("d", "accept", occurred_at="2026-11-28T16:00:00") is None
        assert fake.report("d", "accept", occurred_at="2026-11-28T16:00:00Z") == "event-1"
    assert len(fake.events) == 1


def test_the_fake_can_do_what_the_client_can() -> None:
    public = {name for name in vars(Client) if not name.startswith("_")}
    assert public <= set(vars(FakeClient))
    assert isinstance(FakeClient().decide("page", "ann"), Decision)
    for name in ("decide", "report", "report_request", "activate", "flush", "close"):
        assert signature(getattr(FakeClient, name)) == signature(getattr(Client, name))


def test_shops_that_check_types_can_use_both() -> None:
    assert issubclass(FakeClient, Client)
    assert (files("bandit_platform") / "py.typed").is_file()
