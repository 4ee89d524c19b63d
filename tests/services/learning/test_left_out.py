"""Rows that cannot be taken in, models that fail, states that are damaged: learning goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bandit_platform.errors import PolicyError
from bandit_platform.policies.learned import LearnedPolicy
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.simulation.proof import check_learned
from bandit_platform.storage.skipped import skipped

KEY = "checkout-offers"

DAMAGES = {
    "revision": ("decision", "revision = 9", "revision 9 is not stored"),
    "reward": ("interaction", "reward = 7.5", "the reward is outside the declared range"),
    "eligible": ("decision", 'eligible = \'["nothing", "nowhere"]\'', "is not in its revision"),
    "no arms": ("decision", "eligible = '[]'", "nothing is not among the eligible arms"),
    "arm": ("decision", "arm = 'nowhere'", "the arm is not among the eligible ones"),
    "pmf": ("decision", "pmf = '[2.0, -1.0]'", "its distribution is none"),
    "propensity": ("decision", "propensity = 1e-9", "its propensity is not the arm's probability"),
    "floor": (
        "decision",
        "propensity = 1e-9, pmf = replace(pmf, propensity, 1e-9)",
        "its propensity is",
    ),
    "context": (
        "decision",
        "context = '{\"country\": {}}'",
        "its decision cannot be read: ValueError",
    ),
    "no JSON": ("decision", "context = '{'", "its decision cannot be read: ValueError"),
    "reason": ("decision", "reason = 'whim'", "its decision cannot be read: ValueError"),
    "moment": (
        "decision",
        "expires_at = 9000000000000000000",
        "its decision cannot be read: OverflowError",
    ),
}


def damage(world: Any, number: int, table: str, change: str) -> None:
    """Change the stored row of an interaction by hand."""
    world.run(
        f"UPDATE {table} SET {change} WHERE decision_id = "  # noqa: S608 - our own names
        "(SELECT decision_id FROM interaction WHERE number = :number)",
        number=number,
    )


def numbers(world: Any) -> list[int]:
    return [
        row.number
        for row in world.rows("SELECT number FROM interaction WHERE policy_traffic ORDER BY number")
    ]


def left_out(world: Any) -> dict[int, str]:
    with world.database.read() as connection:
        return skipped(connection, KEY)


def stored(world: Any) -> dict[str, str]:
    return {name: state.accumulator for name, state in world.states().items()}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_row_that_was_changed_by_hand_is_left_out_and_the_others_are_learned(
    lite: Any, spec: Any, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    table, change, why = DAMAGES[kind]
    lite.launch(spec)
    lite.traffic(60)
    lite.settle()
    traffic = numbers(lite)
    damaged = traffic[20]
    damage(lite, damaged, table, change)
    lite.learn()
    assert {state.interactions for state in lite.states().values()} == {len(traffic) - 1}
    found = left_out(lite)
    assert set(found) == {damaged}
    assert why in found[damaged]
    assert f'"interaction": {damaged},' in "".join(capfd.readouterr())
    assert lite.recomputed() == stored(lite)
    assert check_learned(lite.database, KEY) == []
    assert experiment_report(lite.database, KEY, lite.clock()).counts.left_out == 1


def test_nothing_but_such_rows_at_the_end_is_the_end(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    lite.traffic(30)
    lite.settle()
    traffic = numbers(lite)
    for number in traffic[-5:]:
        damage(lite, number, "decision", "revision = 9")
    learner = lite.learner()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bandit_platform.services.learning.learn._BATCH", 3)
        lite.learn(learner)
    assert set(left_out(lite)) == set(traffic[-5:])
    assert learner.learn(KEY, lite.clock()).taken == 0
    lite.traffic(20)
    lite.settle()
    lite.learn(learner)
    assert {s.interactions for s in lite.states().values()} == {len(numbers(lite)) - 5}
    assert lite.recomputed() == stored(lite)


@contextmanager
def failing(marked: str) -> Iterator[None]:
    """A greedy candidate's model that fails where the context says so."""
    real = LearnedPolicy.predict_and_learn

    def learn(self: LearnedPolicy, lines: Any, explorer: Any, *rest: Any, **label: Any) -> Any:
        if marked in lines[0] and explorer.floor == 0.25:
            raise PolicyError("the model gave no probability distribution")
        return real(self, lines, explorer, *rest, **label)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LearnedPolicy, "predict_and_learn", learn)
        yield


