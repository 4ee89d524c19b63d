"""A third of the traffic, from one visitor with the page's key, turns no policy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bandit_platform.settings import Settings
from bandit_platform.simulation.attack import (
    INVENTED_UNITS,
    MANY_UNITS,
    NETWORKS,
    ONE_UNIT,
    Attack,
    AttackResult,
    Traffic,
    run_attack,
)

TRAFFIC = Traffic(honest_rate=60, quiet=15, attacked=40)
DEFAULTS = (Settings().unit_limit, Settings().address_limit)
Run = Callable[[Attack | None, tuple[int, int]], AttackResult]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    def run(attack: Attack | None, limits: tuple[int, int]) -> AttackResult:
        folder: Path = tmp_path_factory.mktemp("attack")
        return run_attack(folder, TRAFFIC, attack, limits)

    return run


@pytest.fixture(scope="module")
def twin(run: Run) -> AttackResult:
    """The same shoppers, whom nobody attacks."""
    return run(None, DEFAULTS)


def test_the_policy_learns_the_truth_where_nobody_attacks(twin: AttackResult) -> None:
    assert twin.after["parking"] > 0.85
    assert twin.honest_marked == 0
    assert twin.report is not None
    assert twin.report.cautions == ()


def test_without_limits_one_visitor_turns_the_policy(run: Run, twin: AttackResult) -> None:
    """The negative control: the attack is one, and the limits are what stops it."""
    attacked = run(INVENTED_UNITS, (0, 0))
    assert attacked.before == twin.before
    assert attacked.after["vip"] > 0.85
    assert attacked.report is not None
    praised = {(row.kind, row.arm) for row in attacked.report.page_traffic.implausible}
    assert ("address", "vip") in praised
    assert any("to favour vip" in caution for caution in attacked.report.cautions)
    assert attacked.attacker > (attacked.attacker + attacked.honest * 0.6) / 4


@pytest.mark.parametrize(
    "attack", [INVENTED_UNITS, MANY_UNITS, ONE_UNIT, NETWORKS], ids=lambda each: each.name
)
def test_with_the_default_limits_it_stays_within_ten_points(
    run: Run, twin: AttackResult, attack: Attack
) -> None:
    attacked = run(attack, DEFAULTS)
    assert attacked.before == twin.before
    assert {arm: attacked.after[arm] for arm in twin.after} == pytest.approx(twin.after, abs=0.1)
    assert attacked.honest_marked == 0
    assert attacked.report is not None
    assert f"{attacked.attacker_marked:,} of" in attacked.report.cautions[0]
    assert attacked.attacker_marked > 0.6 * attacked.attacker
