"""What pages report arrives, whatever happens to the page or the service, and counts once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser.shop import decide, needs_chromium, wait_for

pytestmark = needs_chromium

TRACK = "([answer, type, more]) => offers('track', answer, type, more)"


@pytest.mark.parametrize("consent", [True, None])
def test_events_arrive_although_the_page_leaves_at_once(counter: Any, consent: Any) -> None:
    """Each page reports a click and is left in the same moment, 200 times in all."""
    clicks = 100
    answer = decide(counter.open(settings={"consent": consent}))
    walk = f"""
        const n = Number(new URLSearchParams(location.search).get('n'));
        const wait = setInterval(() => {{
            if (!window.offers || !offers.version) return;
            clearInterval(wait);
            document.title = 'Shop ' + n;
            if (n >= {clicks}) return;
            offers('track', {json.dumps(answer)}, 'accept', {{eventId: 'click-{consent}-' + n}});
            location.href = '/walk?n=' + (n + 1);
        }}, 1);
    """
    counter.shop.script("/walk.js", walk)
    body = "<script src=/walk.js></script>"
    page = counter.open(body, path="/walk", settings={"consent": consent})
    page.wait_for_function(f"() => document.title === 'Shop {clicks}'", timeout=90_000)
    page.wait_for_timeout(300)
    arrived = [
        line["id"] for line in counter.service.journal("event")
        if line["id"].startswith(f"click-{consent}-")
    ]  # fmt: skip
    assert len(arrived) == len(set(arrived))
    assert len(arrived) >= 0.99 * clicks


def test_an_event_whose_acknowledgement_was_lost_is_sent_again_and_counts_once(
    counter: Any,
) -> None:
    page = counter.open(prepare=lambda page: page.clock.install())
    answer = decide(page)
    counter.service.trouble["/events"] = "deaf"
    page.evaluate(
        "answer => offers('track', answer, 'purchase', {amount: 5, currency: 'GBP'})", answer
    )
    wait_for(page, lambda: counter.service.asked("/events"))
    page.wait_for_timeout(50)
    page.clock.fast_forward(1100)
    wait_for(page, lambda: len(counter.service.asked("/events")) >= 2)
    counter.service.trouble.clear()
    page.goto(f"{counter.url}/")  # and on the next page
    wait_for(page, lambda: len(counter.service.asked("/events")) >= 3)
    sent = [body["events"][0]["event_id"] for body in counter.service.asked("/events")]
    assert len(set(sent)) == 1
    mine = [line for line in counter.service.journal("event") if line["id"] == sent[0]]
    assert len(mine) == 1
    assert mine[0]["trusted"] is False


def test_a_page_that_closes_sends_what_still_waits(counter: Any) -> None:
    page = counter.open(settings={"consent": None}, prepare=lambda page: page.clock.install())
    answer = decide(page)
    counter.service.trouble["/"] = 500
    page.evaluate("answer => offers('shown', answer)", answer)
    page.evaluate(TRACK, [answer, "accept", {"eventId": "waits"}])
    wait_for(page, lambda: counter.service.asked("/activate"))
    page.wait_for_timeout(50)
    counter.service.trouble.clear()
    page.goto("about:blank")
    wait_for(page, lambda: "waits" in [line["id"] for line in counter.service.journal("event")])
    activated = [line["id"] for line in counter.service.journal("activation")]
    wait_for(page, lambda: answer["decision_id"] in activated)


def test_the_queue_is_bounded_and_keeps_the_newest(counter: Any) -> None:
    page = counter.open(prepare=lambda page: page.clock.install())
    answer = decide(page)
    counter.service.trouble["/events"] = 503
    page.evaluate(
        """answer => {
            for (let n = 0; n < 130; n++) offers('track', answer, 'accept', {eventId: 'n' + n});
        }""",
        answer,
    )
    stored = page.evaluate(
        "() => JSON.parse(sessionStorage.offers).queue.map(i => i.event.event_id)"
    )
    assert stored == [f"n{number}" for number in range(30, 130)]
    assert len(counter.service.asked("/events")) <= 2  # not one request for each
    counter.service.trouble.clear()
    page.clock.fast_forward(5000)
    page.wait_for_function("() => JSON.parse(sessionStorage.offers).queue.length === 0")
    arrived = {line["id"] for line in counter.service.journal("event")}
    assert set(stored) <= arrived


FOREIGN = {
    "302": (302, "", {"Location": "/maintenance"}),
    "302 to another origin": (302, "", {"Location": "https://elsewhere.invalid/"}),
    "200 html": (200, "<html>we are back soon</html>", {"Content-Type": "text/html"}),
    "200 json": (200, '{"status": "ok"}', {}),
    "202 without receipts": (202, '{"events": []}', {}),
    "202 for others": (202, '{"events": [{"event_id": "x", "status": "accepted"}]}', {}),
    "404": (404, "default backend - 404", {}),
    "403": (403, "<html>blocked</html>", {}),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_something_else_answered_is_kept_and_sent_again(counter: Any, name: str) -> None:
    page = counter.open(prepare=lambda page: page.clock.install())
    answer = decide(page)
    counter.service.trouble["/v1/"] = FOREIGN[name]
    page.evaluate(TRACK, [answer, "purchase", {"eventId": f"bought {name}", "amount": 14}])
    page.evaluate("answer => offers('shown', answer)", answer)
    wait_for(page, lambda: counter.service.asked("/events"))
    page.clock.run_for(5_000)
    wait_for(page, lambda: counter.service.asked("/activate"))
    kept = page.evaluate("() => JSON.parse(sessionStorage.offers).queue.length")
    assert kept == 2
    assert counter.service.asked("/maintenance") == []
    counter.service.trouble.clear()
    for _ in range(100):
        page.clock.run_for(60_000)
        page.wait_for_timeout(50)
        if page.evaluate("() => JSON.parse(sessionStorage.offers).queue.length === 0"):
            break
    assert f"bought {name}" in [line["id"] for line in counter.service.journal("event")]
    assert answer["decision_id"] in [line["id"] for line in counter.service.journal("activation")]


@pytest.mark.parametrize("name", ["302", "302 to another origin", "200 html", "200 json", "404"])
def test_what_something_else_answered_is_no_decision(counter: Any, name: str) -> None:
    page = counter.open()
    counter.service.trouble["/decisions"] = FOREIGN[name]
    answer = decide(page)
    assert (answer["arm"], answer["offer"], answer["reason"]) == ("nothing", None, "unavailable")


def test_what_the_service_rejected_is_not_sent_again(counter: Any) -> None:
    page = counter.open()
    forged = {"decision_id": "0" * 48}
    page.evaluate(TRACK, [forged, "accept", {"eventId": "forged"}])
    page.evaluate("forged => offers('shown', forged)", forged)
    page.wait_for_function("() => JSON.parse(sessionStorage.offers).queue.length === 0")
    assert len(counter.service.asked("/events")) == 1
    assert len(counter.service.asked("/activate")) == 1


def test_ids_and_order_numbers_may_be_numbers(counter: Any) -> None:
    page = counter.open()
    answer = decide(page, unitId=12, requestKey=8841)
    assert answer["decision_id"]
    page.evaluate(TRACK, [answer, "accept", {"eventId": 77}])
    page.wait_for_function("() => JSON.parse(sessionStorage.offers).queue.length === 0")
    assert "77" in [line["id"] for line in counter.service.journal("event")]
