"""Valuing policies on an experiment's own interactions, never on what a model has learned."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from bandit_platform.domain.selection import parse_selection
from bandit_platform.errors import EvaluationError, InputError, NotFoundError, PolicyError
from bandit_platform.ope.evaluating.plan import Options
from bandit_platform.services.evaluation import live_policies
from bandit_platform.services.evaluation.evaluate_live import evaluate_live
from bandit_platform.services.reporting.report import experiment_report

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
    report = value(running, "uniform", "always:insurance", "logging", "always-something")
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


def selected(world: Any, spec: Any, *policies: str, **said: Any) -> Any:
    selection = parse_selection(spec.context, "UTC", **said)
    return evaluate_live(world.database, KEY, policies, OPTIONS, selection=selection)


def test_a_condition_leaves_the_rows_that_meet_it(running: Any, spec: Any) -> None:
    found = selected(running, spec, "uniform", "serving", where=["country=GB"])
    contexts = running.rows(
        "SELECT context FROM decision JOIN interaction USING (decision_id) WHERE policy_traffic"
    )
    assert found.n == sum('"GB"' in row.context for row in contexts) > 0
    assert "only decisions with country=GB" in found.notes


def test_a_period_leaves_the_rows_inside_it(running: Any, spec: Any) -> None:
    whole = value(running, "uniform", "serving")
    middle = running.clock.now - timedelta(seconds=3700)
    first = selected(running, spec, "uniform", "serving", until=middle.isoformat())
    second = selected(running, spec, "uniform", "serving", since=middle.isoformat())
    assert first.n + second.n == whole.n
    assert min(first.n, second.n) > 0
    assert first.diagnostics["decided_until"] < second.diagnostics["decided_from"]
    # a learned policy is what it was at each moment, whatever part of the stream is asked about
    total = sum(part.n * part.policies[1].diagnostics.mean_weight for part in (first, second))
    assert total == pytest.approx(whole.n * whole.policies[1].diagnostics.mean_weight)


def test_up_to_the_last_decision_gives_the_same_report_again(running: Any, spec: Any) -> None:
    whole = value(running, "uniform", "serving")
    last = datetime.fromisoformat(whole.diagnostics["decided_until"]) + timedelta(microseconds=1)
    running.traffic(20)
    running.settle()
    again = selected(running, spec, "uniform", "serving", until=last.isoformat())
    assert again.to_dict(over_time=True) == whole.to_dict(over_time=True)


def test_an_empty_selection_is_explained(running: Any, spec: Any) -> None:
    with pytest.raises(EvaluationError, match="choose a longer period"):
        selected(running, spec, "uniform", until="2020-01-01")
    with pytest.raises(EvaluationError, match="other conditions"):
        selected(running, spec, "uniform", where=["country=FR"])
    newest = running.one("SELECT max(version) FROM model_version")
    with pytest.raises(EvaluationError, match="Ask for an older version"):
        selected(running, spec, f"version:{newest}", since="2020-01-01")


def test_how_many_rows_are_in_memory_makes_no_difference(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    policies = ("serving", "greedier", "version:1", "uniform", "always:insurance", "learn:softmax")
    options = Options(estimators=("ips", "snips"), by=("country",))
    whole = evaluate_live(running.database, KEY, policies, options)
    monkeypatch.setattr("bandit_platform.services.evaluation.live_rows.BATCH", 40)
    told: list[tuple[int, int]] = []
    parts = evaluate_live(
        running.database, KEY, policies, options, progress=lambda *said: told.append(said)
    )
    assert list(numbers(parts.to_dict(over_time=True))) == pytest.approx(
        list(numbers(whole.to_dict(over_time=True))), rel=1e-9, abs=1e-12
    )
    assert told[0][0] == 0
    assert told[-1] == (2 * whole.n, 2 * whole.n)
    assert len(told) > 2 * whole.n / 40


def numbers(value: Any) -> Iterator[float]:
    """Every number of nested tables, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield float(value)


def test_what_progress_raises_ends_the_work(running: Any) -> None:
    def stop(done: int, _total: int) -> None:
        if done:
            raise EvaluationError("enough")

    with pytest.raises(EvaluationError, match="enough"):
        evaluate_live(running.database, KEY, ["uniform"], OPTIONS, progress=stop)


def test_a_damaged_version_is_refused(running: Any) -> None:
    version = running.one("SELECT min(version) FROM model_version")
    running.run("UPDATE model_version SET blob_hash = 'other'")
    with pytest.raises(PolicyError, match=f"version:{version} does not have its hash"):
        value(running, f"version:{version}")


def test_a_version_is_asked_for_before_there_is_one(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    with pytest.raises(NotFoundError, match="there are no versions yet"):
        value(lite, "version:1")


def test_interactions_that_went_missing_meanwhile_are_noticed(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_policies, "recompute", lambda *_, **__: iter(()))
    with pytest.raises(EvaluationError, match="forgotten meanwhile"):
        value(running, "serving")


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("always:nobody", "nobody"),
        ("best", "unknown policy 'best': give one of serving, .* version:<number>, .*, greedier"),
    ],
)
def test_unknown_policies_are_refused(running: Any, policy: str, message: str) -> None:
    with pytest.raises((EvaluationError, InputError), match=message):
        value(running, policy)
