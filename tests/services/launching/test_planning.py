"""A plan's inputs: guesses that add up, what was measured, and how much traffic there is."""

from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.domain.decision import Reason
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.errors import InputError
from bandit_platform.services.launching.planning import EventGuess, guessed, measured, plan, traffic
from bandit_platform.storage import traffic as pace
from bandit_platform.storage.decisions import insert_decisions

KEY = "checkout-offers"


def test_guesses_add_up(spec: Any) -> None:
    rewards = guessed(
        spec, {"accept": EventGuess(share=0.1), "purchase": EventGuess(share=0.05, amount=40.0)}
    )
    assert rewards.mean == pytest.approx(0.1 + 0.05 * 0.4)
    assert rewards.variance == pytest.approx(0.1 * 0.9 + 0.05 * 2 * 0.4**2 - 0.02**2)
    with pytest.raises(InputError, match="share"):
        guessed(spec, {"accept": EventGuess(share=1.5)})


def test_holdout_and_window_lengthen_the_wait(spec: Any) -> None:
    rewards = guessed(spec, {"accept": EventGuess(share=0.1)})
    (line,) = plan(spec, rewards, 1000.0, [0.2])
    without = spec.model_copy(update={"holdout": spec.holdout.model_copy(update={"share": 0.0})})
    (shorter,) = plan(without, rewards, 1000.0, [0.2])
    assert line.decisions == pytest.approx(shorter.decisions / 0.9, abs=1)
    assert line.wait.total_seconds() == pytest.approx(line.decisions * 86.4 + 3600)
    (unknown,) = plan(spec, rewards, 0.0, [0.2])
    assert unknown.wait is None
    (never,) = plan(spec, rewards, 1000.0, [1e-9])
    assert never.decisions is None


def test_a_floor_of_its_own_for_nothing_shortens_the_wait(spec_text: str) -> None:
    needed = {}
    for floor in ("0.05", "{ nothing = 0.05, offers = 0.02 }", "{ nothing = 0.2, offers = 0.02 }"):
        spec = parse_toml(spec_text.replace("floor = 0.1", f"floor = {floor}"))
        rewards = guessed(spec, {"accept": EventGuess(share=0.1)})
        (line,) = plan(spec, rewards, 1000.0, [0.1])
        needed[floor] = line.decisions
    few, own, much = needed.values()
    assert few > 1.2 * own > 1.2 * 1.2 * much


def test_what_was_measured_is_the_plain_mean(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    assert measured(lite.database, KEY) is None
    lite.traffic(300)
    lite.settle()
    lite.learn()
    found = measured(lite.database, KEY)
    rewards = [row[0] for row in lite.rows("SELECT reward FROM interaction WHERE policy_traffic")]
    mean = sum(rewards) / len(rewards)
    assert found.interactions == len(rewards)
    assert found.mean == pytest.approx(mean)
    assert found.variance == pytest.approx(sum((r - mean) ** 2 for r in rewards) / len(rewards))
    assert 0.1 < found.nothing < 0.6


def test_traffic_is_counted_or_extrapolated(
    lite: Any, spec: Any, make_decision: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lite.apply(spec)
    with lite.database.write() as connection:
        insert_decisions(connection, [make_decision(reason=Reason.UNIFORM) for _ in range(50)])
    clock.advance(49)
    assert traffic(lite.database, spec, clock()) == 50
    monkeypatch.setattr(pace, "_MOST", 11)
    assert traffic(lite.database, spec, clock()) == pytest.approx(11 * 86_400 / 10)
    clock.advance(90_000)
    assert traffic(lite.database, spec, clock()) == 0
