"""A run is over when everything has settled, and then every count must agree."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from bandit_platform.services.reporting.report_records import Counts
from bandit_platform.simulation.settling import reconcile, settle
from bandit_platform.simulation.tally import Tally

DONE = Counts(
    decisions=100,
    by_reason={"policy": 80, "uniform": 5, "holdout": 10, "fallback": 5},
    immature=0,
    interactions=70,
    holdout_interactions=10,
    not_activated=15,
    learned=70,
    events=40,
    events_by_type={"visit": 40},
    late=0,
    orphan=0,
    clipped=0,
    other_currency=0,
)
SENT = Tally(
    decisions_sent=100,
    decisions_acknowledged=100,
    decisions_new=100,
    events_sent=40,
    events_accepted=40,
)


def _settle(states: list[Counts], told: list[int]) -> tuple[Counts, int]:
    looks = 0

    def read() -> Iterator[Counts]:
        nonlocal looks
        for state in states:
            looks += 1
            yield state
        while True:
            looks += 1
            yield states[-1]

    reader = read()
    counts = settle(
        lambda: next(reader),
        decisions=100,
        events=40,
        learns=True,
        progress=told.append,
        check=lambda: None,
        patience=0.6,
    )
    return counts, looks


def test_waiting_ends_when_all_is_stored_mature_and_learned() -> None:
    states = [
        replace(DONE, decisions=60, by_reason={"policy": 60}, learned=0, interactions=0, events=0),
        replace(DONE, immature=30, interactions=40, learned=40),
        replace(DONE, learned=69),
        DONE,
    ]
    told: list[int] = []
    assert _settle(states, told) == (DONE, 4)
    assert told[-1] == 100
    assert told == sorted(told)


def test_waiting_gives_up_when_nothing_moves() -> None:
    stuck = replace(DONE, learned=12)
    told: list[int] = []
    counts, _ = _settle([stuck], told)
    assert counts == stuck


def test_agreeing_counts_reconcile() -> None:
    assert all(check.ok for check in reconcile(SENT, DONE, visits=100, learns=True))


def test_every_disagreement_is_found() -> None:
    cases = [
        (replace(SENT, decisions_sent=99, decisions_acknowledged=99), DONE),
        (replace(SENT, decisions_acknowledged=99), DONE),
        (replace(SENT, activations_sent=2, activations_acknowledged=1), DONE),
        (replace(SENT, events_accepted=39, events_rejected=1), DONE),
        (SENT, replace(DONE, decisions=99)),
        (SENT, replace(DONE, interactions=69, learned=69)),
        (SENT, replace(DONE, interactions=69, learned=69, immature=1)),
        (SENT, replace(DONE, events=41)),
        (SENT, replace(DONE, orphan=1)),
        (SENT, replace(DONE, learned=71)),
    ]
    for tally, counts in cases:
        assert not all(check.ok for check in reconcile(tally, counts, visits=100, learns=True))
    failed = replace(SENT, failures=Counter({"decision: 500": 1}))
    assert not all(check.ok for check in reconcile(failed, DONE, visits=100, learns=True))


def test_a_policy_that_does_not_learn_owes_no_learning() -> None:
    idle = replace(DONE, learned=0)
    assert all(check.ok for check in reconcile(SENT, idle, visits=100, learns=False))
