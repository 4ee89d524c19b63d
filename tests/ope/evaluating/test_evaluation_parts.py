"""A log in parts, segments, models and checks through the whole evaluation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bandit_platform.errors import EvaluationError, InputError
from bandit_platform.ope import DecisionLog, RewardRange, evaluate
from bandit_platform.ope.evaluating.evaluation import evaluate_parts
from bandit_platform.ope.evaluating.plan import ESTIMATORS, Options
from bandit_platform.ope.logs.survey import Survey
from bandit_platform.ope.logs.targets import from_pmf

UNIT = RewardRange(low=0, high=1)
ARMS = ("a", "b", "nothing")


def adaptive_log(n: int = 12_000, seed: int = 2, *, pmf: bool = True) -> DecisionLog:
    """The best arm depends on the context; propensities vary above a floor of 0.1."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(["new", "old"], n)
    probability = np.full((n, 3), 0.1)
    probability[np.arange(n), rng.integers(0, 3, n)] = 0.8
    arm = (probability.cumsum(1) < rng.random((n, 1))).sum(1).clip(max=2)
    rates = np.where((kind == "new")[:, None], [0.5, 0.1, 0.2], [0.1, 0.4, 0.2])
    reward = (rng.random(n) < rates[np.arange(n), arm]).astype(float)
    frame = pd.DataFrame({"kind": kind, "value": rng.normal(50, 10, n)})
    return DecisionLog(
        arms=ARMS,
        arm=arm,
        propensity=probability[np.arange(n), arm],
        reward=reward,
        pmf=probability if pmf else None,
        context=frame,
    )


def by_kind(log: DecisionLog) -> np.ndarray:
    """The PMF of the policy that shows each kind its best arm."""
    new = log.context["kind"].to_numpy() == "new"
    return np.where(new[:, None], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])


def test_every_estimator_finds_the_value_of_a_targeted_policy() -> None:
    log = adaptive_log()
    mine = from_pmf(log, "mine", by_kind(log), floor=0.1)
    report = evaluate(
        log, ["mine"], reward_range=UNIT, estimators=ESTIMATORS, floor=0.1, prepared={"mine": mine}
    )
    one = report.policies[0]
    assert set(one.estimates) == set(ESTIMATORS)
    for name, estimate in one.estimates.items():
        assert estimate.value == pytest.approx(0.45, abs=0.04), name
        assert estimate.lower < 0.45 < estimate.upper, name
    assert one.uplift.estimate.lower < 0.25 < one.uplift.estimate.upper
    assert one.uplift.estimate.lower > 0.1
    assert one.uplift.others["dr"].lower > 0.1
    assert one.diagnostics.verdict == "ok", one.diagnostics.why


def test_parts_give_what_the_whole_gives() -> None:
    log = adaptive_log()
    options = Options(estimators=ESTIMATORS, by=("kind",), floor=0.1)
    parts = [log.rows(slice(at, at + 5000)) for at in range(0, 12_000, 5000)]
    both = [
        evaluate_parts(
            lambda given=given: given,
            ["always:a", "uniform"],
            reward_range=UNIT,
            options=options,
        ).to_dict()
        for given in ([log], parts)
    ]

    def compare(first, second, path="") -> None:
        if isinstance(first, dict):
            assert first.keys() == second.keys(), path
            for key in first:
                compare(first[key], second[key], f"{path}.{key}")
        elif isinstance(first, list):
            assert len(first) == len(second), path
            for at, (one, other) in enumerate(zip(first, second, strict=True)):
                compare(one, other, f"{path}[{at}]")
        elif isinstance(first, float):
            assert first == pytest.approx(second, abs=1e-9), path
        else:
            assert first == second, path

    compare(*both)


def test_segments_tell_contexts_apart() -> None:
    report = evaluate(adaptive_log(), ["always:a"], reward_range=UNIT, by=["context.kind", "value"])
    found = {(one.column, one.level): one for one in report.policies[0].segments}
    assert found["kind", "new"].uplift.lower > 0
    assert found["kind", "old"].uplift.upper < 0
    assert len([one for one in report.policies[0].segments if one.column == "value"]) == 4
    assert any("segment" in note for note in report.notes)
    with pytest.raises(InputError, match=r"context\.colour"):
        evaluate(adaptive_log(), ["always:a"], reward_range=UNIT, by=["colour"])


def test_over_time_narrows_and_ends_at_the_estimate() -> None:
    one = evaluate(adaptive_log(), ["always:a"], reward_range=UNIT).policies[0]
    first, last = one.over_time[0], one.over_time[-1]
    assert last.value == one.estimates["ips"]
    assert last.uplift == one.uplift.estimate
    assert last.value.upper - last.value.lower < first.value.upper - first.value.lower
    assert sum(bar.rows for bar in one.weights) == 12_000


