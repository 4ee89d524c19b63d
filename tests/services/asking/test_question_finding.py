"""What an evaluation found, in one sentence that claims no more than the intervals do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bandit_platform.ope import DecisionLog, RewardRange, evaluate
from bandit_platform.ope.evaluating.report import EvaluationReport
from bandit_platform.services.asking.question_finding import policy_name, question_finding


def found(rates: tuple[float, float, float], *policies: str, n: int = 6000) -> EvaluationReport:
    """Arms a, b and nothing, drawn evenly, rewarded at these rates."""
    rng = np.random.default_rng(1)
    arm = rng.integers(0, 3, n)
    log = DecisionLog(
        arms=("a", "b", "nothing"),
        arm=arm,
        propensity=np.full(n, 1 / 3),
        reward=(rng.random(n) < np.array(rates)[arm]).astype(float),
    )
    return evaluate(log, policies, reward_range=RewardRange(low=0, high=1), estimators=["ips"])


def test_what_is_better_is_named_with_its_interval() -> None:
    said = question_finding(found((0.5, 0.2, 0.1), "always:a", "always:b", "always:nothing"))
    assert said.startswith("Always showing a would have brought +0.397 reward")
    assert "valid at every look) over always showing nothing" in said
    assert said.endswith("; 2 of 2 policies are clearly better.")


def test_what_is_worse_than_the_baseline_is_said() -> None:
    said = question_finding(found((0.1, 0.2, 0.6), "always:a", "always:b"))
    assert said.startswith("No policy asked about beats always showing nothing: the closest is")
    assert "always showing b" in said


def test_what_is_not_known_is_not_claimed() -> None:
    said = question_finding(found((0.3, 0.3, 0.3), "always:a"))
    assert said.startswith("Not clear yet: compared with always showing nothing")


def test_a_baseline_alone_compares_nothing() -> None:
    assert "nothing to compare" in question_finding(found((0.3, 0.3, 0.3), "always:nothing"))


def test_what_cannot_be_evaluated_says_why() -> None:
    report = found((0.5, 0.2, 0.1), "always:a")
    one: Any = report.policies[0]
    known = replace(one.diagnostics, verdict="cannot-evaluate", why=("too few rows",))
    vacuous = replace(report, policies=(replace(one, diagnostics=known),))
    assert question_finding(vacuous) == "The data cannot answer this: too few rows."


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        ("logging", "what was served"),
        ("version:7", "model version 7"),
        ("learn:softmax", "a policy learned from scratch (softmax)"),
        ("greedier", "greedier"),
    ],
)
def test_policies_in_words(policy: str, name: str) -> None:
    assert policy_name(policy) == name
