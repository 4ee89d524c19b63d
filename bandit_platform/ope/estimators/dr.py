"""Doubly robust estimation (Dudík, Langford, Li 2011; Dudík, Erhan, Langford, Li 2014)."""

from __future__ import annotations

from bandit_platform.ope.estimators.scores import ModelColumns
from bandit_platform.ope.reward_range import Floats


def dr_scores(columns: ModelColumns) -> Floats:
    """Scores Σ_a π(a) q̂(a) + w(r - q̂(A)), shape (n,), whose mean is the estimate.

    Estimand: V(π). Unbiased for known propensities and any predictable model; the better the
    model, the smaller the variance.
    """
    return columns.direct + columns.correction
