from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from bandit_platform.errors import UnavailableError
from bandit_platform.journal.records import decision_line, event_line
from bandit_platform.services.collecting.mature import mature

HOLDER = "the worker of this test"


def reward(world: Any, decision: Any) -> float:
    return float(
        world.one("SELECT reward FROM interaction WHERE decision_id = :d", d=decision.decision_id)
    )


def with_reward(spec_text: str, *lines: str) -> str:
    return spec_text.replace("dismiss = -0.1", "\n".join(("dismiss = -0.1", *lines)))


def test_a_decision_matures_when_its_window_has_ended_and_not_before(world: Any, spec: Any) -> None:
    world.launch(spec)
    decision = world.measured()
    world.report(decision)  # its outcome is known at once, and still it waits
    world.ingest()
    assert world.mature(decision.expires_at - timedelta(microseconds=1)) == 0
    assert world.one("SELECT count(*) FROM interaction") == 0
    assert world.mature(decision.expires_at) == 1
    assert reward(world, decision) == 1.0
    assert world.mature(decision.expires_at) == 0
    assert world.one("SELECT count(*) FROM immature") == 0


def test_the_worker_adds_a_grace_counted_from_when_the_journal_was_drained(
    world: Any, spec: Any
) -> None:
    world.launch(spec)
    decision = world.measured()
    worker = world.worker(grace=10.0)
    world.clock.now = decision.expires_at + timedelta(seconds=9.999)
    worker.round()
    assert world.one("SELECT count(*) FROM interaction") == 0
    world.clock.now = decision.expires_at + timedelta(seconds=10)
    worker.round()
    assert world.one("SELECT count(*) FROM interaction") == 1