@pytest.mark.parametrize("interval", ["asymptotic-cs", "normal"])
def test_other_intervals_are_narrower_and_labelled(interval: str) -> None:
    log = adaptive_log()
    default = evaluate(log, ["always:a"], reward_range=UNIT).policies[0]
    other = evaluate(log, ["always:a"], reward_range=UNIT, interval=interval).policies[0]
    for wide, narrow in (
        (default.estimates["ips"], other.estimates["ips"]),
        (default.estimates["dr"], other.estimates["dr"]),
        (default.uplift.estimate, other.uplift.estimate),
    ):
        assert narrow.interval == interval
        assert narrow.upper - narrow.lower < wide.upper - wide.lower
        assert narrow.value == wide.value


def test_an_asymptotic_sequence_waits_for_its_burn_in() -> None:
    one = evaluate(
        adaptive_log(1000), ["always:a"], reward_range=UNIT, interval="asymptotic-cs"
    ).policies[0]
    assert one.estimates["ips"].collecting
    assert (one.estimates["ips"].lower, one.estimates["ips"].upper) == (0, 1)


def test_a_policy_without_a_pmf_has_no_model_based_estimate() -> None:
    log = adaptive_log()
    log = replace(log, targets={"new": (log.arm == 0).astype(float)})
    one = evaluate(log, ["column:new"], reward_range=UNIT).policies[0]
    assert one.estimates["ips"].value == pytest.approx(0.3, abs=0.03)
    assert one.estimates["dr"].value is None
    assert "probability of every arm" in one.estimates["dr"].note


def test_lost_rows_and_wrong_propensities_are_refused() -> None:
    log = adaptive_log()
    rng = np.random.default_rng(0)
    lost = log.rows((log.arm != 0) | (rng.random(12_000) < 0.6))
    one = evaluate(lost, ["uniform"], reward_range=UNIT).policies[0]
    assert one.diagnostics.verdict == "cannot-evaluate"
    assert any("missing" in reason for reason in one.diagnostics.why)
    assert one.estimates["ips"].value is None
    half = replace(log, propensity=log.propensity / 2, pmf=None)
    one = evaluate(half, ["uniform"], reward_range=UNIT).policies[0]
    assert one.diagnostics.verdict == "cannot-evaluate"


def test_a_range_far_too_wide_is_pointed_out() -> None:
    report = evaluate(adaptive_log(), ["uniform"], reward_range=RewardRange(low=-50, high=50))
    assert any("tighter range" in note for note in report.notes)


def test_estimated_propensities_are_marked() -> None:
    log = replace(adaptive_log(), estimated_propensity=True)
    report = evaluate(log, ["uniform"], reward_range=UNIT)
    assert any("estimated from the log" in note for note in report.notes)


def test_the_logging_policy_earns_what_was_earned() -> None:
    log = adaptive_log()
    one = evaluate(log, ["logging"], reward_range=UNIT, baseline="uniform").policies[0]
    assert one.estimates["snips"].value == pytest.approx(log.reward.mean(), abs=1e-12)
    assert one.diagnostics.mean_weight == 1


def test_surveys_merge() -> None:
    log = adaptive_log()
    parts = Survey.of(log.rows(slice(0, 99))).merged(Survey.of(log.rows(slice(99, None))))
    assert parts == Survey.of(log)
    assert parts.constant_pmf() is None


def test_a_prepared_target_must_fit_the_log() -> None:
    log = adaptive_log()
    short = from_pmf(log.rows(slice(0, 500)), "mine", by_kind(log)[:500])
    with pytest.raises(EvaluationError, match="mine"):
        evaluate(log, ["mine"], reward_range=UNIT, prepared={"mine": short})


class Fixed:
    """A learner that learns nothing and predicts the same for every arm."""

    def __init__(self, arms: int) -> None:
        self.arms = arms

    def updated(self, features, arm, reward, weight):
        return self

    def fitted(self):
        return self

    def predicted(self, features):
        return np.full((features.shape[0], self.arms), 0.25)


def test_any_learner_with_the_protocol_will_do() -> None:
    log = adaptive_log()
    report = evaluate(
        log,
        ["always:a"],
        reward_range=UNIT,
        estimators=["dm", "dr"],
        learner=lambda arms, _: Fixed(arms),
    )
    estimates = report.policies[0].estimates
    assert estimates["dm"].value == pytest.approx(0.25)
    assert estimates["dr"].lower < 0.3 < estimates["dr"].upper


def test_a_guessed_weight_bound_is_pointed_out() -> None:
    log = adaptive_log(pmf=False)
    guessed = evaluate(log, ["always:a"], reward_range=UNIT)
    declared = evaluate(log, ["always:a"], reward_range=UNIT, floor=0.1)
    assert any("--floor" in note for note in guessed.notes)
    assert not any("--floor" in note for note in declared.notes)
