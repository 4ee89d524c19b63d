"""Looking decisions up in the console, and the story of one."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bandit_platform.bootstrap import build_worker
from bandit_platform.domain.access import Role
from bandit_platform.domain.identity import pseudonym
from bandit_platform.settings import load_secret
from tests.web.both_ports import CONTEXT, SHOP, Site

KEY = "checkout-offers"
HERE = f"/experiments/{KEY}/decisions"
NASTY = '<script>alert(1)</script>"><b>'


def rows(text: str) -> list[str]:
    return re.findall(r'data-decision="(\w+)"', text)


@pytest.fixture
def stored(running: Any) -> Any:
    """A deployment with sixty stored decisions, a second apart, the first one with an order."""
    for number in range(60):
        context = {"cart_value": 20.0 + number, "country": NASTY if number == 0 else "GB"}
        running.decide(
            unit_id=f"shopper-{number % 50}",
            context=context,
            **({"request_key": "order-8841"} if number == 0 else {}),
        )
        running.clock.advance(1)
    build_worker(running.settings, running.clock).round()
    return running


def test_pages_of_decisions_newest_first(stored: Any, console_as: Any) -> None:
    client = console_as(Role.ANALYST)
    first = client.get(HERE).text
    assert len(rows(first)) == 50
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following is not None
    second = client.get(following[1].replace("&amp;", "&")).text
    assert len(rows(second)) == 10
    assert len({*rows(first), *rows(second)}) == 60
    assert 'rel="next"' not in second
    moments = re.findall(r'<a href="[^"]+"><time datetime="([^"]+)"', first)
    assert moments == sorted(moments, reverse=True)


def test_narrowed_to_time_arm_and_reason(stored: Any, console_as: Any) -> None:
    client = console_as(Role.ANALYST)
    # the first decision is at 10:00:00.123456 UTC
    within = client.get(HERE, query_string={"since": "2026-11-22T10:00:10",
                                            "until": "2026-11-22T10:00:20"}).text  # fmt: skip
    assert len(rows(within)) == 10
    by_arm = [len(rows(client.get(f"{HERE}?arm={arm}").text))
              for arm in ("nothing", "upgrade", "insurance")]  # fmt: skip
    assert sum(by_arm) == 60
    assert len(rows(client.get(f"{HERE}?reason=paused").text)) == 0
    assert "No decision fits." in client.get(f"{HERE}?reason=paused").text
    wrong = client.get(HERE, query_string={"since": "yesterday", "after": NASTY, "arm": NASTY})
    assert wrong.status_code == 200
    assert "not a moment" in wrong.text
    assert "<b>" not in wrong.text
    assert "<script>alert" not in wrong.text
    turned = client.get(f"{HERE}?since=2026-11-23T00:00&until=2026-11-22T00:00").text
    assert "the period ends before it begins" in turned
    assert "the period ends before it begins" not in within


def test_a_shopper_is_found_without_standing_in_an_address(stored: Any, console_as: Any) -> None:
    client = console_as(Role.ANALYST)
    answer = client.post(HERE, data={"unit_id": "shopper-3"})
    assert answer.status_code == 303
    hashed = pseudonym(load_secret(stored.settings), "shopper-3")
    assert answer.location.endswith(f"?unit={hashed}")
    assert "shopper-3" not in answer.location
    found = client.get(answer.location).text
    assert len(rows(found)) == 2
    assert "shopper-3" not in found
    assert len(rows(client.get(HERE, query_string={"unit": NASTY}).text)) == 0


def test_an_order_leads_to_its_decision(stored: Any, console_as: Any) -> None:
    client = console_as(Role.ANALYST)
    answer = client.post(HERE, data={"request_key": "order-8841"})
    assert answer.status_code == 303
    assert "order" not in answer.location
    story = client.get(answer.location)
    assert story.status_code == 200
    assert "/decisions/" in answer.location
    missing = client.post(HERE, data={"request_key": "order-1"})
    assert missing.location.endswith("?missing=order")
    assert "No decision is stored under this request key" in client.get(missing.location).text


def test_an_order_that_several_shoppers_opened_leads_to_a_list(site: Site) -> None:
    def ask(key: str, unit: str) -> None:
        answer = site.shop.test_client().post(
            "/v1/experiments/checkout-offers/decisions",
            json={"unit_id": unit, "context": CONTEXT, "request_key": "order-1"},
            headers={"Authorization": f"Bearer {site.keys[key]}", "Origin": SHOP},
        )
        assert answer.status_code == 201

    ask("publishable", "laptop")
    ask("publishable", "phone")
    site.serving.journal.close()
    build_worker(site.settings, site.clock).round()
    client = site.console.test_client()
    headers = {"Authorization": f"Bearer {site.keys['analyst']}"}
    answer = client.post(HERE, data={"request_key": "order-1"}, headers=headers)
    assert "order-1" not in answer.location
    found = client.get(answer.location, headers=headers).text
    assert len(rows(found)) == 2
    assert "Only decisions with this request key" in found


def test_an_id_leads_to_its_decision_or_says_that_there_is_none(
    stored: Any, console_as: Any
) -> None:
    client = console_as(Role.ANALYST)
    decision_id = rows(client.get(HERE).text)[0]
    found = client.post(HERE, data={"decision_id": f" {decision_id} "})
    assert found.location.endswith(f"/decisions/{decision_id}")
    for unknown in ("0" * 48, NASTY, ""):
        answer = client.post(HERE, data={"decision_id": unknown})
        assert answer.location.endswith("?missing=decision")
    assert client.get(f"{HERE}/{'0' * 48}").status_code == 404
    assert client.get("/experiments/none/decisions").status_code == 404
    assert client.post("/experiments/none/decisions", data={"unit_id": "x"}).status_code == 404


def test_the_story_escapes_what_shoppers_sent_and_is_checked(stored: Any, console_as: Any) -> None:
    client = console_as(Role.ANALYST)
    decision_id = rows(client.get(f"{HERE}?until=2026-11-22T10:00:01").text)[-1]
    event = {"event_id": NASTY, "decision_id": decision_id, "type": "accept"}
    stored.events(event)
    build_worker(stored.settings, stored.clock).round()
    text = client.get(f"{HERE}/{decision_id}").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "Checked: recomputed from what is stored" in text
    assert "cart_value must be at least 50; it was 20" in text or "in the holdout" in text


def test_why_arms_fell_out_stands_below(stored: Any, console_as: Any) -> None:
    text = console_as(Role.ANALYST).get(HERE).text
    assert "Over 60 decisions of every revision" in text
    assert re.search(r"cart_value must be at least 50: \d+ \(", text)


def test_only_those_who_analyse_see_decisions(stored: Any, console_as: Any) -> None:
    decision_id = rows(console_as(Role.ANALYST).get(HERE).text)[0]
    viewer = console_as(Role.VIEWER)
    assert viewer.get(HERE).status_code == 403
    assert viewer.get(f"{HERE}/{decision_id}").status_code == 403
    assert viewer.post(HERE, data={"unit_id": "shopper-3"}).status_code == 403
    assert console_as(None).get(HERE).status_code == 303


def test_an_experiment_without_decisions_says_so(running: Any, console_as: Any) -> None:
    text = console_as(Role.ANALYST).get(HERE).text
    assert "No decision has been stored yet." in text
    assert "Why arms fell out" not in text


def test_the_quality_page_is_for_everyone_who_may_look(stored: Any, console_as: Any) -> None:
    answer = console_as(Role.VIEWER).get("/quality")
    assert answer.status_code == 200
    assert 'data-experiment="checkout-offers"' in answer.text
    assert re.search(r'data-check="audit".*?data-state="fine"', answer.text, re.DOTALL)
    assert re.search(r'data-check="worker".*?data-state="fine"', answer.text, re.DOTALL)
    assert console_as(None).get("/quality").status_code == 303


def test_a_restricted_key_sees_no_quality_of_other_experiments(stored: Any) -> None:
    key = stored.platform.keys.create(role=Role.VIEWER, experiments=("another",)).text
    headers = {"Authorization": f"Bearer {key}"}
    assert stored.console.test_client().get("/quality", headers=headers).status_code == 403


def test_what_happened_is_in_the_report_over_http(stored: Any) -> None:
    assert stored.get(f"/v1/experiments/{KEY}/report").json["happened"] is None
    stored.clock.advance(7200)
    worker = build_worker(stored.settings, stored.clock)
    for _ in range(3):
        worker.round()
    told = stored.get(f"/v1/experiments/{KEY}/report").json["happened"]
    assert told["funnel"][0]["offers"] == told["interactions"] > 0
    assert told["restraint"]["offers"] == told["funnel"][1]["offers"]


def test_an_unknown_decision_does_not_make_its_experiment_unknown(
    running: Any, console_as: Any
) -> None:
    client = console_as(Role.ANALYST)
    answer = client.get(f"/experiments/{KEY}/decisions/{'0' * 48}")
    assert answer.status_code == 404
    assert "There is no such decision in the database" in answer.text
    assert f'href="/experiments/{KEY}"' in answer.text
    assert "There is no experiment" in client.get(f"/experiments/x/decisions/{'0' * 48}").text
