"""Direct method: what a reward model says the policy would earn."""

from __future__ import annotations

from bandit_platform.ope.estimators.scores import ModelColumns
from bandit_platform.ope.reward_range import Floats

NOTE = (
    "rests on the reward model, whose bias no interval of its own would show; the bounds are those "
    "of the unbiased estimator"
)


def dm_scores(columns: ModelColumns) -> Floats:
    """Scores Σ_a π(a) q̂(a), shape (n,), whose mean is the estimate.

    Estimand: V(π) as far as the model is right. No propensity enters, so no interval around it
    can be trusted more than the model (Dudík, Langford, Li 2011).
    """
    return columns.direct
