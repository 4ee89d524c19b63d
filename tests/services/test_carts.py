"""A shop sends its cart: from the file over decisions, exclusions and learning to evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.domain.exclusion import Exclusion, ExclusionCode
from bandit_platform.domain.selection import parse_selection
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.errors import ConflictError, InputError
from bandit_platform.ope.evaluating.plan import Options
from bandit_platform.services.evaluation.evaluate import EvaluationRequest, evaluate_log
from bandit_platform.services.evaluation.evaluate_live import evaluate_live
from bandit_platform.services.evaluation.export import export
from bandit_platform.services.evaluation.log_writers import Kind
from bandit_platform.services.reporting.audit import audit
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.services.reporting.trace import trace

KEY = "upsells"
SPEC = """
key = "upsells"
placement = "cart"

[context]
cart_skus = { type = "set" }
device = { type = "category" }

[[arms]]
key = "mug"
sku = "MUG-1"
not_if_in = "cart_skus"

[[arms]]
key = "filters"
when = { cart_skus = { contains_any = ["V60", "AEROPRESS"] } }

[reward]
window = "1h"
range = [0.0, 1.0]
accept = 1.0

[policy]
floor = 0.2
publish_every = "1s"

[holdout]
share = 0.1

[report]
segments = [{ cart_skus = ["V60", "MUG-1"] }]
"""
CARTS = (
    ["V60", "BEANS"],
    ["MUG-1"],
    [],
    ["AEROPRESS", "V60", "MUG-1", "V60"],
    ["=1+1", 'a "quoted", b', "x|y:z\n"],
)


@pytest.fixture
def shop(lite: Any) -> Any:
    lite.launch(SPEC)
    for _round in range(2):
        for number in range(200):
            lite.clock.advance(1.0)
            cart = CARTS[number % len(CARTS)]
            context = {"device": "mobile"} if number % 11 == 0 else {"cart_skus": cart}
            decision = lite.decide(experiment=KEY, context=context)
            likes = "filters" if "V60" in cart else "mug"
            if decision.arm == likes:
                lite.report(decision)
        lite.settle()
        lite.learn(key=KEY)
    return lite


def ask(world: Any, cart: list[str], **query: Any) -> Any:
    return world.ask(experiment=KEY, context={"cart_skus": cart}, **query)


def test_what_is_in_the_cart_is_not_offered_and_the_trace_says_so(shop: Any) -> None:
    while True:
        decision = ask(shop, ["MUG-1", "BEANS"]).decision
        if decision.reason == "policy":
            break
    assert decision.context == {"cart_skus": ("BEANS", "MUG-1")}
    assert decision.eligible == ("nothing",)
    assert decision.excluded == {
        "mug": Exclusion(code=ExclusionCode.IN_CART, field="cart_skus"),
        "filters": Exclusion(
            code=ExclusionCode.CONDITION,
            field="cart_skus",
            operator="contains_any",
            limit=("V60", "AEROPRESS"),
        ),
    }
    shop.ingest()
    story = trace(shop.database, KEY, decision.decision_id)
    assert json.loads(json.dumps(story))["context"] == {"cart_skus": ["BEANS", "MUG-1"]}
    assert "in_cart" in json.dumps(story)


def test_a_cart_in_another_order_is_the_same_request(shop: Any) -> None:
    first = ask(shop, ["V60", "BEANS"], request_key="cart-1", unit="u1")
    again = ask(shop, ["BEANS", "V60", "BEANS"], request_key="cart-1", unit="u1")
    assert (first.new, again.new) == (True, False)
    assert again.decision == first.decision
    shop.ingest()
    elsewhere = ask(
        shop, ["BEANS", "V60"], request_key="cart-1", unit="u1", server=shop.new_server()
    )
    assert (elsewhere.new, elsewhere.decision) == (False, first.decision)
    with pytest.raises(ConflictError):
        ask(shop, ["V60"], request_key="cart-1", unit="u1")


def test_the_model_learns_from_carts_and_every_decision_can_be_recomputed(shop: Any) -> None:
    assert shop.one("SELECT max(version) FROM model_version") >= 1
    for cart in CARTS:
        ask(shop, cart)
    shop.ingest()
    found = audit(shop.database, shop.secret, KEY)
    assert found.mismatches == ()
    assert shop.counter("unusable", KEY) == 0


def test_segments_of_a_cart_are_what_it_contains(shop: Any) -> None:
    report = experiment_report(shop.database, KEY, shop.clock(), whole=True)
    (field,) = [each for each in report.segments if each.field == "cart_skus"]
    counts = {row.segment: row.n for row in field.rows if row.policy == "serving"}
    assert set(counts) == {"contains V60", "contains MUG-1", "none of these", "not given"}
    stored = shop.rows(
        "SELECT context FROM decision JOIN interaction USING (decision_id) WHERE policy_traffic"
    )
    contexts = [json.loads(row.context) for row in stored]
    carts = [context.get("cart_skus") for context in contexts]
    assert counts == {
        "contains V60": sum("V60" in (cart or ()) for cart in carts),
        "contains MUG-1": sum("MUG-1" in (cart or ()) for cart in carts),
        "none of these": sum(
            cart is not None and not {"V60", "MUG-1"} & set(cart) for cart in carts
        ),
        "not given": sum(cart is None for cart in carts),
    }


@pytest.mark.parametrize("name", ["log.parquet", "log.csv", "log.csv.gz", "log.json"])
def test_an_exported_cart_reads_back_and_is_valued(shop: Any, tmp_path: Path, name: str) -> None:
    kind = {"parquet": "parquet", "json": "dsjson"}.get(name.rpartition(".")[2], "csv")
    out = tmp_path / name
    rows = list(export(shop.database, KEY, out, Kind(kind)))[-1]
    policies = ("logging", "always:mug", "learn:squarecb")
    by = ("context.cart_skus=V60",)
    found = evaluate_log(
        EvaluationRequest(
            log=out, policies=policies, reward_range=(0.0, 1.0), estimators=("snips", "dr"), by=by
        )
    )
    spec = parse_toml(SPEC)
    options = Options(baseline=None, alpha=0.05, estimators=("snips", "dr"), by=by)
    live = evaluate_live(
        shop.database, KEY, policies, options, selection=parse_selection(spec.context, "UTC")
    )
    assert found.n == live.n == rows
    segments = {each.level: each.value.n for each in found.policies[0].segments}
    assert segments == {each.level: each.value.n for each in live.policies[0].segments}
    assert {"contains V60", "does not contain V60", "missing"} == set(segments)
    for ours, theirs in zip(found.policies, live.policies, strict=True):
        for estimator, estimate in ours.estimates.items():
            assert estimate.value == pytest.approx(theirs.estimates[estimator].value, rel=1e-6)


def test_a_question_may_be_about_carts_that_hold_a_value(shop: Any) -> None:
    spec = parse_toml(SPEC)
    options = Options(baseline=None, alpha=0.05, estimators=("snips",))
    chosen = parse_selection(spec.context, "UTC", where=["cart_skus=V60"])
    found = evaluate_live(shop.database, KEY, ("logging",), options, selection=chosen)
    stored = shop.rows(
        "SELECT context FROM decision JOIN interaction USING (decision_id) WHERE policy_traffic"
    )
    assert found.n == sum("V60" in json.loads(row.context).get("cart_skus", []) for row in stored)
    with pytest.raises(InputError, match="name a value to cut by"):
        evaluate_live(
            shop.database,
            KEY,
            ("logging",),
            Options(baseline=None, alpha=0.05, estimators=("snips",), by=("context.cart_skus",)),
            selection=parse_selection(spec.context, "UTC"),
        )