def test_nothing_matures_while_the_journal_is_not_drained(
    world: Any, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bandit_platform.journal.reader import read_chunk  # noqa: PLC0415 - beside its patch

    world.launch(spec)
    decision = world.measured()
    world.ingest()
    world.clock.advance(3590)
    world.traffic(20, seconds=0.5)
    world.report(decision, occurred_at=decision.decided_at)  # at the journal's end
    world.clock.advance(60)
    worker = world.worker()
    with monkeypatch.context() as patch:
        patch.setattr(
            "bandit_platform.services.collecting.ingest.read_chunk",
            lambda path, offset: read_chunk(path, offset, limit=4000),
        )
        worker.round()
        assert world.one("SELECT count(*) FROM interaction") == 0
    worker.round()
    assert reward(world, decision) == 1.0


def test_interactions_are_numbered_in_the_order_of_the_decisions(
    world: Any, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bandit_platform.services.collecting.mature._BATCH", 7)
    world.launch(spec)
    made = world.traffic(60)
    # into the tables in another order, one segment after the other
    lines = [decision_line(decision) for decision in made]
    world.server.journal.close()
    for path in world.folder.glob("*.jsonl"):
        path.unlink()
    world.server.journal.append(b"".join(lines[30:]))
    world.ingest()
    world.server.journal.append(b"".join(reversed(lines[:30])))
    assert world.settle() == 60
    numbered = [
        row.decision_id for row in world.rows("SELECT decision_id FROM interaction ORDER BY number")
    ]
    assert numbered == [decision.decision_id for decision in made]
    assert world.one("SELECT max(number) - min(number) + 1 FROM interaction") == 60


def test_the_default_reward_stands_where_nothing_happened(world: Any, spec_text: str) -> None:
    world.launch(with_reward(spec_text, "default = 0.25"))
    silent, accepted, ignored = world.measured(), world.measured(), world.measured()
    world.report(accepted, "accept")
    world.report(ignored, "impression")  # of no weight
    world.settle()
    assert reward(world, silent) == 0.25
    assert reward(world, accepted) == 1.25
    assert reward(world, ignored) == 0.25


def test_events_add_up_and_the_range_cuts_what_is_above_it(world: Any, spec: Any) -> None:
    world.launch(spec)
    several, high, low, edge = (world.measured() for _ in range(4))
    world.report(several, "accept")
    world.report(several, "dismiss")
    world.report(several, "purchase", amount=59.9, currency="GBP")
    world.report(high, "purchase", amount=10_000.0, currency="GBP")
    for _ in range(12):
        world.report(low, "dismiss")
    world.report(edge, "purchase", amount=200.0, currency="GBP")
    world.settle()
    assert reward(world, several) == pytest.approx(0.9 + 0.599)
    assert reward(world, high) == 2.0
    assert reward(world, low) == -1.0
    assert reward(world, edge) == 2.0  # exactly the range's end is no cut
    cut = {
        row.decision_id for row in world.rows("SELECT decision_id FROM interaction WHERE clipped")
    }
    assert cut == {high.decision_id, low.decision_id}
    assert world.counter("clipped") == 2


def test_late_events_are_kept_and_not_rewarded(world: Any, spec: Any) -> None:
    world.launch(spec)
    decision = world.measured()
    world.clock.advance(3601)
    world.report(decision)
    world.ingest()
    world.mature()
    assert reward(world, decision) == 0.0
    assert world.one("SELECT count(*) FROM event WHERE late") == 1


def test_events_that_need_a_secret_key_count_only_with_one(world: Any, spec_text: str) -> None:
    world.launch(spec_text + '\n[events]\nsecret_only = ["purchase"]\n')
    forged, genuine = world.measured(), world.measured()
    world.report(forged, "purchase", amount=100.0, currency="USD", trusted=False)
    world.report(forged, "accept", trusted=False)  # anybody may report this one
    world.report(genuine, "purchase", amount=100.0, currency="GBP", trusted=True)
    world.settle()
    assert reward(world, forged) == 1.0
    assert reward(world, genuine) == 1.0
    # nor does a forged amount fix the currency
    assert world.one("SELECT currency FROM experiment") == "GBP"
    assert world.counter("other_currency") == 0


def test_deferred_decisions_count_when_they_were_shown_in_time(world: Any, spec: Any) -> None:
    world.launch(spec)
    shown, unseen, too_late = (world.measured(defer_activation=True) for _ in range(3))
    for decision in (shown, unseen, too_late):
        world.report(decision)
    world.clock.now = shown.expires_at
    world.server.recorder.activate(shown.decision_id)
    world.clock.advance(0.000001)
    world.server.recorder.activate(too_late.decision_id)
    world.ingest()
    assert world.mature() == 3
    assert [row.decision_id for row in world.rows("SELECT decision_id FROM interaction")] == [
        shown.decision_id
    ]
    assert reward(world, shown) == 1.0
    assert world.counter("not_activated") == 2
    assert world.counter("interactions.policy") == 1
    assert world.one("SELECT count(*) FROM immature") == 0


def test_the_first_currency_stays_and_others_are_left_out(world: Any, spec: Any) -> None:
    world.launch(spec)
    first = world.measured()
    world.report(first, "purchase", amount=100.0, currency="GBP")
    world.clock.advance(1)
    second = world.measured()
    world.report(second, "purchase", amount=100.0, currency="USD")
    world.report(second, "accept")
    world.settle()
    assert world.one("SELECT currency FROM experiment") == "GBP"
    assert (reward(world, first), reward(world, second)) == (1.0, 1.0)
    third, unnamed = world.measured(), world.measured()
    world.report(third, "purchase", amount=100.0, currency="EUR")
    world.report(unnamed, "purchase", amount=100.0)
    world.settle()
    assert (reward(world, third), reward(world, unnamed)) == (0.0, 1.0)
    assert world.one("SELECT currency FROM experiment") == "GBP"
    assert world.counter("other_currency") == 2


def test_a_declared_currency_needs_no_first_event(world: Any, spec_text: str) -> None:
    world.launch(with_reward(spec_text, 'currency = "EUR"'))
    decision = world.measured()
    world.report(decision, "purchase", amount=100.0, currency="GBP")
    world.settle()
    assert reward(world, decision) == 0.0
    assert world.counter("other_currency") == 1
    assert world.one("SELECT currency FROM experiment") is None


def test_an_amount_of_no_weight_fixes_no_currency(world: Any, spec: Any) -> None:
    world.launch(spec)
    decision = world.measured()
    world.report(decision, "refund", amount=5.0, currency="USD")
    world.settle()
    assert world.one("SELECT currency FROM experiment") is None


def test_holdout_interactions_are_recorded_and_are_no_policy_traffic(world: Any, spec: Any) -> None:
    world.launch(spec)
    held, treated = world.held_out(), world.measured()
    world.report(held, "purchase", amount=50.0, currency="GBP")
    total = world.settle()
    assert reward(world, held) == 0.5
    in_policy = {
        row.decision_id: bool(row.policy_traffic) for row in world.rows("SELECT * FROM interaction")
    }
    assert (in_policy[held.decision_id], in_policy[treated.decision_id]) == (False, True)
    policy = world.one("SELECT count(*) FROM interaction WHERE policy_traffic")
    assert world.counter("interactions.policy") == policy
    assert world.counter("interactions.holdout") == total - policy > 0
    learned = world.learn()
    assert learned == policy
    assert world.counter("arm.nothing.count") == world.one(
        "SELECT count(*) FROM interaction i JOIN decision d ON d.decision_id = i.decision_id "
        "WHERE i.policy_traffic AND d.arm = 'nothing'"
    )


def totals(world: Any, group: str) -> tuple[float, float, float]:
    count, total, squares = (
        world.counter(f"units.{group}.{name}") for name in ("count", "total", "squares")
    )
    return count, total, squares


def test_a_unit_s_decisions_add_up_within_and_across_batches(world: Any, spec: Any) -> None:
    world.launch(spec)
    units = {"policy": "", "holdout": ""}
    for number in range(200):
        reason = world.decide(f"u{number}").reason
        units["holdout" if reason == "holdout" else "policy"] = f"u{number}"
    world.settle()
    for each in ("event", "interaction", "unit_total", "counter"):
        world.run(f"DELETE FROM {each}")  # noqa: S608 - our own names
    for group, unit in units.items():
        for rewarded in (1, 0):
            for _ in range(2):
                decision = world.decide(unit)
                for _ in range(rewarded):
                    world.report(decision, "accept")
            world.settle()
            assert totals(world, group) == pytest.approx((1, 2.0, 4.0))
        last = world.decide(unit)
        world.report(last, "purchase", amount=50.0)
        world.settle()
        assert totals(world, group) == pytest.approx((1, 2.5, 6.25))
        ((total, holdout),) = world.rows(
            "SELECT total, holdout FROM unit_total WHERE holdout = :h",
            h=group == "holdout",
        )
        assert total == pytest.approx(2.5)
        assert bool(holdout) == (group == "holdout")
    another = world.measured()
    world.report(another, "accept")
    world.settle()
    assert totals(world, "policy") == pytest.approx((2, 3.5, 7.25))
    assert totals(world, "holdout") == pytest.approx((1, 2.5, 6.25))


def test_experiments_mature_side_by_side(world: Any, spec: Any, spec_text: str) -> None:
    world.launch(spec)
    longer = spec_text.replace('window = "1h"', 'window = "2h"')
    world.launch(longer.replace("checkout-offers", "cart-offers"))
    one, two = world.measured(), world.measured(experiment="cart-offers")
    world.report(one)
    world.report(two, "dismiss")
    assert world.settle() == one_experiment(world, "checkout-offers")
    assert world.settle() == one_experiment(world, "cart-offers")
    assert (reward(world, one), reward(world, two)) == (1.0, -0.1)
    assert world.counter("interactions.policy") == 1
    assert world.counter("interactions.policy", key="cart-offers") == 1


def one_experiment(world: Any, key: str) -> int:
    return int(world.one("SELECT count(*) FROM interaction WHERE experiment = :k", k=key))


def test_events_after_a_stop_still_count(world: Any, spec: Any) -> None:
    world.launch(spec)
    decision = world.measured()
    world.change("stop")
    world.report(decision)
    world.settle()
    assert reward(world, decision) == 1.0


class CrashError(Exception):
    """The process dies here."""


def crash(*_: Any, **__: Any) -> None:
    raise CrashError


@pytest.mark.parametrize(
    "step", ["insert_interactions", "put_unit_totals", "add", "remove_immature"]
)
def test_a_crash_inside_the_transaction_changes_nothing(
    world: Any, spec: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    world.launch(spec)
    world.traffic(50)
    world.clock.advance(3600)
    world.ingest()
    waiting = world.one("SELECT count(*) FROM immature")
    world.lead()
    with monkeypatch.context() as patch:
        patch.setattr(f"bandit_platform.services.collecting.mature.{step}", crash)
        with pytest.raises(CrashError):
            world.mature()
    assert world.one("SELECT count(*) FROM immature") == waiting == 50
    for table in ("interaction", "unit_total"):
        assert world.one(f"SELECT count(*) FROM {table}") == 0  # noqa: S608 - our own names
    assert world.counter("interactions.policy") == 0
    assert world.mature() == 50
    assert world.counter("interactions.policy") + world.counter("interactions.holdout") == 50
    assert world.one("SELECT sum(total) FROM unit_total") == pytest.approx(
        world.one("SELECT sum(reward) FROM interaction")
    )


def test_only_the_leader_matures(world: Any, spec: Any) -> None:
    world.launch(spec)
    world.measured()
    world.clock.advance(3600)
    world.ingest()
    world.lead("another worker")
    with pytest.raises(UnavailableError, match="another worker leads"):
        mature(world.database, HOLDER, world.clock())
    assert world.one("SELECT count(*) FROM interaction") == 0


def test_an_event_that_meets_its_decision_s_maturity_is_rewarded_or_late(
    make_world: Any, world: Any, spec: Any, make_event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another node an event is being stored while the leader matures its decision."""
    from bandit_platform.services.collecting.ingest import find_immature  # noqa: PLC0415 - beside its patch

    leader, clock = world, world.clock
    node = make_world(world.database, clock, "another node")
    leader.launch(spec)
    decision = leader.measured()
    leader.ingest()
    node.server.journal.append(event_line(make_event(decision, received_at=decision.expires_at)))
    clock.advance(3600)
    leader.lead()
    looked, matured = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> set[str]:
        found = find_immature(*arguments)
        looked.set()
        matured.wait(1.0)  # the leader's transaction runs now, unless it must wait
        return found

    monkeypatch.setattr("bandit_platform.services.collecting.ingest.find_immature", slow)
    errors: list[BaseException] = []

    def run(step: Any) -> None:
        try:
            step()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            errors.append(error)

    def lead() -> None:
        looked.wait(10)
        mature(world.database, HOLDER, clock())
        matured.set()

    threads = [threading.Thread(target=run, args=(step,)) for step in (node.ingest, lead)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []
    late = leader.one("SELECT count(*) FROM event WHERE late")
    assert (reward(leader, decision), late) in {(1.0, 0), (0.0, 1)}
