"""Off-policy evaluation of logged decisions: numpy columns in, frozen results out."""

from bandit_platform.ope.accumulator import PolicyAccumulator
from bandit_platform.ope.confidence_sequence import ConfidenceSequence
from bandit_platform.ope.diagnostics import WeightDiagnostics, diagnose
from bandit_platform.ope.estimate import Estimate
from bandit_platform.ope.evaluation import evaluate
from bandit_platform.ope.holdout import GroupTotals, holdout_uplift
from bandit_platform.ope.ips import ips
from bandit_platform.ope.log import DecisionLog
from bandit_platform.ope.report import EvaluationReport, PolicyReport, Uplift
from bandit_platform.ope.reward_range import RewardRange
from bandit_platform.ope.snips import snips, snips_uplift
from bandit_platform.ope.sums import CrossSums, WeightSums
from bandit_platform.ope.targets import Target, target

__all__ = [
    "ConfidenceSequence",
    "CrossSums",
    "DecisionLog",
    "Estimate",
    "EvaluationReport",
    "GroupTotals",
    "PolicyAccumulator",
    "PolicyReport",
    "RewardRange",
    "Target",
    "Uplift",
    "WeightDiagnostics",
    "WeightSums",
    "diagnose",
    "evaluate",
    "holdout_uplift",
    "ips",
    "snips",
    "snips_uplift",
    "target",
]
