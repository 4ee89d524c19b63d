"""Doubly robust with optimistic shrinkage (Su, Dimakopoulou, Krishnamurthy, Dudík 2020)."""

from __future__ import annotations

from bandit_platform.ope.estimators.scores import ModelColumns
from bandit_platform.ope.reward_range import Floats


def dros_scores(columns: ModelColumns, *, shrinkage: float) -> Floats:
    """Scores of DR with ŵ = λw/(w² + λ) in place of w, shape (n,).

    Estimand: V(π), biased by the model's error where w² is not small against λ. λ = ∞ is DR,
    λ = 0 the direct method.

    Args:
        columns: what the model says of each row.
        shrinkage: λ ≥ 0.
    """
    if shrinkage == 0.0:
        return columns.direct.copy()
    scores = columns.correction / (columns.weight**2 / shrinkage + 1.0)
    scores += columns.direct
    return scores
