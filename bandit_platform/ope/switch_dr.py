"""SWITCH-DR (Wang, Agarwal, Dudík 2017): correct the model only where weights are small."""

from __future__ import annotations

from bandit_platform.ope.reward_range import Floats
from bandit_platform.ope.scores import ModelColumns, correction


def switch_dr_scores(columns: ModelColumns, *, threshold: float) -> Floats:
    """Scores Σ_a π(a) q̂(a) + 1{w ≤ τ} w(r - q̂(A)), shape (n,).

    Estimand: V(π), biased by the model's error where w > τ. τ = ∞ is DR, τ = 0 the direct method.

    Args:
        columns: what the model says of each row.
        threshold: τ ≥ 0.
    """
    scores = correction(columns)
    scores *= columns.weight
    scores *= columns.weight <= threshold
    scores += columns.direct
    return scores
