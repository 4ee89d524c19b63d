"""IPS with clipped weights (Ionides 2008): less variance for some bias towards the low end."""

from __future__ import annotations

import numpy as np

from bandit_platform.ope.reward_range import Floats


def clipped_ips_scores(weight: Floats, reward: Floats, *, most: float) -> Floats:
    """Scores min(w, λ)r whose mean is the estimate.

    Estimand: V(π), underestimated where weights above λ carry reward (on the scale [0, 1]).

    Args:
        weight: w, shape (n,).
        reward: scaled rewards, shape (n,).
        most: λ > 0.
    """
    clipped: Floats = np.minimum(weight, most) * reward
    return clipped
