"""Valuing policies on an experiment's own interactions, never on what a model has learned."""

from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.errors import EvaluationError, NotFoundError
from bandit_platform.ope.plan import Options
from bandit_platform.services.evaluate_live import evaluate_live
from bandit_platform.services.report import experiment_report

KEY = "checkout-offers"
OPTIONS = Options(estimators=("ips", "snips"))


@pytest.fixture
def running(lite: Any, spec: Any) -> Any:
    """An experiment with two published versions and interactions after the first."""
    lite.launch(spec)
    for _round in range(2):
        lite.traffic(150)
        lite.settle()
        lite.learn()
        lite.clock.advance(10)
    return lite


def value(world: Any, *policies: str) -> Any:
    return evaluate_live(world.database, KEY, policies, OPTIONS)


def test_fixed_policies_agree_with_the_live_report(running: Any, spec: Any) -> None:
    report = value(running, "uniform", "always:insurance", "logging")
    live = {
        row.name: row for row in experiment_report(running.database, KEY, running.clock()).policies
    }
    assert report.n == live["uniform"].snips.n
    for found in report.policies:
        row = live[found.policy]
        assert found.estimates["snips"].value == pytest.approx(row.snips.value, abs=1e-12)
        assert found.diagnostics.ess == pytest.approx(row.ess)


def test_learned_policies_are_valued_progressively(running: Any) -> None:
    report = value(running, "serving", "greedier")
    live = {
        row.name: row for row in experiment_report(running.database, KEY, running.clock()).policies
    }
    for found in report.policies:
        expected = live[found.policy].snips.value
        assert found.estimates["snips"].value == pytest.approx(expected, abs=1e-12)


def test_a_version_is_valued_only_on_what_came_after_it(running: Any) -> None:
    learned = running.one("SELECT interactions FROM model_version WHERE version = 1")
    total = len(running.rows("SELECT 1 FROM interaction WHERE policy_traffic"))
    report = value(running, "version:1", "uniform")
    assert 0 < learned < total
    assert report.n == total - learned
    assert any("left out" in note for note in report.notes)


def test_a_version_that_has_seen_everything_is_refused(running: Any) -> None:
    newest = running.one("SELECT max(version) FROM model_version")
    with pytest.raises(EvaluationError, match="has not learned from"):
        value(running, f"version:{newest}")


def test_unknown_versions_and_experiments_are_named(running: Any) -> None:
    with pytest.raises(NotFoundError, match="versions 1 to"):
        value(running, "version:99")
    with pytest.raises(NotFoundError):
        evaluate_live(running.database, "nowhere", ["uniform"], OPTIONS)


def test_nothing_can_be_valued_before_anything_matured(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    with pytest.raises(EvaluationError, match="no interactions have matured"):
        value(lite, "uniform")
