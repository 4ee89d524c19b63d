"""``nothing`` is known by its key: logs that list it last are valued and audited alike."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bandit_platform.domain import eligibility
from bandit_platform.services.reporting.audit import audit

KEY = "checkout-offers"
TABLE = "floor = { nothing = 0.3, offers = 0.1 }"


@pytest.fixture
def last(lite: Any, spec_text: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A deployment whose decisions list ``nothing`` after the offers."""
    real = eligibility.eligible_arms

    def nothing_last(*given: Any, **options: Any) -> Any:
        found = real(*given, **options)
        offers = tuple(arm for arm in found.arms if arm != "nothing")
        return replace(found, arms=(*offers, "nothing"))

    for module in ("serving.decide", "reporting.audit"):
        monkeypatch.setattr(f"bandit_platform.services.{module}.eligible_arms", nothing_last)
    lite.launch(spec_text.replace("floor = 0.1", TABLE))
    for _round in range(3):
        lite.traffic(150)
        lite.settle()
        lite.learn()
        lite.refresh()
    return lite


def test_every_interaction_is_learned(last: Any) -> None:
    decisions = last.traffic(20)
    assert {decision.eligible[-1] for decision in decisions} == {"nothing"}
    counted = last.one("SELECT count(*) FROM interaction WHERE policy_traffic")
    assert {state.interactions for state in last.states().values()} == {counted}
    assert last.rows("SELECT * FROM skipped") == []


def test_uplift_is_over_what_drew_nothing(last: Any) -> None:
    """Every policy's baseline sums are those of always showing nothing, and not all zero."""
    sums = {name: json.loads(state.accumulator) for name, state in last.states().items()}
    nothing = sums["always:nothing"]["target"]
    assert nothing["w"] > 0
    for name, each in sums.items():
        assert each["baseline"] == nothing, name


def test_nothing_keeps_its_own_floor_and_the_audit_finds_no_mismatch(last: Any) -> None:
    decisions = [last.measured() for _ in range(30)]
    assert {decision.reason for decision in decisions} == {"policy"}
    for decision in decisions:
        assert decision.pmf[decision.eligible.index("nothing")] >= 0.3
    last.ingest()
    found = audit(last.database, last.secret, KEY)
    assert found.recomputed > 200
    assert found.mismatches == ()


def test_a_minimum_value_serves_at_once_with_the_model_as_it_is(last: Any, spec_text: str) -> None:
    before = last.measured()
    changed = spec_text.replace("floor = 0.1", f"{TABLE}\nminimum_value = 50.0")
    last.apply(changed)
    after = last.measured()
    assert (after.reason, after.model_version) == ("policy", before.model_version)
    nothing = after.eligible.index("nothing")
    assert after.pmf[nothing] > 0.85 > before.pmf[nothing]
    assert min(after.pmf[:nothing]) >= 0.05
    last.ingest()
    assert audit(last.database, last.secret, KEY).mismatches == ()
    last.settle()
    last.learn()
    stored = {name: state.accumulator for name, state in last.states().items()}
    assert last.recomputed() == stored


def test_before_the_first_model_a_high_floor_of_nothing_holds_too(
    lite: Any, spec_text: str
) -> None:
    lite.launch(spec_text.replace("floor = 0.1", "floor = { nothing = 0.6, offers = 0.1 }"))
    decisions = [lite.measured() for _ in range(30)]
    assert {(decision.reason, decision.pmf) for decision in decisions} == {
        ("uniform", (0.6, 0.2, 0.2))
    }
    lite.traffic(60)
    lite.settle()
    lite.learn()
    assert lite.rows("SELECT * FROM skipped") == []
    assert audit(lite.database, lite.secret, KEY).mismatches == ()
    assert lite.recomputed() == {name: state.accumulator for name, state in lite.states().items()}
