from __future__ import annotations

import json

import numpy as np
import pytest

from bandit_platform.errors import EvaluationError, InputError
from bandit_platform.ope import DecisionLog, RewardRange, evaluate

UNIT = RewardRange(low=0, high=1)


def uniform_log(n: int = 6000, arms: tuple[str, ...] = ("a", "b", "nothing")) -> DecisionLog:
    rng = np.random.default_rng(0)
    arm = rng.integers(0, len(arms), n)
    reward = (rng.random(n) < np.linspace(0.6, 0.1, len(arms))[arm]).astype(float)
    return DecisionLog(arms=arms, arm=arm, propensity=np.full(n, 1 / len(arms)), reward=reward)


def test_report_has_the_published_shape() -> None:
    report = evaluate(uniform_log(), ["always:a"], reward_range=UNIT).to_dict()
    report = json.loads(json.dumps(report, allow_nan=False))
    assert report["n"] == 6000
    assert report["reward_range"] == [0, 1]
    one = report["policies"][0]
    assert one["policy"] == "always:a"
    assert one["estimates"]["snips"]["interval"] == "linearised-normal"
    assert one["estimates"]["ips"]["interval"] == "confidence-sequence"
    assert one["uplift"]["baseline"] == "always:nothing"
    assert one["uplift"]["lower"] > 0
    assert one["diagnostics"]["verdict"] == "ok"
    assert one["diagnostics"]["why"] == []


def test_several_policies_share_alpha_and_the_report_says_so() -> None:
    log = uniform_log()
    alone = evaluate(log, ["always:a"], reward_range=UNIT)
    both = evaluate(log, ["always:a", "always:b", "always:nothing"], reward_range=UNIT)
    assert both.alpha_per_policy == 0.025
    assert any("Bonferroni" in note for note in both.notes)
    assert not alone.notes
    narrow, wide = alone.policies[0].estimates["ips"], both.policies[0].estimates["ips"]
    assert wide.upper - wide.lower > narrow.upper - narrow.lower


def test_the_baseline_has_no_uplift_over_itself() -> None:
    report = evaluate(uniform_log(), ["always:nothing"], reward_range=UNIT)
    uplift = report.policies[0].uplift.estimate
    assert (uplift.lower, uplift.value, uplift.upper) == (0, 0, 0)


def test_baseline_is_logging_without_nothing() -> None:
    assert evaluate(uniform_log(arms=("a", "b")), ["uniform"], reward_range=UNIT).baseline == (
        "logging"
    )


def test_without_support_nothing_is_shown() -> None:
    log = uniform_log(arms=("a", "b", "c"))
    log = DecisionLog(
        arms=("a", "b", "c", "d"), arm=log.arm, propensity=log.propensity, reward=log.reward
    )
    one = evaluate(log, ["always:d"], reward_range=UNIT).policies[0]
    assert one.diagnostics.verdict == "cannot-evaluate"
    assert "no support" in one.diagnostics.why[0]
    for estimate in one.estimates.values():
        assert (estimate.value, estimate.lower, estimate.upper) == (None, 0, 1)
    assert one.uplift.estimate.value is None


def test_wrong_propensities_are_noticed() -> None:
    log = uniform_log()
    wrong = DecisionLog(
        arms=log.arms, arm=log.arm, propensity=np.full(len(log), 0.5), reward=log.reward
    )
    one = evaluate(wrong, ["always:a"], reward_range=UNIT).policies[0]
    assert one.diagnostics.verdict == "cannot-evaluate"
    assert "mean weight" in one.diagnostics.why[0]


def test_few_rows_call_for_caution() -> None:
    one = evaluate(uniform_log(n=200), ["always:a"], reward_range=UNIT).policies[0]
    assert one.diagnostics.verdict == "caution"


def test_impossible_requests_are_refused() -> None:
    log = uniform_log(n=100)
    with pytest.raises(InputError, match="unknown estimator"):
        evaluate(log, ["uniform"], reward_range=UNIT, estimators=["magic"])
    with pytest.raises(InputError, match="at least one policy"):
        evaluate(log, [], reward_range=UNIT)
    with pytest.raises(EvaluationError, match="outside the declared range"):
        evaluate(log, ["uniform"], reward_range=RewardRange(low=0, high=0.5))
    with pytest.raises(EvaluationError, match="no rows"):
        evaluate(log.rows(np.zeros(100, dtype=bool)), ["uniform"], reward_range=UNIT)
