"""Recomputing what was logged finds whatever was changed after the fact."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from sqlalchemy import text

from bandit_platform.domain.caller import Caller
from bandit_platform.services.reporting.audit import Audit, audit

KEY = "checkout-offers"
#: an arm that was out, for a reason that was not
EXCLUDED = json.dumps({"upgrade": {"code": "ended"}})


@pytest.fixture
def audited(lite: Any, spec: Any) -> Any:
    """A deployment with decisions of every kind: uniform, by two models, held out, paused."""
    world = lite
    world.launch(spec)
    for _round in range(2):
        for number in range(40):
            decision = world.decide(context={"cart_value": float(number * 3), "country": "GB"})
            if number % 3 == 0:
                world.report(decision)
        world.settle()
        while world.learn():
            pass
        world.refresh()
    world.decide(eligible_arms=("insurance",))
    world.decide(excluded_arms=("insurance",))
    world.change("pause")
    world.decide()
    world.ingest()
    return world


def run(world: Any, **options: Any) -> Audit:
    return audit(world.database, world.secret, KEY, **options)


def tamper(world: Any, statement: str, **values: Any) -> None:
    with world.database.write() as connection:
        assert connection.execute(text(statement), values).rowcount >= 1


def one_by_model(world: Any) -> Any:
    with world.database.read() as connection:
        return connection.execute(
            text("SELECT * FROM decision WHERE reason = 'policy' AND eligible LIKE '%upgrade%'")
        ).first()


def test_untouched_decisions_are_all_recomputed(audited: Any) -> None:
    found = run(audited)
    assert found.mismatches == ()
    assert found.checked == 83
    assert found.recomputed > 20


def test_only_decisions_since_a_moment(audited: Any) -> None:
    assert run(audited, since=audited.clock()).checked == 3


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("propensity", 0.123, "propensity"),
        ("seed", "0000000000000000", "seed"),
        ("pmf", json.dumps([0.2, 0.2, 0.6]), "distribution"),
        ("eligible", json.dumps(["nothing", "upgrade"]), "eligible"),
        ("context", json.dumps({"cart_value": 1.0, "country": "GB"}), "eligible"),
        ("context", json.dumps({"cart_value": 117.0, "country": "FR"}), "distribution"),
        ("model_versions", "[2]", "distribution"),
        ("model_versions", "[99]", "not stored"),
        ("revision", 9, "not stored"),
        ("reason", "holdout", "not in the holdout"),
        ("decision_id", "00" * 24, "never issued"),
        (
            "exclusions",
            EXCLUDED,
            "other reasons",
        ),
        ("expires_at", 5, "window"),
        ("reason", "whim", "cannot be read"),
        ("pmf", "torn", "cannot be read"),
        ("eligible", "null", "cannot be read"),
        ("context", "null", "cannot be read"),
        ("exclusions", "[]", "cannot be read"),
        ("model_versions", "one", "cannot be read"),
        ("decided_at", "noon", "cannot be read"),
    ],
)
def test_an_altered_decision_is_found(audited: Any, column: str, value: Any, what: str) -> None:
    victim = one_by_model(audited)
    tamper(
        audited,
        f"UPDATE decision SET {column} = :value WHERE decision_id = :id",  # noqa: S608
        value=value,
        id=victim.decision_id,
    )
    found = run(audited)
    assert len(found.mismatches) == 1
    assert what in found.mismatches[0].what


def test_another_arm_than_drawn_is_found(audited: Any) -> None:
    victim = one_by_model(audited)
    other = next(arm for arm in json.loads(victim.eligible) if arm != victim.arm)
    tamper(
        audited,
        "UPDATE decision SET arm = :arm WHERE decision_id = :id",
        arm=other,
        id=victim.decision_id,
    )
    assert [each.what for each in run(audited).mismatches] == ["the seed draws another arm"]


@pytest.mark.parametrize(
    ("reason", "column", "value", "what"),
    [
        ("uniform", "model_versions", "[1]", "no model decided"),
        (
            "holdout",
            "exclusions",
            EXCLUDED,
            "only nothing",
        ),
    ],
)
def test_an_altered_decision_without_a_model_is_found(
    audited: Any, reason: str, column: str, value: Any, what: str
) -> None:
    tamper(
        audited,
        f"UPDATE decision SET {column} = :value WHERE decision_id ="  # noqa: S608
        " (SELECT min(decision_id) FROM decision WHERE reason = :reason)",
        value=value,
        reason=reason,
    )
    assert [what in each.what for each in run(audited).mismatches] == [True]


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("trusted = NOT trusted", None),
        ("request_key = :value", "b" * 32),
        ("unit = :value", "c" * 32),
    ],
)
def test_an_id_must_follow_from_its_request_key(
    world: Any, spec_text: str, trusted: bool, change: str, value: str | None
) -> None:
    world.launch(spec_text.replace("share = 0.1", "share = 0.0"))
    caller = Caller(key_id="k", trusted=trusted, address=None)
    world.decide("u1", request_key="order-1", caller=caller)
    world.ingest()
    assert run(world).mismatches == ()
    values = {} if value is None else {"value": value}
    tamper(world, f"UPDATE decision SET {change}", **values)  # noqa: S608
    found = [each.what for each in run(world).mismatches]
    unaffected = trusted and change.startswith("unit")
    assert found == ([] if unaffected else ["its id does not match its request key"])


def test_an_altered_model_is_found(audited: Any) -> None:
    (version,) = json.loads(one_by_model(audited).model_versions)
    tamper(
        audited,
        "UPDATE model_version SET blob = :blob WHERE version = :version",
        blob=b"another model",
        version=version,
    )
    found = run(audited)
    assert {each.what for each in found.mismatches} == {
        f"model version {version} does not have its hash"
    }


def test_a_unit_moved_into_the_holdout_is_found(audited: Any) -> None:
    with audited.database.read() as connection:
        held = (
            connection.execute(text("SELECT unit FROM decision WHERE reason = 'holdout'"))
            .scalars()
            .first()
        )
    victim = one_by_model(audited)
    tamper(
        audited,
        "UPDATE decision SET unit = :unit WHERE decision_id = :id",
        unit=held,
        id=victim.decision_id,
    )
    assert [each.what for each in run(audited).mismatches] == ["the unit is in the holdout"]


def test_two_thousand_decisions_a_second(lite: Any, spec: Any) -> None:
    """By processor time, for other tests share the machine; all were decided by a model."""
    lite.launch(spec)
    lite.traffic(60)
    lite.settle()
    while lite.learn():
        pass
    lite.refresh()
    lite.traffic(1500)
    lite.ingest()
    run(lite)  # what is imported and compiled at first
    began = time.process_time()
    found = run(lite)
    taken = time.process_time() - began
    assert found.recomputed > 1200
    assert found.checked / taken > 2000
