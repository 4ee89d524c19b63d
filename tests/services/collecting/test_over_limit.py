"""Page traffic over a limit is answered as always, kept and counted, and is in no estimate."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.domain.caller import Caller
from bandit_platform.domain.decision import Decision
from bandit_platform.services.collecting.count_exclusions import recount_exclusions
from bandit_platform.services.evaluation.export import export
from bandit_platform.services.reporting.audit import audit
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.services.reporting.trace import trace
from bandit_platform.services.serving.page_limits import PageLimits
from bandit_platform.services.serving.upkeep import UpkeepWatch
from bandit_platform.storage.decision_search import Search, search_decisions
from bandit_platform.storage.exclusions import exclusions
from bandit_platform.storage.traffic import decisions_per_day
from bandit_platform.web.meter import upkeep_families

KEY = "checkout-offers"


def page(address: str = "192.0.2.1") -> Caller:
    return Caller(key_id="0123456789abcdef", trusted=False, address=address)


@pytest.fixture
def limited(world: Any, spec: Any) -> Any:
    """A running experiment with room for five decisions of an address and a minute."""
    now: datetime = world.clock()

    def seconds() -> float:
        return float((world.clock() - now).total_seconds())

    world.limits = PageLimits(unit=3, address=5, clock=seconds)
    world.launch(spec)
    return world


def flood(world: Any, number: int = 20) -> list[Decision]:
    """As many decisions at once from one address, each accepted."""
    made = [world.decide(caller=page()) for _ in range(number)]
    for each in made:
        world.report(each, "accept", trusted=False)
    return made


def policy_traffic(made: list[Decision]) -> list[Decision]:
    """Those that count and are not held out."""
    return [each for each in made if not each.over_limit and each.reason != "holdout"]


def test_the_mark_does_not_depend_on_the_draw_and_the_answer_not_on_the_mark(limited: Any) -> None:
    made = flood(limited)
    assert [each.over_limit for each in made] == [False] * 5 + [True] * 15
    assert {each.reason for each in made} <= {"uniform", "holdout"}
    assert len({each.arm for each in made if each.over_limit}) > 1
    assert all(len(each.pmf) == len(each.eligible) for each in made)


def test_one_unit_from_many_addresses_is_limited_too(limited: Any) -> None:
    made = [limited.decide("one", caller=page(f"192.0.2.{n}")) for n in range(6)]
    assert [each.over_limit for each in made] == [False] * 3 + [True] * 3


def test_traffic_with_a_secret_key_is_never_marked(limited: Any) -> None:
    server = Caller(key_id="fedcba9876543210", trusted=True, address="192.0.2.1")
    made = [limited.decide("one", caller=server) for _ in range(30)]
    assert not any(each.over_limit for each in made)


def test_a_repeated_request_key_gets_the_stored_decision_and_counts_once(limited: Any) -> None:
    made = [limited.ask("one", caller=page(), request_key="order-1") for _ in range(10)]
    assert {each.decision.decision_id for each in made} == {made[0].decision.decision_id}
    assert not limited.decide("two", caller=page()).over_limit


def test_marked_decisions_become_no_interactions(limited: Any) -> None:
    made = flood(limited)
    counted = {each.decision_id for each in made if not each.over_limit}
    limited.ingest()
    limited.settle()
    stored = limited.rows("SELECT decision_id FROM interaction")
    assert {row.decision_id for row in stored} == counted
    assert limited.one("SELECT COUNT(*) FROM immature") == 0
    units = limited.rows("SELECT unit FROM unit_total")
    assert {row.unit for row in units} == {each.unit for each in made if not each.over_limit}
    limited.learn()
    assert len(limited.recomputed_rows()) == len(policy_traffic(made))


def test_their_counts_balance(limited: Any) -> None:
    flood(limited)
    limited.ingest()
    limited.settle()
    limited.learn()
    counts = experiment_report(limited.database, KEY, limited.clock()).counts
    assert (counts.decisions, counts.over_limit, counts.immature) == (20, 15, 0)
    assert counts.by_reason["over_limit"] == 15
    assert counts.interactions + counts.holdout_interactions == 5
    assert counts.events == counts.events_by_type["accept"] == 5
    assert limited.counter("over_limit_events") == 15
    assert counts.late == 0


def test_events_that_come_before_their_marked_decision_are_set_aside_too(limited: Any) -> None:
    """Another node's journal may bring a decision after its events."""
    before = flood(limited, 5)
    limited.ingest()
    marked = limited.decide(caller=page())
    assert marked.over_limit
    limited.run("DELETE FROM counter")
    segment = next(Path(limited.folder).glob("*.jsonl"))
    held = segment.read_bytes()
    limited.report(marked, "accept", trusted=False)
    line = segment.read_bytes()[len(held) :]
    own = held.splitlines(keepends=True)[-1]
    segment.write_bytes(held[: -len(own)] + line + own)
    limited.ingest()
    assert limited.counter("over_limit_events") == 1
    assert limited.counter("events.accept") == 0
    assert before


def test_they_count_for_no_arm_and_the_recount_agrees(limited: Any) -> None:
    flood(limited)
    limited.ingest()
    with limited.database.read() as connection:
        kept = exclusions(connection, KEY)
    shown = sum(number for place, number in kept.items() if place.fate == "shown")
    decided = {place.why: number for place, number in kept.items() if place.fate == "decided"}
    assert decided["over_limit"] == 15
    assert shown == decided.get("uniform", 0)
    assert recount_exclusions(limited.database, KEY) == kept


def test_the_audit_recomputes_them_and_takes_the_mark_as_given(limited: Any) -> None:
    flood(limited)
    limited.ingest()
    found = audit(limited.database, limited.secret, KEY)
    assert (found.checked, found.mismatches) == (20, ())


def test_plans_and_exports_leave_them_out(limited: Any, tmp_path: Path) -> None:
    made = flood(limited)
    limited.ingest()
    with limited.database.read() as connection:
        assert decisions_per_day(connection, KEY, limited.clock()) == 5
    limited.settle()
    limited.learn()
    out = tmp_path / "log.csv"
    list(export(limited.database, KEY, out, "csv"))
    assert len(out.read_text().splitlines()) - 1 == len(policy_traffic(made))


def test_the_trace_says_that_a_decision_was_over_the_limit(limited: Any) -> None:
    made = flood(limited)
    limited.ingest()
    told = trace(limited.database, KEY, made[-1].decision_id)
    assert (told["status"], told["over_limit"], told["trusted"]) == ("over limit", True, False)
    assert told["key_id"] == "0123456789abcdef"
    assert told["address"] == made[-1].address
    assert told["reward"] is None


def test_a_search_finds_them_alone(limited: Any) -> None:
    made = flood(limited)
    limited.ingest()
    with limited.database.read() as connection:
        search = Search(experiment=KEY, reason="over_limit")
        found = search_decisions(connection, search, after=None, limit=50).decisions
    marked = {each.decision_id for each in made if each.over_limit}
    assert {each.decision_id for each in found} == marked


def test_the_metrics_count_them_by_experiment(limited: Any) -> None:
    flood(limited)
    limited.ingest()
    watch = UpkeepWatch(limited.database, limited.folder, limited.clock)
    watch.refresh()
    families = {each.name: each for each in upkeep_families(watch.look(), None)}
    (sample,) = families["bandit_platform_over_limit_decisions"].samples
    assert (sample.labels, sample.value) == ({"experiment": KEY}, 15)
