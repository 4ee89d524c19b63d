"""What a whole randomised log says about fixed policies: the reference for a replay's estimates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bandit_platform.services.evaluation.logged_data import LoggedData
from bandit_platform.services.learning.tracked import ALWAYS, UNIFORM


def log_values(log: LoggedData) -> Mapping[str, float]:
    """Self-normalised value of every arm on all rows, and of choosing evenly among them.

    With 1/p as weights where row i got the arm, value(arm) = Σ R_i/p_i ÷ Σ 1/p_i (Swaminathan &
    Joachims 2015). Empty where the experiment targets or schedules arms, because then not every
    customer could have got every arm.
    """
    if any(arm.when or arm.starts_at or arm.ends_at for arm in log.spec.arms):
        return {}
    got = np.array(log.arms)
    weights = 1.0 / log.propensities
    values = {
        f"{ALWAYS}{arm}": float(np.average(log.rewards[got == arm], weights=weights[got == arm]))
        for arm in log.spec.arm_keys
        if (got == arm).any()
    }
    if len(values) == len(log.spec.arm_keys):
        values[UNIFORM] = float(np.mean(list(values.values())))
    return values
