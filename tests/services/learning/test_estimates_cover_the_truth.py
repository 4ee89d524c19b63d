"""From a shop's questions to the report's intervals, with shoppers whose truth is known."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.storage.database import Database
from tests.conftest import FakeClock
from tests.services.conftest import World

KEY = "known-shoppers"
SPEC = """
key = "known-shoppers"
placement = "checkout"

[context]
returning = { type = "boolean", required = true }
cart_value = { type = "number", required = true }

[[arms]]
key = "upgrade"
when = { cart_value = { gte = 50 } }

[[arms]]
key = "insurance"

[reward]
window = "1h"
range = [0.0, 1.0]
accept = 1.0

[policy]
floor = 0.2
publish_every = "1s"

[[candidates]]
name = "greedier"
exploration = "epsilon_greedy"
floor = 0.05

[holdout]
share = 0.1
"""
#: (returning, arm) → probability that the shopper accepts, or buys without an offer
ACCEPTS = {
    (True, "nothing"): 0.30,
    (True, "upgrade"): 0.10,
    (True, "insurance"): 0.60,
    (False, "nothing"): 0.10,
    (False, "upgrade"): 0.50,
    (False, "insurance"): 0.05,
}
DECISIONS = 4000


@dataclass
class Shop:
    """A deployment after some thousand shoppers."""

    world: World
    decisions: dict[str, Any]
    report: Any


def value(decision: Any, arm: str) -> float:
    return ACCEPTS[bool(decision.context["returning"]), arm]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, secret: bytes) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with closing(Database(f"sqlite:///{folder / 'shop.sqlite3'}")) as database:
        database.migrate()
        world = World(database, folder, secret, FakeClock())
        yield visited(world)
        world.close()


def visited(lite: World) -> Shop:
    """After some thousand visits."""
    lite.launch(parse_toml(SPEC))
    rng = random.Random(20)
    decisions = {}
    learner = lite.learner()
    for number in range(DECISIONS):
        lite.clock.advance(10)
        context = {"returning": rng.random() < 0.5, "cart_value": rng.choice([30.0, 80.0])}
        # a request key makes the draw, and with it this test, the same in every run
        decision = lite.decide(
            f"unit-{number}", context=context, request_key=f"visit-{number}", experiment=KEY
        )
        decisions[decision.decision_id] = decision
        if rng.random() < value(decision, decision.arm):
            lite.report(decision, "accept")
        if number % 250 == 249:
            lite.ingest()
            lite.mature(lite.clock.now - timedelta(seconds=1))
            lite.learn(learner, KEY)
    return Shop(
        world=lite,
        decisions=decisions,
        report=experiment_report(lite.database, KEY, lite.clock.now),
    )


def truths(shop: Shop) -> dict[str, np.ndarray]:
    """For every policy its true value at each interaction, in the order they were learned in."""
    found: dict[str, list[float]] = {}
    for row in shop.world.recomputed_rows(KEY):
        decision = shop.decisions[row.decision_id]
        by_arm = [value(decision, arm) for arm in row.eligible]
        for name, pmf in row.policies.items():
            found.setdefault(name, []).append(float(np.dot(pmf, by_arm)))
    return {name: np.array(values) for name, values in found.items()}


def test_every_interval_covers_and_says_something(shop: Shop) -> None:
    report, true = shop.report, truths(shop)
    rows = {row.name: row for row in report.policies}
    assert set(rows) == set(true)
    assert {d.reason for d in shop.decisions.values()} == {"uniform", "policy", "holdout"}
    for name, row in rows.items():
        expected = true[name]
        assert len(expected) == report.counts.interactions
        assert row.value.interval == "confidence-sequence"
        assert row.value.lower <= expected[-row.value.n :].mean() <= row.value.upper, name
        assert row.value.upper - row.value.lower < 0.5, name
        uplift = (expected - true["always:nothing"])[-row.uplift.n :].mean()
        assert row.uplift.lower <= uplift <= row.uplift.upper, name
        assert row.snips.value == pytest.approx(expected.mean(), abs=0.06), name
        assert row.mean_weight == pytest.approx(1.0, abs=0.15), name
    # what the shop wants to know is found out: the served policy is better than nothing
    assert rows["logging"].uplift.lower > 0
    assert rows["serving"].value.lower > rows["always:nothing"].value.upper
    assert true["serving"][-500:].mean() > true["uniform"].mean() + 0.1


def test_the_randomised_holdout_covers_the_truth_too(shop: Shop) -> None:
    report = shop.report
    matured = {row.decision_id for row in shop.world.rows("SELECT decision_id FROM interaction")}
    treated = [
        sum(p * value(d, arm) for arm, p in zip(d.eligible, d.pmf, strict=True))
        for d in shop.decisions.values()
        if d.reason != "holdout" and d.decision_id in matured
    ]
    everyone = [value(d, "nothing") for d in shop.decisions.values()]
    assert report.units == len(treated)
    assert report.holdout_units == report.counts.holdout_interactions > 300
    uplift = np.mean(treated) - np.mean(everyone)
    assert report.programme.lower <= uplift <= report.programme.upper
    assert report.programme.value == pytest.approx(uplift, abs=0.06)


def test_what_has_not_matured_is_in_no_estimate(shop: Shop) -> None:
    world, report = shop.world, shop.report
    counts = report.counts
    assert counts.immature == 361  # one every ten seconds for an hour and a second of grace
    assert counts.interactions + counts.holdout_interactions + counts.immature == DECISIONS
    mean = world.one("SELECT avg(reward) FROM interaction WHERE policy_traffic")
    logging = next(row for row in report.policies if row.name == "logging")
    assert logging.snips.value == pytest.approx(mean, abs=1e-12)
    # and had they been taken for zero, the estimate would have been another
    waiting = world.one(
        "SELECT count(*) FROM immature i JOIN decision d ON d.decision_id = i.decision_id "
        "WHERE d.reason <> 'holdout'"
    )
    diluted = mean * counts.interactions / (counts.interactions + waiting)
    assert abs(logging.snips.value - diluted) > 0.02
    # nor did any outcome jump the queue
    youngest = world.one(
        "SELECT max(d.expires_at) FROM interaction i JOIN decision d "
        "ON d.decision_id = i.decision_id"
    )
    assert youngest <= world.clock.now.timestamp() * 1e6
