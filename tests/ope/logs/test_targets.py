from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bandit_platform.errors import EvaluationError, InputError
from bandit_platform.ope import DecisionLog, target
from bandit_platform.ope.logs.targets import from_pmf


def test_logging_has_weight_one(small_log: DecisionLog) -> None:
    made = target(small_log, "logging")
    assert made.weight.tolist() == [1, 1, 1, 1]
    assert made.max_weight.tolist() == [1, 1, 1, 1]


def test_uniform_spreads_over_the_eligible_arms(small_log: DecisionLog) -> None:
    assert target(small_log, "uniform").weight == pytest.approx([2 / 3, 4 / 3, 4 / 3, 1 / 2.4])
    eligible = np.array([[1, 0, 1], [1, 1, 1], [0, 0, 1], [1, 1, 0]], dtype=bool)
    made = target(replace(small_log, eligible=eligible), "uniform")
    assert made.weight == pytest.approx([1.0, 4 / 3, 4.0, 0.625])
    assert made.pmf is not None
    assert made.pmf.sum(axis=1) == pytest.approx(1)


def test_always_weighs_its_own_rows(small_log: DecisionLog) -> None:
    made = target(small_log, "always:a")
    assert made.weight == pytest.approx([2, 0, 0, 1.25])
    assert made.max_weight.tolist() == [4, 4, 4, 4]
    assert target(small_log, "always:a", floor=0.1).max_weight.tolist() == [10] * 4


def test_always_falls_back_to_nothing_where_its_arm_is_not_eligible(
    small_log: DecisionLog,
) -> None:
    eligible = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1], [1, 1, 0]], dtype=bool)
    a = target(replace(small_log, eligible=eligible), "always:a")
    assert a.weight == pytest.approx([2, 0, 4, 1.25])
    assert not a.unsupported.any()
    b = target(replace(small_log, eligible=eligible), "always:b")
    assert b.unsupported.tolist() == [False, False, False, False]
    nothing = target(replace(small_log, eligible=eligible), "always:nothing")
    assert nothing.unsupported.tolist() == [False, True, False, True]
    assert nothing.weight == pytest.approx([0, 0, 4, 0])


def test_column_reads_the_log(small_log: DecisionLog) -> None:
    log = replace(small_log, targets={"new": np.array([0.5, 0.5, 0.0, 1.0])})
    assert target(log, "column:new").weight == pytest.approx([1, 2, 0, 1.25])


def test_from_pmf_takes_the_logged_arm(small_log: DecisionLog) -> None:
    pmf = np.tile([0.2, 0.3, 0.5], (4, 1))
    assert from_pmf(small_log, "mine", pmf).weight == pytest.approx([0.4, 1.2, 2.0, 0.25])
    with pytest.raises(EvaluationError, match="sum to 1"):
        from_pmf(small_log, "mine", pmf / 2)


@pytest.mark.parametrize("policy", ["best", "always:", "column:", "column:old", ""])
def test_unknown_policy_is_refused(small_log: DecisionLog, policy: str) -> None:
    with pytest.raises(InputError):
        target(small_log, policy)


def test_unknown_arm_names_the_known_ones(small_log: DecisionLog) -> None:
    with pytest.raises(EvaluationError, match="a, b, nothing"):
        target(small_log, "always:c")


def test_log_refuses_impossible_columns(small_log: DecisionLog) -> None:
    with pytest.raises(EvaluationError, match="row 1: propensity"):
        replace(small_log, propensity=np.array([0.5, 0.0, 0.5, 0.5]))
    with pytest.raises(EvaluationError, match="reward has shape"):
        replace(small_log, reward=np.array([0.5]))
    with pytest.raises(EvaluationError, match="arm code"):
        replace(small_log, arm=np.array([0, 1, 2, 3]))
