from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.storage.exclusions import Place
from dashboards.decisions.asker import asked_by
from dashboards.decisions.decision_list import fates
from dashboards.decisions.trace_story import story


def told(**changed: Any) -> dict[str, Any]:
    """What a trace tells of a decision by the model that showed nothing."""
    return {
        "decision_id": "ab" * 24,
        "experiment": "checkout-offers",
        "revision": 1,
        "unit": "c" * 32,
        "decided_at": "2026-11-22T10:00:00+00:00",
        "expires_at": "2026-11-22T11:00:00+00:00",
        "context": {"cart_value": 20.0, "returning": False},
        "reason": "policy",
        "eligible": ["nothing", "insurance"],
        "excluded": {
            "upgrade": {
                "code": "condition",
                "field": "cart_value",
                "operator": "gte",
                "limit": 50.0,
            }
        },
        "pmf": {"nothing": 0.25, "insurance": 0.75},
        "seed": "00ff00ff00ff00ff",
        "draw": 0.004,
        "drawn": "nothing",
        "model_version": 3,
        "arm": "nothing",
        "propensity": 0.25,
        "deferred": False,
        "key_id": "0123456789abcdef",
        "key_label": "shop",
        "trusted": True,
        "address": "00112233aabbccdd",
        "over_limit": False,
        "arms": ["nothing", "upgrade", "insurance"],
        "activated_at": None,
        "events": [],
        "status": "matured",
        "interaction": 4,
        "reward": 0.0,
        "clipped": False,
        "reward_default": 0.0,
        "reward_range": [-1.0, 2.0],
        "disputed": None,
        "checked": {"agrees": True, "what": None},
        **changed,
    }


def event(kind: str, adds: float | None, **changed: Any) -> dict[str, Any]:
    return {
        "event_id": f"{kind}-1",
        "type": kind,
        "amount": None,
        "currency": None,
        "occurred_at": "2026-11-22T10:10:00+00:00",
        "received_at": "2026-11-22T10:10:00+00:00",
        "trusted": True,
        "late": False,
        "late_because": None,
        "adds": adds,
        "why": "its weight",
        **changed,
    }


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "drawn with probability 0.250 among 2 answers"),
        ({"arm": "insurance", "propensity": 0.75}, "insurance was shown"),
        ({"reason": "holdout", "eligible": ["nothing"]}, "in the holdout"),
        ({"reason": "paused"}, "was paused"),
        ({"reason": "fallback"}, "something failed"),
        ({"eligible": ["nothing"], "pmf": {"nothing": 1.0}}, "no arm was eligible"),
    ],
)
def test_the_headline_answers_the_question(changed: dict[str, Any], words: str) -> None:
    assert words in story(told(**changed), "UTC").headline


def test_an_arm_that_was_out_names_the_condition_and_the_value() -> None:
    lines = {line.arm: line for line in story(told(), "UTC").arms}
    assert lines["upgrade"].why == "cart_value must be at least 50; it was 20"
    assert not lines["upgrade"].eligible
    assert (lines["nothing"].left, lines["nothing"].width) == (0.0, 25.0)
    assert (lines["insurance"].left, lines["insurance"].width) == (25.0, 75.0)
    assert lines["nothing"].drawn


def test_arms_of_a_decision_without_a_choice_are_out_for_its_reason() -> None:
    paused = told(reason="paused", excluded={}, eligible=["nothing"], pmf={"nothing": 1.0})
    lines = {line.arm: line.why for line in story(paused, "UTC").arms}
    assert lines["upgrade"] == lines["insurance"] == "the experiment was paused"


def test_the_reward_is_told_as_a_sum_and_its_cut() -> None:
    events = [
        event("accept", 1.0),
        event("purchase", 4.0, amount=400.0, currency="GBP"),
        event("impression", None, why="has no weight in the reward"),
        event("complaint", None, late=True, trusted=False, why="late"),
        event("dismiss", None, late=True, late_because="arrived_late", why="late"),
    ]
    made = story(told(events=events, reward=2.0, clipped=True), "Europe/London")
    assert made.sum == (
        "0 (default) +1 (accept) +4 (purchase) = 5, cut to 2 by the declared range -1 to 2"
    )
    assert made.events[1].amount == "400.00 GBP"
    assert made.events[3].flags == ("late", "untrusted")
    assert made.events[4].flags == ("arrived late",)
    assert made.events[2].adds == "adds nothing"


