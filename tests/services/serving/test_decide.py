from __future__ import annotations

import errno
import os
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from bandit_platform.domain.assignment import draw, draw_seed, in_holdout
from bandit_platform.domain.exclusion import Exclusion, ExclusionCode
from bandit_platform.domain.identity import is_genuine, pseudonym
from bandit_platform.errors import (
    ConflictError,
    ContextError,
    InputError,
    NotFoundError,
    PolicyError,
    UnavailableError,
)
from bandit_platform.journal.reader import read_chunk, segments
from bandit_platform.policies.learned import explorer_for
from bandit_platform.services.serving.registry import LoadedPolicy, Registry
from bandit_platform.serving import _stored_decision
from bandit_platform.storage.database import Database

CHEAP = {"cart_value": 20.0, "country": "GB", "returning": True}


class Broken:
    """A policy whose model fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def pmf(self, lines: Any, explorer: Any, nothing: int) -> tuple[float, ...]:
        raise self.error


def break_models(world: Any, error: Exception) -> None:
    registry = world.server.registry
    registry._live = {
        key: replace(
            live,
            champion=LoadedPolicy(
                model="m",
                version=9,
                policy=cast("Any", Broken(error)),
                explorer=explorer_for(live.spec.policy, live.spec),
            ),
        )
        for key, live in registry._live.items()
    }


def break_journal(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)


def journal_records(world: Any) -> list[Any]:
    return [r for path in segments(world.folder) for r in read_chunk(path, 0).records]


def test_holdout_units_get_nothing_and_stay_the_same_units(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    first = {unit: lite.decide(unit) for unit in (f"u{n}" for n in range(400))}
    held = {unit for unit, decision in first.items() if decision.reason == "holdout"}
    assert 20 <= len(held) <= 65  # a share of 0.1: 40 expected, standard deviation 6
    for unit in held:
        decision = first[unit]
        assert (decision.arm, decision.propensity, decision.eligible) == (
            "nothing",
            1.0,
            ("nothing",),
        )
        assert decision.model_version is None
    another = lite.new_server()
    lite.clock.advance(86_400)
    again = {u for u in first if lite.decide(u, server=another).reason == "holdout"}
    assert again == held
    assert held == {
        u for u in first if in_holdout(lite.secret, spec.key, pseudonym(lite.secret, u), 0.1)
    }


def test_every_arm_is_equally_likely_before_there_is_a_model(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    decisions = [lite.measured() for _ in range(300)]
    assert {d.reason for d in decisions} == {"uniform"}
    assert {d.eligible for d in decisions} == {("nothing", "upgrade", "insurance")}
    assert {d.pmf for d in decisions} == {(1 / 3, 1 / 3, 1 / 3)}
    assert {d.model_version for d in decisions} == {None}
    drawn = Counter(d.arm for d in decisions)
    assert all(60 <= drawn[arm] <= 145 for arm in ("nothing", "upgrade", "insurance")), drawn


def test_a_published_model_decides_and_keeps_the_floor(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    lite.traffic(120)
    lite.settle()
    lite.learn()
    decisions = [lite.measured() for _ in range(200)]
    assert {d.reason for d in decisions} == {"policy"}
    assert {d.model_version for d in decisions} == {1}
    pmf = decisions[0].pmf
    assert pmf != (1 / 3, 1 / 3, 1 / 3)
    assert min(pmf) >= 0.1 / 3 * (1 - 1e-12)
    assert sum(pmf) == pytest.approx(1.0, abs=1e-12)
    for decision in decisions:
        assert decision.propensity == decision.pmf[decision.eligible.index(decision.arm)]
    # this model's every answer is what its published bytes give
    live = lite.server.registry.get(spec.key)
    context = {"cart_value": 80.0, "country": "GB", "returning": True}
    lines = live.text.lines(context, decisions[0].eligible)
    assert live.champion.pmf(lines, decisions[0].eligible.index("nothing")) == pmf


@pytest.mark.parametrize("mode", ["uniform", "shadow"])
def test_a_mode_that_does_not_trust_the_model_stays_uniform(
    lite: Any, spec_text: str, mode: str
) -> None:
    lite.launch(spec_text.replace("floor = 0.1", f'floor = 0.1\nmode = "{mode}"'))
    lite.traffic(60)
    lite.settle()
    lite.learn()
    assert {lite.measured().reason for _ in range(20)} == {"uniform"}


def test_the_stored_seed_draws_the_stored_arm_again(world: Any, spec: Any) -> None:
    world.launch(spec)
    world.traffic(60)
    world.settle()
    world.learn()
    made = [world.decide(context={**CHEAP, "cart_value": 30.0 + n}) for n in range(80)]
    world.ingest()
    assert {"policy", "holdout"} <= {d.reason for d in made}
    for decision in made:
        stored = world._stored(decision.decision_id)
        assert stored == decision
        assert draw(stored.pmf, stored.seed) == stored.eligible.index(stored.arm)
        assert stored.seed == draw_seed(world.secret, spec.key, stored.decision_id)
        assert is_genuine(world.secret, stored.decision_id)


def test_arms_fall_out_with_a_reason(lite: Any, spec_text: str) -> None:
    later = '[[arms]]\nkey = "later"\nstarts_at = 2027-01-01T00:00:00Z\n\n[reward]'
    lite.launch(spec_text.replace("[reward]", later))
    decision = lite.measured(context=CHEAP)
    assert decision.eligible == ("nothing", "insurance")
    assert decision.pmf == (0.5, 0.5)
    condition = {"code": ExclusionCode.CONDITION, "field": "cart_value"}
    assert decision.excluded == {
        "upgrade": Exclusion(**condition, operator="gte", limit=50.0),
        "later": Exclusion(code=ExclusionCode.NOT_STARTED, moment=datetime(2027, 1, 1, tzinfo=UTC)),
    }
    missing = lite.measured(context={})
    assert missing.excluded["upgrade"] == Exclusion(**condition)


def test_a_request_may_narrow_the_arms(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    only = lite.measured(eligible_arms=("upgrade",))
    assert only.eligible == ("nothing", "upgrade")
    assert only.excluded == {"insurance": Exclusion(code=ExclusionCode.NOT_REQUESTED)}
    without = lite.measured(excluded_arms=("upgrade", "nothing"))
    assert without.eligible == ("nothing", "insurance")
    assert without.excluded == {"upgrade": Exclusion(code=ExclusionCode.EXCLUDED_BY_REQUEST)}
    none = lite.measured(eligible_arms=())
    assert (none.eligible, none.arm, none.propensity) == (("nothing",), "nothing", 1.0)


def test_an_arm_that_never_was_is_refused_without_its_name(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    before = len(journal_records(lite))
    for query in ({"eligible_arms": ("canary-arm",)}, {"excluded_arms": ("upgrade", "canary-arm")}):
        with pytest.raises(InputError, match="names 1 arm that this experiment never had") as got:
            lite.decide(**query)
        assert "canary" not in str(got.value)
    assert len(journal_records(lite)) == before


def test_a_retired_arm_may_still_be_named(lite: Any, spec_text: str, spec: Any) -> None:
    lite.launch(spec)
    retired = spec_text.replace('key = "upgrade"', 'key = "parking"')
    lite.apply(retired)
    decision = lite.measured(excluded_arms=("upgrade",), eligible_arms=("upgrade", "parking"))
    assert decision.eligible == ("nothing", "parking")
    assert decision.revision == 2
    assert "upgrade" not in decision.excluded


@pytest.mark.parametrize(
    ("step", "reason"), [("pause", "paused"), ("stop", "stopped"), ("archive", "stopped")]
)
def test_no_unit_gets_an_arm_while_the_experiment_does_not_run(
    world: Any, spec: Any, step: str, reason: str
) -> None:
    world.launch(spec)
    if step == "archive":
        world.change("stop")
    world.change(step)
    decisions = [world.decide() for _ in range(30)]
    assert {d.reason for d in decisions} == {reason}
    assert {(d.arm, d.propensity, d.pmf) for d in decisions} == {("nothing", 1.0, (1.0,))}
    world.report(decisions[0])
    assert world.settle() == 0
    assert world.one("SELECT count(*) FROM decision WHERE reason = :r", r=reason) == 30
    assert world.one("SELECT count(*) FROM interaction") == 0
    assert world.one("SELECT count(*) FROM immature") == 0
    assert world.counter("interactions.policy") == world.counter("interactions.holdout") == 0


def test_arms_return_after_a_pause(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    lite.change("pause")
    assert lite.decide("u").reason == "paused"
    lite.change("resume")
    assert lite.decide("u").reason in {"uniform", "holdout"}


@pytest.mark.parametrize("error", [PolicyError("no PMF"), RuntimeError("VW"), MemoryError()])
def test_a_failing_model_gives_nothing_that_counts_nowhere(
    world: Any, spec: Any, error: Exception
) -> None:
    world.launch(spec)
    world.server  # noqa: B018 - made before it breaks
    break_models(world, error)
    made = [world.decide() for _ in range(60)]
    failed = [d for d in made if d.reason == "fallback"]
    assert {d.reason for d in made} == {"fallback", "holdout"}
    for decision in failed:
        assert (decision.arm, decision.propensity, decision.pmf) == ("nothing", 1.0, (1.0,))
        assert decision.model_version is None
        world.report(decision)
    held = len(made) - len(failed)
    assert world.settle() == held
    world.learn()
    assert world.one("SELECT count(*) FROM decision WHERE reason = 'fallback'") == len(failed)
    assert world.counter("decisions.fallback") == len(failed)
    assert world.counter("interactions.policy") == 0
    assert world.counter("interactions.holdout") == held
    assert all(state.interactions == 0 for state in world.states().values())
    assert world.one("SELECT count(*) FROM model_version") == 0


def test_what_the_log_says_of_a_failing_model_names_no_shopper(
    lite: Any, spec: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    lite.launch(spec)
    lite.server  # noqa: B018 - made before it breaks
    break_models(lite, RuntimeError("the model broke"))
    context = {**CHEAP, "country": "canary-country"}
    while lite.decide(f"canary-unit-{len(journal_records(lite))}", context=context).reason != (
        "fallback"
    ):
        pass
    logged = "".join(capfd.readouterr())
    assert "RuntimeError" in logged
    assert "canary" not in logged


def test_an_unwritable_journal_gives_nothing_and_no_error(
    lite: Any, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lite.launch(spec)
    lite.decide()
    with monkeypatch.context() as patch:
        break_journal(lite, patch)
        answers = [lite.ask(f"u{n}", request_key=f"order-{n}") for n in range(30)]
    for answer in answers:
        assert answer.decision.reason == "fallback"
        assert (answer.decision.arm, answer.decision.pmf, answer.offer) == ("nothing", (1.0,), None)
        assert answer.decision.model_version is None
    # what was not recorded is not remembered either: a retry decides, and is recorded
    retried = [lite.ask(f"u{n}", request_key=f"order-{n}") for n in range(30)]
    assert all(answer.new for answer in retried)
    assert {answer.decision.reason for answer in retried} <= {"uniform", "holdout"}
    lite.ingest()
    assert lite.one("SELECT count(*) FROM decision") == 31


def test_a_request_key_gives_the_same_decision_again(world: Any, spec: Any) -> None:
    world.launch(spec)
    first = world.ask("u1", request_key="order-1")
    world.clock.advance(60)
    again = world.ask("u1", request_key="order-1")
    assert (first.new, again.new) == (True, False)
    assert again.decision == first.decision
    assert again.offer == first.offer
    assert len(journal_records(world)) == 1
    other = world.ask("u1", request_key="order-2")
    assert other.new
    assert other.decision.decision_id != first.decision.decision_id


def test_a_fresh_process_finds_a_request_key_in_the_database(world: Any, spec: Any) -> None:
    world.launch(spec)
    first = world.ask("u1", request_key="order-1")
    world.ingest()
    world.clock.advance(60)
    fresh = world.new_server()
    again = world.ask("u1", request_key="order-1", server=fresh)
    assert not again.new
    assert again.decision == first.decision
    with pytest.raises(ConflictError):
        world.ask("u2", request_key="order-1", server=fresh)
    world.ingest()
    assert world.one("SELECT count(*) FROM decision") == 1


@pytest.mark.parametrize(
    "other",
    [
        {"context": CHEAP},
        {"eligible_arms": ("upgrade",)},
        {"excluded_arms": ("upgrade",)},
        {"defer_activation": True},
    ],
)
def test_a_request_key_with_another_body_conflicts(lite: Any, spec: Any, other: Any) -> None:
    lite.launch(spec)
    lite.ask("u1", request_key="order-1")
    with pytest.raises(ConflictError, match="used before with another body"):
        lite.ask("u1", request_key="order-1", **other)
    with pytest.raises(ConflictError):
        lite.ask("u2", request_key="order-1")
    assert len(journal_records(lite)) == 1


def test_request_keys_of_experiments_have_nothing_to_do_with_each_other(
    lite: Any, spec: Any, spec_text: str
) -> None:
    lite.launch(spec)
    lite.launch(spec_text.replace("checkout-offers", "cart-offers"))
    one = lite.ask("u1", request_key="order-1")
    two = lite.ask("u1", request_key="order-1", experiment="cart-offers")
    assert one.new
    assert two.new
    assert one.decision.decision_id != two.decision.decision_id


def test_a_database_that_is_away_delays_no_repeated_request(
    lite: Any, spec: Any, tmp_path: Any
) -> None:
    lite.launch(spec)
    look_up = _stored_decision(Database(f"sqlite:///{tmp_path / 'without-tables.sqlite3'}"))
    assert look_up("0" * 48) is None
    lite.server.decider._stored = look_up
    assert lite.ask("u1", request_key="order-1").new
    assert not lite.ask("u1", request_key="order-1").new


def test_an_experiment_must_exist(lite: Any, spec: Any) -> None:
    lite.apply(spec)
    assert lite.decide().arm == "nothing"
    with pytest.raises(NotFoundError):
        lite.decide(experiment="another")
    unloaded = lite.new_server()
    unloaded.decider._registry = Registry(lite.database)
    with pytest.raises(UnavailableError, match="not loaded yet"):
        lite.decide(server=unloaded)


def test_an_undeclared_context_is_refused_and_not_recorded(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    with pytest.raises(ContextError) as got:
        lite.decide(context={"email": "canary@example.com", "cart_value": -1.0})
    assert [problem.path for problem in got.value.problems] == ["context", "context.cart_value"]
    assert "canary" not in str(got.value)
    assert journal_records(lite) == []


def test_the_unit_is_stored_as_a_pseudonym_and_the_key_as_a_hash(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    decision = lite.decide("shopper@example.com", request_key="order-8841")
    (line,) = [path.read_text() for path in segments(lite.folder)]
    assert "shopper@example.com" not in line
    assert "order-8841" not in line
    assert decision.unit == pseudonym(lite.secret, "shopper@example.com")


def test_the_window_of_a_decision_is_the_spec_s(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    decision = lite.decide()
    assert decision.decided_at == lite.clock.now
    assert decision.expires_at == lite.clock.now + timedelta(hours=1)
    assert decision.revision == 1
    assert len(decision.draws) == 1
