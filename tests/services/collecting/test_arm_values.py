"""Rewards by arm, from an experiment file through decisions and events to interactions."""

from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.errors import LockedError
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.services.reporting.trace import trace
from dashboards.policies.money_table import money_tables, worth_words

KEY = "checkout-offers"


@pytest.fixture
def text(spec_text: str) -> str:
    return spec_text.replace(
        'key = "upgrade"', 'key = "upgrade"\nvalue = { accept = 12.0 }\ncost = 4.5'
    ).replace("range = [-1.0, 2.0]", "range = [-40.0, 40.0]")


def shown(world: Any, arm: str) -> Any:
    while (decision := world.measured()).arm != arm:
        pass
    return decision


def rewards(world: Any, *decisions: Any) -> list[float]:
    found = dict(map(tuple, world.rows("SELECT decision_id, reward FROM interaction")))
    return [found[decision.decision_id] for decision in decisions]


def test_an_accept_is_worth_what_the_shown_arm_says(world: Any, text: str) -> None:
    world.launch(text)
    made = [shown(world, arm) for arm in ("upgrade", "insurance", "nothing")]
    for decision in made:
        world.report(decision)
    world.settle()
    assert rewards(world, *made) == [7.5, 1.0, 1.0]
    names = ("gross", "taken_back", "costs", "reward")
    assert [world.counter(f"arm.upgrade.{name}") for name in names] == [12.0, 0.0, 4.5, 7.5]
    assert [world.counter(f"arm.insurance.{name}") for name in names] == [1.0, 0.0, 0.0, 1.0]


def test_returns_take_back_the_arms_own_share_while_they_are_in_time(world: Any, text: str) -> None:
    world.launch(
        text.replace(
            "value = { accept = 12.0 }",
            "value = { purchase = { amount = 0.35 }, return = { amount = -0.35 } }",
        ).replace("cost = 4.5", "")
    )
    own, other, late = (shown(world, arm) for arm in ("upgrade", "insurance", "upgrade"))
    for decision in (own, other):
        world.report(decision, "purchase", amount=60.0)
        world.report(decision, "return", amount=20.0)
    world.report(late, "purchase", amount=60.0)
    world.settle()
    world.report(late, "return", amount=60.0)
    world.settle()
    spec = world.experiments.get(KEY).spec
    rate = spec.reward.weights["purchase"].amount + 0.0
    back = spec.reward.weights.get("return")
    expected = 60 * rate + (20 * back.amount if back else 0.0)
    assert rewards(world, own, other, late) == pytest.approx([14.0, expected, 21.0])


def test_a_revision_adds_an_arm_with_a_value_of_its_own(world: Any, text: str) -> None:
    world.launch(text)
    before = shown(world, "upgrade")
    world.apply(
        text.replace(
            '[[arms]]\nkey = "upgrade"',
            '[[arms]]\nkey = "parking"\nvalue = 6\n\n[[arms]]\nkey = "upgrade"',
        )
    )
    after = shown(world, "parking")
    for decision in (before, after):
        world.report(decision)
    world.settle()
    assert rewards(world, before, after) == [7.5, 6.0]
    world.learn()
    assert world.recomputed() == {name: state.accumulator for name, state in world.states().items()}


def test_an_arm_that_was_taken_out_meanwhile_counts_by_the_revision_that_showed_it(
    world: Any, text: str
) -> None:
    world.launch(text)
    decision = shown(world, "upgrade")
    start = text.index('[[arms]]\nkey = "upgrade"')
    end = text.index("[[arms]]", start + 1)
    world.apply(text[:start] + text[end:])
    world.report(decision)
    world.settle()
    assert rewards(world, decision) == [7.5]
    traced = trace(world.database, KEY, decision.decision_id)
    (event,) = traced["events"]
    assert (event["adds"], event["why"]) == (7.5, "the arm's value, less the arm's cost")
    with pytest.raises(LockedError, match="upgrade is worth: it was in revision 1"):
        world.apply(text.replace("accept = 12.0", "accept = 13.0"))
    world.apply(text)


def test_a_running_experiment_refuses_another_value(world: Any, text: str) -> None:
    world.launch(text)
    with pytest.raises(LockedError, match=r"arms\.upgrade\.value\.accept"):
        world.apply(text.replace("accept = 12.0", "accept = 13.0"))
    assert world.experiments.revision(KEY) == 1


def test_a_draft_may_still_change_them(world: Any, text: str) -> None:
    world.apply(text)
    world.apply(text.replace("accept = 12.0", "accept = 13.0"))
    world.change("start")
    decision = shown(world, "upgrade")
    world.report(decision)
    world.settle()
    assert rewards(world, decision) == [8.5]


def test_the_story_of_a_reward_says_whose_weight_counted(world: Any, text: str) -> None:
    world.launch(text)
    decision = shown(world, "upgrade")
    world.report(decision, "dismiss")
    world.ingest()
    (event,) = trace(world.database, KEY, decision.decision_id)["events"]
    assert (event["adds"], event["why"]) == (-0.1, "the experiment's weight")


def test_the_report_sums_by_advertiser_and_category(world: Any, text: str) -> None:
    world.launch(text.replace("cost = 4.5", 'cost = 4.5\nadvertiser = "Lounges Ltd"'))
    for arm, kinds in (
        ("upgrade", ("accept", "dismiss")),
        ("upgrade", ("accept",)),
        ("insurance", ("accept",)),
        ("nothing", ()),
    ):
        decision = shown(world, arm)
        for kind in kinds:
            world.report(decision, kind)
    world.settle()
    report = experiment_report(world.database, KEY, world.clock())
    drawn = {row.arm: row for row in report.arms}
    assert (drawn["upgrade"].value, drawn["upgrade"].cost) == ({"accept": 12.0}, {"accept": 4.5})
    assert worth_words(drawn["upgrade"]) == "12 per accept; costs 4.5 per accept"
    paid = worth_words(drawn["upgrade"], "GBP")
    assert paid == "12\N{NO-BREAK SPACE}GBP per accept; costs 4.5\N{NO-BREAK SPACE}GBP per accept"
    lounges, unnamed = report.money
    assert (lounges.by, lounges.name, lounges.arms) == ("advertiser", "Lounges Ltd", ("upgrade",))
    assert (lounges.gross, lounges.taken_back, lounges.costs) == (24.0, -0.1, 9.0)
    assert lounges.net == pytest.approx(14.9)
    assert (unnamed.name, unnamed.arms, unnamed.net) == (None, ("insurance",), 1.0)
    (table,) = money_tables(report)
    assert [line.net for line in table.lines] == ["14.90", "1.00"]
    assert table.lines[0].costs == "\N{MINUS SIGN}9.00"
    world.apply(text)  # labels may go while it runs
    assert experiment_report(world.database, KEY, world.clock()).money == ()


def test_worths_are_written_without_an_exponent(world: Any, text: str) -> None:
    world.launch(
        text.replace(
            "value = { accept = 12.0 }",
            "value = { accept = 1234567.5, return = { amount = -0.35, max = 200.0 } }",
        ).replace("cost = 4.5", "cost = { impression = 0.02 }")
    )
    report = experiment_report(world.database, KEY, world.clock())
    (row,) = (row for row in report.arms if row.arm == "upgrade")
    assert worth_words(row).replace("\N{NO-BREAK SPACE}", " ") == (
        "1,234,567.5 per accept, \N{MINUS SIGN}35 % of the amount (of at most 200) per return; "
        "costs 0.02 per impression"
    )