def test_a_decision_that_does_not_follow_says_what_differs() -> None:
    made = story(told(checked={"agrees": False, "what": "the seed draws another arm"}), "UTC")
    assert (made.agrees, made.mismatch) == (False, "the seed draws another arm")
    assert story(told(checked=None), "UTC").agrees is None


def test_fates_add_revisions_up_and_share_out_the_reasons() -> None:
    counts = {
        Place("k", 1, "", "decided", "policy"): 60,
        Place("k", 2, "", "decided", "uniform"): 20,
        Place("k", 2, "", "decided", "holdout"): 20,
        Place("k", 1, "upgrade", "eligible", ""): 40,
        Place("k", 1, "upgrade", "shown", ""): 10,
        Place("k", 1, "upgrade", "out", '{"code": "excluded_by_request"}'): 20,
        Place("k", 2, "upgrade", "out", '{"code": "excluded_by_request"}'): 20,
    }
    found = fates(counts, ("nothing", "upgrade"))
    assert (found.all, found.compared) == (100, 80)
    assert [(one.why, one.decisions) for one in found.without] == [("holdout", 20)]
    (upgrade,) = found.arms
    assert (upgrade.decisions, upgrade.eligible, upgrade.shown) == (80, 40, 10)
    assert [(one.why, one.decisions) for one in upgrade.out] == [("excluded by the request", 40)]
    assert (upgrade.eligible_width, upgrade.shown_width) == (50.0, 12.5)


def test_an_arm_that_ended_says_when_in_the_time_zone() -> None:
    counts = {
        Place(
            "k", 1, "upgrade", "out", '{"code": "ended", "moment": "2026-07-01T10:00:00+00:00"}'
        ): 1
    }
    (upgrade,) = fates(counts, ("upgrade",), "Europe/London").arms
    assert [one.why for one in upgrade.out] == ["it ended on 1 Jul 2026, 11:00 BST"]


def test_many_reasons_are_added_up() -> None:
    counts = {
        Place("k", 1, "upgrade", "out", f'{{"code": "condition", "field": "field_{n:02}"}}'): 1
        for n in range(30)
    }
    (upgrade,) = fates(counts, ("upgrade",)).arms
    assert [one.decisions for one in upgrade.out] == [1] * 8 + [22]


def test_the_story_says_which_key_asked_and_whether_it_is_trusted() -> None:
    assert story(told(), "UTC").asked_by == (
        "Requested with the secret key 0123456789abcdef (shop), trusted. "
        "Address (pseudonym): 00112233aabbccdd."
    )
    page = story(told(trusted=False, key_label="", over_limit=True, status="over limit"), "UTC")
    assert page.asked_by.startswith(
        "Requested with the publishable key 0123456789abcdef, untrusted"
    )
    assert "left out of every estimate" in page.status
    assert story(told(key_id=None), "UTC").asked_by == "No key is recorded for this decision."


def test_a_found_decision_names_its_asker() -> None:
    assert asked_by("k", "shop", trusted=True) == "server, shop"
    assert asked_by("k", "", trusted=False) == "page, k"
    assert asked_by(None, "", trusted=True) == "unknown key"


def test_a_dispute_that_was_noticed_after_maturity_is_told_as_such() -> None:
    assert "still in the estimates" in story(told(status="disputed late"), "UTC").status
    assert "in no estimate" in story(told(status="disputed"), "UTC").status


def test_a_cart_is_listed_and_so_is_what_it_kept_away() -> None:
    cart = {"cart_skus": ["MUG-1", "PEN-2"], "brands": []}
    excluded = {
        "upgrade": {"code": "in_cart", "field": "cart_skus"},
        "insurance": {
            "code": "condition",
            "field": "cart_skus",
            "operator": "contains_none",
            "limit": ["PEN-2"],
        },
    }
    found = story(
        told(context=cart, excluded=excluded, eligible=["nothing"], pmf={"nothing": 1.0}), "UTC"
    )
    assert found.context == (("cart_skus", "MUG-1, PEN-2"), ("brands", "an empty set"))
    lines = {line.arm: line.why for line in found.arms}
    assert lines["upgrade"] == "cart_skus already holds its SKU"
    assert lines["insurance"] == "cart_skus must contain none of PEN-2; it was MUG-1, PEN-2"
