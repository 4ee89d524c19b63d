"""Off-policy evaluation of logged decisions: numpy columns in, frozen results out.

What would another policy have earned on the decisions that were logged? A log needs the arm of
each decision, the probability with which it was drawn, and the reward:

>>> import numpy as np
>>> import pandas as pd
>>> from bandit_platform.ope import DecisionLog, RewardRange, evaluate
>>> rng = np.random.default_rng(7)
>>> arm = rng.choice(["voucher", "nothing"], size=5000, p=[0.25, 0.75])
>>> frame = pd.DataFrame({
...     "arm": arm,
...     "propensity": np.where(arm == "voucher", 0.25, 0.75),
...     "reward": (rng.random(5000) < np.where(arm == "voucher", 0.30, 0.20)) * 1.0,
... })
>>> log = DecisionLog.from_frame(frame)
>>> report = evaluate(log, ["always:voucher"], reward_range=RewardRange(low=0, high=1))
>>> one = report.policies[0]
>>> one.diagnostics.verdict, one.uplift.baseline
('ok', 'always:nothing')
>>> value = one.estimates["ips"]
>>> value.lower < 0.30 < value.upper
True
>>> value.interval
'confidence-sequence'
>>> one.uplift.estimate.lower > 0  # better than nothing, however often one looks
True

Where the data cannot answer, the verdict says so and the bounds are those of the range:

>>> frame = frame[frame["arm"] == "nothing"].assign(eligible_arms='["nothing", "voucher"]')
>>> silent = DecisionLog.from_frame(frame)
>>> report = evaluate(silent, ["always:voucher"], reward_range=RewardRange(low=0, high=1))
>>> report.policies[0].diagnostics.verdict
'cannot-evaluate'

A live system keeps one :class:`PolicyAccumulator` per policy and feeds it batches; its state goes
through JSON exactly, and no cutting of the rows into batches changes a bit of it:

>>> from bandit_platform.ope import PolicyAccumulator
>>> state = PolicyAccumulator.empty(reward_range=RewardRange(low=0, high=1))
>>> state = state.updated(
...     weight=(arm == "voucher") / log.propensity,
...     baseline_weight=(arm == "nothing") / log.propensity,
...     reward=log.reward, max_weight=4.0, baseline_max_weight=4.0)
>>> PolicyAccumulator.from_state(state.to_state()) == state
True
>>> state.uplift().lower > 0
True
"""

from bandit_platform.ope.checks.diagnostics import WeightDiagnostics, diagnose
from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.estimators.ips import ips
from bandit_platform.ope.estimators.reward_model import RewardLearner, RewardModel
from bandit_platform.ope.estimators.snips import snips, snips_uplift
from bandit_platform.ope.estimators.sums import CrossSums, WeightSums
from bandit_platform.ope.evaluating.evaluation import evaluate, evaluate_parts
from bandit_platform.ope.evaluating.plan import Options
from bandit_platform.ope.evaluating.report import (
    EvaluationReport,
    PolicyReport,
    SegmentReport,
    Uplift,
)
from bandit_platform.ope.live.accumulator import PolicyAccumulator
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.logs.targets import Target, from_pmf, target
from bandit_platform.ope.reward_range import RewardRange
from bandit_platform.ope.sequences.confidence_sequence import ConfidenceSequence
from bandit_platform.ope.sequences.holdout import GroupTotals, holdout_uplift

__all__ = [
    "ConfidenceSequence",
    "CrossSums",
    "DecisionLog",
    "Estimate",
    "EvaluationReport",
    "GroupTotals",
    "Options",
    "PolicyAccumulator",
    "PolicyReport",
    "RewardLearner",
    "RewardModel",
    "RewardRange",
    "SegmentReport",
    "Target",
    "Uplift",
    "WeightDiagnostics",
    "WeightSums",
    "diagnose",
    "evaluate",
    "evaluate_parts",
    "from_pmf",
    "holdout_uplift",
    "ips",
    "snips",
    "snips_uplift",
    "target",
]