def test_a_policy_whose_model_fails_counts_as_showing_nothing_there(
    world: Any, spec_text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    text = spec_text.replace(
        'exploration = "epsilon_greedy"',
        'exploration = "epsilon_greedy"\nfloor = 0.25\nlearning_rate = 0.1',  # a model of its own
    )
    world.launch(text)
    world.traffic(60)
    world.settle()
    with failing("country=DE"):
        world.learn()
        states = world.states()
        rows = world.recomputed_rows()
        assert world.recomputed() == stored(world)
        assert check_learned(world.database, KEY) == []
    failed = [row for row in rows if row.context["country"] == "DE"]
    assert len(failed) > 10
    for row in failed:
        assert row.policies["greedier"] == (1.0, *[0.0] * (len(row.eligible) - 1))
        assert len(set(row.policies["serving"])) > 1 or len(row.eligible) == 2
    assert states["greedier"].failures == len(failed)
    assert "gave no probability distribution" in str(states["greedier"].failure)
    assert {n: s.failures for n, s in states.items() if n != "greedier"} == dict.fromkeys(
        set(states) - {"greedier"}, 0
    )
    assert {state.interactions for state in states.values()} == {len(rows)}
    assert "policy failed" in "".join(capfd.readouterr())
    report = experiment_report(world.database, KEY, world.clock())
    assert {p.name: p.failures for p in report.policies}["greedier"] == len(failed)


@pytest.mark.parametrize(
    "change",
    [
        "accumulator = '{}'",
        "accumulator = 'no JSON'",
        "interactions = interactions + 1",
        "digest = 'another'",
    ],
)
def test_a_damaged_state_is_learned_again_from_the_stored_interactions(
    lite: Any, spec: Any, change: str, capfd: pytest.CaptureFixture[str]
) -> None:
    lite.launch(spec)
    lite.traffic(60)
    lite.settle()
    learner = lite.learner()
    lite.learn(learner)
    whole = lite.states()
    version = lite.one("SELECT max(version) FROM model_version")
    serving = whole["serving"].policy_hash
    lite.run(f"UPDATE policy_state SET {change} WHERE policy_hash = :hash", hash=serving)  # noqa: S608
    capfd.readouterr()
    lite.clock.advance(60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bandit_platform.services.learning.learn._BATCH", 25)
        learner.learn(KEY, lite.clock())
        assert "damaged, so learned again" in "".join(capfd.readouterr())
        assert lite.states()["serving"].interactions == 25
        lite.learn(learner)
    assert lite.states() == whole
    # nothing that had learned from less was published meanwhile
    assert lite.one("SELECT max(version) FROM model_version") == version


@pytest.mark.parametrize("change", ["blob = x'00'", "digest = 'another'", "interactions = 1"])
def test_a_damaged_model_is_learned_again_with_every_policy_that_uses_it(
    lite: Any, spec: Any, change: str, capfd: pytest.CaptureFixture[str]
) -> None:
    lite.launch(spec)
    lite.traffic(60)
    lite.settle()
    learner = lite.learner()
    lite.learn(learner)
    whole, models = lite.states(), lite.models()
    version = lite.one("SELECT max(version) FROM model_version")
    lite.run(f"UPDATE model_state SET {change}")  # noqa: S608
    capfd.readouterr()
    lite.clock.advance(60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bandit_platform.services.learning.learn._BATCH", 25)
        learner.learn(KEY, lite.clock())
        assert "damaged, so learned again" in "".join(capfd.readouterr())
        assert {lite.states()[name].interactions for name in ("serving", "greedier")} == {25}
        lite.learn(learner)
    assert (lite.states(), lite.models()) == (whole, models)
    assert lite.one("SELECT max(version) FROM model_version") == version


def test_the_others_go_on_while_a_new_candidate_catches_up(
    world: Any, spec: Any, spec_text: str
) -> None:
    world.launch(spec)
    world.traffic(90)
    world.settle()
    learner = world.learner()
    world.learn(learner)
    softer = '[[candidates]]\nname = "softer"\nexploration = "softmax"\n\n[holdout]'
    world.apply(spec_text.replace("[holdout]", softer))
    world.traffic(20)
    world.settle()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bandit_platform.services.learning.learn._BATCH", 30)
        learner.learn(KEY, world.clock())
        during = world.states()
        everything = len(numbers(world))
        assert during["softer"].interactions == 30
        assert {s.interactions for n, s in during.items() if n != "softer"} == {everything}
        world.learn(learner)
        assert {s.interactions for s in world.states().values()} == {everything}
        world.traffic(20)
        world.settle()
        world.learn(learner)
    assert {s.cursor for s in world.states().values()} == {numbers(world)[-1]}
    assert world.recomputed() == stored(world)
    assert check_learned(world.database, KEY) == []


def test_the_tests_of_the_data_start_again_with_the_policy_they_go_along_with(
    lite: Any, spec: Any
) -> None:
    lite.launch(spec)
    lite.traffic(60)
    lite.settle()
    learner = lite.learner()
    lite.learn(learner)
    whole = lite.one("SELECT state FROM quality")
    lite.run("UPDATE policy_state SET digest = 'another' WHERE policy_hash = 'logging'")
    lite.learn(learner)
    assert lite.one("SELECT state FROM quality") == whole


@pytest.mark.parametrize("state", ["", "{}", "[]", '{"arms": 3, "ratio": [], "streams": {}}'])
def test_damaged_tests_of_the_data_begin_anew_and_hold_up_nothing(
    lite: Any, spec: Any, state: str, capfd: pytest.CaptureFixture[str]
) -> None:
    lite.launch(spec)
    lite.traffic(40)
    lite.settle()
    lite.learn()
    lite.run("UPDATE quality SET state = :state", state=state)
    assert experiment_report(lite.database, KEY, lite.clock()).quality.n == 0
    before = lite.states()["logging"].interactions
    lite.traffic(20)
    lite.settle()
    lite.learn()
    learned = lite.states()["logging"].interactions - before
    assert learned > 0
    assert experiment_report(lite.database, KEY, lite.clock()).quality.n == learned
    assert "tests of the data begin anew" in "".join(capfd.readouterr())
